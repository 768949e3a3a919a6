-- Versions of the credit policy. Two people make one active; none is removed, and what it says never changes.
CREATE TABLE policies (
    version      TEXT NOT NULL PRIMARY KEY,
    digest       TEXT NOT NULL UNIQUE,
    text         TEXT NOT NULL,
    author       TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('draft', 'approved', 'withdrawn')),
    approver     TEXT CHECK (approver <> author),
    approved_at  TEXT,
    withdrawn_by TEXT,
    withdrawn_at TEXT,
    active_from  TEXT NOT NULL,
    CHECK ((approver IS NULL) = (approved_at IS NULL)),
    CHECK ((withdrawn_by IS NULL) = (withdrawn_at IS NULL)),
    CHECK ((state = 'withdrawn') = (withdrawn_at IS NOT NULL)),
    CHECK (state <> 'approved' OR approver IS NOT NULL),
    CHECK (state <> 'draft' OR approver IS NULL)
) STRICT;

CREATE INDEX policies_by_age ON policies (created_at, version);
CREATE INDEX policies_by_time ON policies (active_from, approved_at) WHERE state = 'approved';

-- An insert that replaces a row would delete it without a trigger.
CREATE TRIGGER policies_come_as_drafts BEFORE INSERT ON policies
WHEN new.state <> 'draft' OR EXISTS (SELECT 1 FROM policies WHERE version = new.version OR digest = new.digest)
BEGIN SELECT RAISE(ABORT, 'a policy stays as it is'); END;
CREATE TRIGGER policies_stay BEFORE DELETE ON policies
BEGIN SELECT RAISE(ABORT, 'a policy stays as it is'); END;
CREATE TRIGGER policies_stay_as_they_are BEFORE UPDATE ON policies
WHEN (old.version, old.digest, old.text, old.author, old.created_at) IS NOT (new.version, new.digest, new.text, new.author, new.created_at)
    OR old.state = 'withdrawn'
    OR (old.state = 'approved' AND (new.state <> 'withdrawn'
        OR (old.approver, old.approved_at, old.active_from) IS NOT (new.approver, new.approved_at, new.active_from)))
BEGIN SELECT RAISE(ABORT, 'a policy stays as it is'); END;
