-- A replay from the bus's log is of these days; one from the raw rows has none. How far the log was read stands in log_cursor until all
-- of it was, in words of whoever reads it.
ALTER TABLE replay ADD COLUMN from_day INTEGER;
ALTER TABLE replay ADD COLUMN to_day INTEGER;
ALTER TABLE replay ADD COLUMN log_cursor TEXT;

-- What the log says of the counted events of these days, each once. Empty between replays.
CREATE TABLE replay_log (
    day        INTEGER NOT NULL,
    user_id    BLOB NOT NULL,
    event_id   BLOB NOT NULL,
    -- Billionths.
    positivity INTEGER NOT NULL,
    intensity  INTEGER NOT NULL,
    stress     INTEGER NOT NULL,
    PRIMARY KEY (day, user_id, event_id)
) STRICT, WITHOUT ROWID;
