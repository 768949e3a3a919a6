-- Tables that others query use native types: uuid, timestamptz, and numeric for amounts and rates, which are exact.

CREATE TABLE users (
    id            uuid NOT NULL PRIMARY KEY,
    email         text COLLATE "C" UNIQUE,
    password_hash text,
    external_id   text COLLATE "C" UNIQUE,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL
);

CREATE TABLE consents (
    user_id    uuid NOT NULL REFERENCES users (id),
    purpose    text NOT NULL,
    granted    boolean NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, purpose)
);

CREATE TABLE credit_limits (
    id            uuid NOT NULL PRIMARY KEY,
    user_id       uuid NOT NULL REFERENCES users (id),
    status        text NOT NULL CHECK (status IN ('offered', 'accepted', 'active', 'expired')),
    credit_limit  numeric(14, 2) NOT NULL CHECK (credit_limit > 0),
    interest_rate numeric(10, 2) NOT NULL CHECK (interest_rate >= 0),
    credit_type   text NOT NULL CHECK (credit_type IN ('SHORT_TERM', 'LONG_TERM')),
    expires_at    timestamptz NOT NULL,
    accepted_at   timestamptz,
    activated_at  timestamptz,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL
);

CREATE INDEX credit_limits_by_user ON credit_limits (user_id, created_at, id);
CREATE INDEX credit_limits_by_status ON credit_limits (status, expires_at);

-- Every decision with all that led to it, denials included. json and not jsonb: floats keep the digits they were
-- written with, so what is read is what was decided, to the last bit.
CREATE TABLE decisions (
    id             uuid NOT NULL PRIMARY KEY,
    user_id        uuid NOT NULL REFERENCES users (id),
    decided_at     timestamptz NOT NULL,
    outcome        text NOT NULL CHECK (outcome IN ('approved', 'denied')),
    reason         text CHECK ((reason IS NOT NULL) = (outcome = 'denied')),
    offer_id       uuid UNIQUE REFERENCES credit_limits (id) CHECK ((offer_id IS NOT NULL) = (outcome = 'approved')),
    risk_score     double precision NOT NULL,
    model_version  text NOT NULL,
    policy_version text NOT NULL,
    features       json NOT NULL,
    contributions  json NOT NULL
);

CREATE INDEX decisions_by_user ON decisions (user_id, decided_at);

-- A row that nobody holds has a claim that ended before time began. Rows come and go by the thousand: what they leave
-- behind is swept up long before it slows the relay's look for the next one.
CREATE TABLE outbox (
    row            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id       uuid NOT NULL,
    subject        text NOT NULL,
    key            uuid NOT NULL,
    payload        bytea NOT NULL,
    schema_version integer NOT NULL,
    request_id     text,
    traceparent    text,
    claimed_until  timestamptz NOT NULL DEFAULT '-infinity'
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);

CREATE INDEX outbox_by_claim ON outbox (claimed_until, row);

CREATE TABLE notifications (
    id         uuid NOT NULL PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES users (id),
    sequence   bigint NOT NULL,
    type       text NOT NULL,
    title      text NOT NULL,
    message    text NOT NULL,
    offer_id   uuid NOT NULL,
    created_at timestamptz NOT NULL,
    stored_at  timestamptz NOT NULL,
    -- When the customer read it; NULL until then.
    read_at    timestamptz,
    UNIQUE (user_id, sequence)
);

CREATE INDEX notifications_by_offer ON notifications (offer_id);
-- Most are read sooner or later, so counting what isn't stays cheap however many there are.
CREATE INDEX notifications_unread ON notifications (user_id, sequence) WHERE read_at IS NULL;

-- Answers kept for requests that came with an Idempotency-Key: the same key of the same caller for the same call gets
-- the same answer. A request that is under way has no answer yet; its holder may give one until claimed_until.
CREATE TABLE idempotency_keys (
    scope         text COLLATE "C" NOT NULL,
    key           text COLLATE "C" NOT NULL,
    fingerprint   bytea NOT NULL,
    holder        uuid NOT NULL,
    status        integer,
    answer        bytea CHECK ((answer IS NULL) = (status IS NULL)),
    claimed_until timestamptz NOT NULL,
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (scope, key)
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
