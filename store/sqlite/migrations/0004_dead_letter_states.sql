-- A letter waits for somebody to look at it, was published again, or was dropped for good. Rows of the last two stay for
-- a while without their payload: the books need to know what became of the event.
ALTER TABLE dead_letters ADD COLUMN state TEXT NOT NULL DEFAULT 'waiting'
    CHECK (state IN ('waiting', 'replayed', 'dropped'));
ALTER TABLE dead_letters ADD COLUMN state_at TEXT;
ALTER TABLE dead_letters ADD COLUMN replays INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dead_letters ADD COLUMN kind TEXT NOT NULL DEFAULT 'unspecified';
-- The row of the outbox that took the payload when the letter was last replayed.
ALTER TABLE dead_letters ADD COLUMN outbox_row INTEGER;

CREATE INDEX dead_letters_decided ON dead_letters (state_at) WHERE state <> 'waiting';

-- A replayed event goes out with the schema version that it came with.
ALTER TABLE outbox ADD COLUMN schema_version INTEGER NOT NULL DEFAULT 1;
