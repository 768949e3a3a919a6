-- Addresses that users have their notifications sent to. Secrets are sealed; the store has no key to them.
CREATE TABLE webhooks (
    id              TEXT NOT NULL PRIMARY KEY,
    user_id         TEXT NOT NULL REFERENCES users (id),
    url             TEXT NOT NULL,
    host            TEXT NOT NULL,
    secret          BLOB NOT NULL,
    previous_secret BLOB,
    previous_until  INTEGER,
    created_at      INTEGER NOT NULL,
    -- Since when every attempt has failed.
    failing_since   INTEGER,
    disabled_at     INTEGER,
    disabled_reason TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX webhooks_of_user ON webhooks (user_id, created_at);

-- One row for each notification and each webhook that was enabled when it was kept. While leased, somebody attempts it, and
-- next_attempt_at is when that one is taken for dead. attempts counts all of them, tries those since it was made or resent.
CREATE TABLE webhook_deliveries (
    webhook_id      TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    notification_id TEXT NOT NULL,
    host            TEXT NOT NULL,
    state           TEXT NOT NULL DEFAULT 'pending',
    attempts        INTEGER NOT NULL DEFAULT 0,
    tries           INTEGER NOT NULL DEFAULT 0,
    leased          INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER,
    created_at      INTEGER NOT NULL,
    log             TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (webhook_id, notification_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_of_webhook ON webhook_deliveries (webhook_id, created_at);
CREATE INDEX webhook_deliveries_done ON webhook_deliveries (created_at) WHERE state <> 'pending';
