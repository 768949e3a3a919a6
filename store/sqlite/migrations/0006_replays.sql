-- The replay under way, or the last one. Phases: 1 building, 2 built, 3 switched.
CREATE TABLE replay (
    one           INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    started_at    TEXT NOT NULL,
    phase         INTEGER NOT NULL CHECK (phase IN (1, 2, 3)),
    -- Billionths.
    stress        INTEGER NOT NULL,
    -- The next piece begins with this user's day.
    next_day      INTEGER NOT NULL,
    next_user     BLOB NOT NULL,
    confirmed     INTEGER NOT NULL,
    healed        INTEGER NOT NULL,
    kept          INTEGER NOT NULL,
    carried_over  INTEGER NOT NULL,
    switched_at   TEXT
) STRICT;

-- What is to be added to the rows of the summary to get those of the shadow generation. Rows that are not here are the same in
-- both.
CREATE TABLE replay_shadow (
    user_id            TEXT NOT NULL,
    summary_date       TEXT NOT NULL,
    event_count        INTEGER NOT NULL,
    stress_event_count INTEGER NOT NULL,
    positivity_sum     INTEGER NOT NULL,
    intensity_sum      INTEGER NOT NULL,
    stress_sum         INTEGER NOT NULL,
    PRIMARY KEY (user_id, summary_date)
) STRICT, WITHOUT ROWID;
