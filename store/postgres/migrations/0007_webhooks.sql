-- Addresses that users have their notifications sent to. Secrets are sealed; the store has no key to them.
CREATE TABLE webhooks (
    id              uuid NOT NULL PRIMARY KEY,
    user_id         uuid NOT NULL REFERENCES users (id),
    url             text NOT NULL,
    host            text NOT NULL,
    secret          bytea NOT NULL,
    previous_secret bytea,
    previous_until  timestamptz,
    created_at      timestamptz NOT NULL,
    -- Since when every attempt has failed.
    failing_since   timestamptz,
    disabled_at     timestamptz,
    disabled_reason text
);

CREATE INDEX webhooks_of_user ON webhooks (user_id, created_at);

-- One row for each notification and each webhook that was enabled when it was kept. While leased, somebody attempts it, and
-- next_attempt_at is when that one is taken for dead. attempts counts all of them, tries those since it was made or resent.
CREATE TABLE webhook_deliveries (
    webhook_id      uuid NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    notification_id uuid NOT NULL,
    host            text NOT NULL,
    state           text NOT NULL DEFAULT 'pending',
    attempts        integer NOT NULL DEFAULT 0,
    tries           integer NOT NULL DEFAULT 0,
    leased          boolean NOT NULL DEFAULT false,
    next_attempt_at timestamptz,
    created_at      timestamptz NOT NULL,
    log             jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (webhook_id, notification_id)
);

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_of_webhook ON webhook_deliveries (webhook_id, created_at, notification_id);
CREATE INDEX webhook_deliveries_done ON webhook_deliveries (created_at) WHERE state <> 'pending';
