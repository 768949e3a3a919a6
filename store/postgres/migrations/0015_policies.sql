-- Versions of the credit policy. Two people make one active; none is removed, and what it says never changes.
CREATE TABLE policies (
    version      text PRIMARY KEY,
    digest       text NOT NULL UNIQUE,
    text         text NOT NULL,
    author       uuid NOT NULL,
    created_at   timestamptz NOT NULL,
    state        text NOT NULL CHECK (state IN ('draft', 'approved', 'withdrawn')),
    approver     uuid CHECK (approver <> author),
    approved_at  timestamptz,
    withdrawn_by uuid,
    withdrawn_at timestamptz,
    active_from  timestamptz NOT NULL,
    CHECK ((approver IS NULL) = (approved_at IS NULL)),
    CHECK ((withdrawn_by IS NULL) = (withdrawn_at IS NULL)),
    CHECK ((state = 'withdrawn') = (withdrawn_at IS NOT NULL)),
    CHECK (state <> 'approved' OR approver IS NOT NULL),
    CHECK (state <> 'draft' OR approver IS NULL)
);

CREATE INDEX policies_by_age ON policies (created_at, version);
CREATE INDEX policies_by_time ON policies (active_from, approved_at) WHERE state = 'approved';

CREATE FUNCTION policies_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a policy stays as it is';
END $$;
CREATE TRIGGER policies_come_as_drafts BEFORE INSERT ON policies FOR EACH ROW
    WHEN (new.state <> 'draft') EXECUTE FUNCTION policies_stay();
CREATE TRIGGER policies_stay BEFORE DELETE ON policies FOR EACH ROW EXECUTE FUNCTION policies_stay();
CREATE TRIGGER policies_are_not_emptied BEFORE TRUNCATE ON policies EXECUTE FUNCTION policies_stay();
CREATE TRIGGER policies_stay_as_they_are BEFORE UPDATE ON policies FOR EACH ROW
    WHEN ((old.version, old.digest, old.text, old.author, old.created_at)
            IS DISTINCT FROM (new.version, new.digest, new.text, new.author, new.created_at)
        OR old.state = 'withdrawn'
        OR (old.state = 'approved' AND (new.state <> 'withdrawn'
            OR (old.approver, old.approved_at, old.active_from)
                IS DISTINCT FROM (new.approver, new.approved_at, new.active_from))))
    EXECUTE FUNCTION policies_stay();
