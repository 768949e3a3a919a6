-- Who did what to whom. Entries are written with what they tell, and sealed into batches behind that; neither is changed or removed.
CREATE TABLE audit_entries (
    number  INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    actor   BLOB NOT NULL,
    act     TEXT NOT NULL,
    subject TEXT NOT NULL,
    was     TEXT NOT NULL,
    became  TEXT NOT NULL,
    batch   INTEGER CHECK (batch > 0)
) STRICT;

CREATE INDEX audit_unsealed ON audit_entries (number) WHERE batch IS NULL;
CREATE INDEX audit_of_batch ON audit_entries (batch, number);
CREATE INDEX audit_of_subject ON audit_entries (subject, number);
CREATE INDEX audit_of_actor ON audit_entries (actor, number);

CREATE TABLE audit_batches (
    number    INTEGER NOT NULL PRIMARY KEY CHECK (number BETWEEN 1 AND 1000000000000000),
    entries   INTEGER NOT NULL,
    digest    BLOB NOT NULL,
    sealed_at INTEGER NOT NULL
) STRICT;

-- An insert that replaces a row would delete it without a trigger.
CREATE TRIGGER audit_entries_come_unsealed BEFORE INSERT ON audit_entries
WHEN new.batch IS NOT NULL OR EXISTS (SELECT 1 FROM audit_entries WHERE number = new.number)
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_batches_follow_each_other BEFORE INSERT ON audit_batches
WHEN new.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM audit_batches)
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_entries_stay BEFORE DELETE ON audit_entries
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_entries_stay_as_they_are BEFORE UPDATE ON audit_entries
WHEN old.batch IS NOT NULL OR new.batch IS NOT (SELECT coalesce(max(number), 0) + 1 FROM audit_batches) OR (old.number, old.at, old.actor, old.act, old.subject, old.was, old.became)
    IS NOT (new.number, new.at, new.actor, new.act, new.subject, new.was, new.became)
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_batches_stay BEFORE DELETE ON audit_batches
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_batches_stay_as_they_are BEFORE UPDATE ON audit_batches
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
