-- What is personal stands sealed under a key that its person alone has, outside of this database: users.email and external_id,
-- decisions.features and contributions, and what audit entries were and became once they are in a batch. What was written before is
-- sealed when the store is opened. The indexes hold MACs, by which a value is found without being told.
ALTER TABLE users ADD COLUMN email_index BLOB;
ALTER TABLE users ADD COLUMN external_id_index BLOB;
CREATE UNIQUE INDEX users_by_email ON users (email_index);
CREATE UNIQUE INDEX users_by_external_id ON users (external_id_index);

-- The same table without the rule that two of its columns are JSON.
ALTER TABLE decisions RENAME TO decisions_before;
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
    features       TEXT NOT NULL,
    contributions  TEXT NOT NULL
) STRICT;
INSERT INTO decisions SELECT id, user_id, decided_at, outcome, reason, offer_id, risk_score, model_version, policy_version,
    features, contributions FROM decisions_before;
DROP TABLE decisions_before;
CREATE INDEX decisions_by_user ON decisions (user_id, decided_at);
-- Empty once everything is sealed.
CREATE INDEX decisions_plain ON decisions (id) WHERE features LIKE '{%';
CREATE INDEX users_plain ON users (id)
    WHERE (email IS NOT NULL AND email_index IS NULL) OR (external_id IS NOT NULL AND external_id_index IS NULL);

-- With its batch an entry gets its sealed texts; after that nothing of it changes.
DROP TRIGGER audit_entries_stay_as_they_are;
CREATE TRIGGER audit_entries_stay_as_they_are BEFORE UPDATE ON audit_entries
WHEN old.batch IS NOT NULL OR new.batch IS NOT (SELECT coalesce(max(number), 0) + 1 FROM audit_batches) OR (old.number, old.at, old.actor, old.act, old.subject)
    IS NOT (new.number, new.at, new.actor, new.act, new.subject)
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;

-- People who are to be erased, or were. With a tombstone nothing of them is taken in any more.
CREATE TABLE erasures (
    user_id      TEXT NOT NULL PRIMARY KEY,
    receipt      BLOB NOT NULL UNIQUE,
    -- Unknown where the store is older than the request.
    requested_by TEXT,
    requested_at TEXT NOT NULL,
    tombstone    INTEGER,
    -- When nothing was left for the first time, when that held some time later, and when the bus had forgotten, too.
    swept_at     TEXT,
    erased_at    TEXT,
    closed_at    TEXT,
    rows         INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX erasures_to_delete ON erasures (requested_at) WHERE erased_at IS NULL;
CREATE INDEX erasures_to_close ON erasures (erased_at) WHERE closed_at IS NULL;

-- By what the vault is known that holds the keys.
CREATE TABLE vault_of_keys (
    one  INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    mark BLOB NOT NULL
) STRICT;
