-- A letter waits for somebody to look at it, was published again, or was dropped for good. Rows of the last two stay:
-- the books need to know what became of the event.
ALTER TABLE dead_letters ADD COLUMN state TEXT NOT NULL DEFAULT 'waiting'
    CHECK (state IN ('waiting', 'replayed', 'dropped'));
ALTER TABLE dead_letters ADD COLUMN state_at TEXT;
ALTER TABLE dead_letters ADD COLUMN replays INTEGER NOT NULL DEFAULT 0;
