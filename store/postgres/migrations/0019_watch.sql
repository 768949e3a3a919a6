-- How far the watch over decisions is: the last batch of the decision log that it has counted.
CREATE TABLE watch_progress (
    one   boolean NOT NULL PRIMARY KEY CHECK (one),
    batch bigint NOT NULL
);

INSERT INTO watch_progress VALUES (true, 0);

-- How many decisions of a day fell into each bin of what is watched. Nothing here says whose they were.
CREATE TABLE watch_days (
    day       date NOT NULL,
    model     text NOT NULL,
    measure   text NOT NULL,
    bin       smallint NOT NULL CHECK (bin BETWEEN 0 AND 200),
    decisions bigint NOT NULL CHECK (decisions > 0),
    PRIMARY KEY (day, model, measure, bin)
);

-- What was told last of a model's measure, or of a group.
CREATE TABLE watch_standings (
    kind     text NOT NULL,
    model    text NOT NULL,
    name     text NOT NULL,
    standing text NOT NULL,
    since    timestamptz NOT NULL,
    changes  bigint NOT NULL CHECK (changes > 0),
    PRIMARY KEY (kind, model, name)
);
