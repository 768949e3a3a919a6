-- Raw emotion rows of days before this one were dropped. The books compare no such day, whatever is kept from now on.
CREATE TABLE raw_floor (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    day INTEGER NOT NULL
) STRICT;
