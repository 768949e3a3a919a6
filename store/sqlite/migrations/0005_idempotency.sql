-- Answers kept for requests that came with an Idempotency-Key: the same key of the same caller for the same call gets
-- the same answer. A request that is under way has no answer yet; its holder may give one until claimed_until.
CREATE TABLE idempotency_keys (
    scope         TEXT NOT NULL,
    key           TEXT NOT NULL,
    fingerprint   BLOB NOT NULL,
    holder        BLOB NOT NULL,
    status        INTEGER,
    answer        BLOB CHECK ((answer IS NULL) = (status IS NULL)),
    claimed_until INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_under_way ON idempotency_keys (claimed_until) WHERE status IS NULL;
