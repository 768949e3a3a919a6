-- A replay from the bus's log is of these days; one from the raw rows has none. How far the log was read stands in log_cursor until all
-- of it was, in words of whoever reads it.
ALTER TABLE replay ADD COLUMN from_day date, ADD COLUMN to_day date, ADD COLUMN log_cursor text;

-- What the log says of the counted events of these days, each once. Empty between replays.
CREATE TABLE replay_log (
    day        date NOT NULL,
    -- Billionths.
    positivity integer NOT NULL,
    intensity  integer NOT NULL,
    stress     integer NOT NULL,
    user_id    uuid NOT NULL,
    event_id   uuid NOT NULL,
    PRIMARY KEY (day, user_id, event_id)
);
