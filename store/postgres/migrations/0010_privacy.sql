-- What is personal stands sealed under a key that its person alone has, outside of this database: users.email and external_id,
-- decisions.features and contributions, and what audit entries were and became once they are in a batch. What was written before is
-- sealed when the store is opened. The indexes hold MACs, by which a value is found without being told.
ALTER TABLE users
    ADD COLUMN email_index bytea,
    ADD COLUMN external_id_index bytea,
    DROP CONSTRAINT users_email_key,
    DROP CONSTRAINT users_external_id_key;
CREATE UNIQUE INDEX users_by_email ON users (email_index);
CREATE UNIQUE INDEX users_by_external_id ON users (external_id_index);

ALTER TABLE decisions
    ALTER COLUMN features TYPE text USING features::text,
    ALTER COLUMN contributions TYPE text USING contributions::text;
-- Empty once everything is sealed.
CREATE INDEX decisions_plain ON decisions (id) WHERE features LIKE '{%';
CREATE INDEX users_plain ON users (id)
    WHERE (email IS NOT NULL AND email_index IS NULL) OR (external_id IS NOT NULL AND external_id_index IS NULL);

-- With its batch an entry gets its sealed texts; after that nothing of it changes.
DROP TRIGGER audit_entries_stay_as_they_are ON audit_entries;
CREATE TRIGGER audit_entries_stay_as_they_are BEFORE UPDATE ON audit_entries FOR EACH ROW
    WHEN (old.batch IS NOT NULL OR new.batch IS NULL OR (old.number, old.at, old.actor, old.act, old.subject)
        IS DISTINCT FROM (new.number, new.at, new.actor, new.act, new.subject))
    EXECUTE FUNCTION audit_only_grows();

-- People who are to be erased, or were. With a tombstone nothing of them is taken in any more.
CREATE TABLE erasures (
    user_id      uuid NOT NULL PRIMARY KEY,
    receipt      uuid NOT NULL UNIQUE,
    -- Unknown where the store is older than the request.
    requested_by uuid,
    requested_at timestamptz NOT NULL,
    tombstone    bigint,
    -- When nothing was left for the first time, when that held some time later, and when the bus had forgotten, too.
    swept_at     timestamptz,
    erased_at    timestamptz,
    closed_at    timestamptz,
    rows         bigint NOT NULL DEFAULT 0
);

CREATE INDEX erasures_to_delete ON erasures (requested_at) WHERE erased_at IS NULL;
CREATE INDEX erasures_to_close ON erasures (erased_at) WHERE closed_at IS NULL;

-- By what the vault is known that holds the keys.
CREATE TABLE vault_of_keys (
    one  boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    mark bytea NOT NULL
);
