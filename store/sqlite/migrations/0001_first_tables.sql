-- Tables that others query keep ids as lower-case hyphenated UUID text, days as 'YYYY-MM-DD' and instants as
-- fixed-width UTC text with microseconds ('2026-11-20T23:59:38.123456Z'), so that text order is time order.
-- Amounts and rates are exact: an integer of hundredths, and the decimal derived from it under the plain name.
-- Tables that only the platform reads keep UUIDs as 16 bytes, days since 1970-01-01 and microseconds since then.

CREATE TABLE users (
    id            TEXT NOT NULL PRIMARY KEY,
    email         TEXT UNIQUE,
    password_hash TEXT,
    external_id   TEXT UNIQUE,
    created_at    TEXT NOT NULL,
    updated_at    TEXT NOT NULL
) STRICT;

CREATE TABLE consents (
    user_id    TEXT NOT NULL REFERENCES users (id),
    purpose    TEXT NOT NULL,
    granted    INTEGER NOT NULL CHECK (granted IN (0, 1)),
    updated_at TEXT NOT NULL,
    PRIMARY KEY (user_id, purpose)
) STRICT, WITHOUT ROWID;

-- No foreign key on the two tables that every event meets: the fold looks its users up once per batch.
CREATE TABLE transactions (
    id           TEXT NOT NULL PRIMARY KEY,
    user_id      TEXT NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    amount       TEXT GENERATED ALWAYS AS (printf('%d.%02d', amount_minor / 100, amount_minor % 100)) VIRTUAL,
    currency     TEXT NOT NULL,
    merchant     TEXT,
    category     TEXT,
    channel      TEXT,
    client_id    TEXT,
    created_at   TEXT NOT NULL,
    occurred_at  TEXT NOT NULL
) STRICT;

-- Covers the features: count, mean and last transaction of a window come from the index alone.
CREATE INDEX transactions_by_user ON transactions (user_id, occurred_at, amount_minor);

-- Raw emotion events. The key's order is the order of the days, so retention drops a run of neighbours.
CREATE TABLE emotional_events (
    day         INTEGER NOT NULL,
    user_id     BLOB NOT NULL,
    event_id    BLOB NOT NULL,
    occurred_at INTEGER NOT NULL,
    arrived_at  INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    positivity  INTEGER NOT NULL,
    intensity   INTEGER NOT NULL,
    stress      INTEGER NOT NULL,
    PRIMARY KEY (day, user_id, event_id)
) STRICT, WITHOUT ROWID;

-- Ids of emotion events that are settled without a raw row: counted ones past their raw retention, and discarded ones.
CREATE TABLE emotion_inbox (
    day        INTEGER NOT NULL,
    user_id    BLOB NOT NULL,
    event_id   BLOB NOT NULL,
    arrived_at INTEGER NOT NULL,
    fate       INTEGER NOT NULL CHECK (fate IN (1, 2)),
    PRIMARY KEY (day, user_id, event_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX emotion_inbox_by_arrival ON emotion_inbox (arrived_at);

-- Sums are integers of billionths: they don't depend on the order in which events came. The means derive from them.
CREATE TABLE emotional_events_summary (
    user_id              TEXT NOT NULL,
    summary_date         TEXT NOT NULL,
    event_count          INTEGER NOT NULL CHECK (event_count > 0),
    stress_event_count   INTEGER NOT NULL,
    positivity_sum       INTEGER NOT NULL,
    intensity_sum        INTEGER NOT NULL,
    stress_sum           INTEGER NOT NULL,
    avg_positivity_score REAL GENERATED ALWAYS AS (positivity_sum / 1e9 / event_count) VIRTUAL,
    avg_intensity_score  REAL GENERATED ALWAYS AS (intensity_sum / 1e9 / event_count) VIRTUAL,
    avg_stress_level     REAL GENERATED ALWAYS AS (stress_sum / 1e9 / event_count) VIRTUAL,
    updated_at           TEXT NOT NULL,
    PRIMARY KEY (user_id, summary_date)
) STRICT, WITHOUT ROWID;

CREATE INDEX emotional_events_summary_by_date ON emotional_events_summary (summary_date);

CREATE TABLE credit_limits (
    id                 TEXT NOT NULL PRIMARY KEY,
    user_id            TEXT NOT NULL REFERENCES users (id),
    status             TEXT NOT NULL CHECK (status IN ('offered', 'accepted', 'active', 'expired')),
    credit_limit_minor INTEGER NOT NULL CHECK (credit_limit_minor > 0),
    credit_limit       TEXT GENERATED ALWAYS AS
                       (printf('%d.%02d', credit_limit_minor / 100, credit_limit_minor % 100)) VIRTUAL,
    interest_rate_bp   INTEGER NOT NULL CHECK (interest_rate_bp >= 0),
    interest_rate      TEXT GENERATED ALWAYS AS
                       (printf('%d.%02d', interest_rate_bp / 100, interest_rate_bp % 100)) VIRTUAL,
    credit_type        TEXT NOT NULL CHECK (credit_type IN ('SHORT_TERM', 'LONG_TERM')),
    expires_at         TEXT NOT NULL,
    accepted_at        TEXT,
    activated_at       TEXT,
    created_at         TEXT NOT NULL,
    updated_at         TEXT NOT NULL
) STRICT;

CREATE INDEX credit_limits_by_user ON credit_limits (user_id, created_at, id);
CREATE INDEX credit_limits_by_status ON credit_limits (status, expires_at);

-- Every decision with all that led to it, denials included.
CREATE TABLE decisions (
    id             TEXT NOT NULL PRIMARY KEY,
    user_id        TEXT NOT NULL REFERENCES users (id),
    decided_at     TEXT NOT NULL,
    outcome        TEXT NOT NULL CHECK (outcome IN ('approved', 'denied')),
    reason         TEXT CHECK ((reason IS NOT NULL) = (outcome = 'denied')),
    offer_id       TEXT UNIQUE REFERENCES credit_limits (id) CHECK ((offer_id IS NOT NULL) = (outcome = 'approved')),
    risk_score     REAL NOT NULL,
    model_version  TEXT NOT NULL,
    policy_version TEXT NOT NULL,
    features       TEXT NOT NULL CHECK (json_valid(features)),
    contributions  TEXT NOT NULL CHECK (json_valid(contributions))
) STRICT;

CREATE INDEX decisions_by_user ON decisions (user_id, decided_at);

-- A row that nobody holds has claimed_until 0. AUTOINCREMENT: a finished row's number never comes back.
CREATE TABLE outbox (
    row           INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id      TEXT NOT NULL,
    subject       TEXT NOT NULL,
    key           TEXT NOT NULL,
    payload       BLOB NOT NULL,
    request_id    TEXT,
    traceparent   TEXT,
    claimed_until INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX outbox_by_claim ON outbox (claimed_until);

CREATE TABLE notifications (
    id         TEXT NOT NULL PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES users (id),
    sequence   INTEGER NOT NULL,
    type       TEXT NOT NULL,
    title      TEXT NOT NULL,
    message    TEXT NOT NULL,
    offer_id   TEXT NOT NULL,
    created_at TEXT NOT NULL,
    stored_at  TEXT NOT NULL,
    UNIQUE (user_id, sequence)
) STRICT;

CREATE INDEX notifications_by_offer ON notifications (offer_id);

CREATE TABLE dead_letters (
    row            INTEGER PRIMARY KEY AUTOINCREMENT,
    subject        TEXT NOT NULL,
    "group"        TEXT NOT NULL,
    event_id       TEXT NOT NULL,
    key            TEXT NOT NULL,
    reason         TEXT NOT NULL,
    history        TEXT NOT NULL CHECK (json_valid(history)),
    payload        BLOB NOT NULL,
    schema_version INTEGER NOT NULL,
    request_id     TEXT,
    traceparent    TEXT,
    created_at     TEXT NOT NULL
) STRICT;

CREATE INDEX dead_letters_by_event ON dead_letters (event_id, subject);
CREATE INDEX dead_letters_by_subject ON dead_letters (subject);
