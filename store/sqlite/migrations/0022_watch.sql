-- How far the watch over decisions is: the last batch of the decision log that it has counted.
CREATE TABLE watch_progress (
    one   INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    batch INTEGER NOT NULL
) STRICT;

INSERT INTO watch_progress VALUES (1, 0);

-- How many decisions of a day fell into each bin of what is watched. Nothing here says whose they were. Days are counted from 1970-01-01.
CREATE TABLE watch_days (
    day       INTEGER NOT NULL,
    model     TEXT NOT NULL,
    measure   TEXT NOT NULL,
    bin       INTEGER NOT NULL CHECK (bin BETWEEN 0 AND 200),
    decisions INTEGER NOT NULL CHECK (decisions > 0),
    PRIMARY KEY (day, model, measure, bin)
) STRICT, WITHOUT ROWID;

-- What was told last of a model's measure, or of a group.
CREATE TABLE watch_standings (
    kind     TEXT NOT NULL,
    model    TEXT NOT NULL,
    name     TEXT NOT NULL,
    standing TEXT NOT NULL,
    since    TEXT NOT NULL,
    changes  INTEGER NOT NULL CHECK (changes > 0),
    PRIMARY KEY (kind, model, name)
) STRICT, WITHOUT ROWID;
