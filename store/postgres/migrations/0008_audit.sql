-- Who did what to whom. Entries are written with what they tell, and sealed into batches behind that; neither is changed or removed.
CREATE TABLE audit_entries (
    number  bigint NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      bigint NOT NULL,
    actor   uuid NOT NULL,
    act     text NOT NULL,
    subject text NOT NULL,
    was     text NOT NULL,
    became  text NOT NULL,
    batch   bigint CHECK (batch > 0)
);

CREATE INDEX audit_unsealed ON audit_entries (number) WHERE batch IS NULL;
CREATE INDEX audit_of_batch ON audit_entries (batch, number);
CREATE INDEX audit_of_subject ON audit_entries (subject, number);
CREATE INDEX audit_of_actor ON audit_entries (actor, number);

CREATE TABLE audit_batches (
    number    bigint NOT NULL PRIMARY KEY CHECK (number BETWEEN 1 AND 1000000000000000),
    entries   bigint NOT NULL,
    digest    bytea NOT NULL,
    sealed_at timestamptz NOT NULL
);

CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log only grows'; END $$;
CREATE FUNCTION audit_follows() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
    IF (CASE TG_TABLE_NAME WHEN 'audit_batches' THEN (to_jsonb(new)->>'number')::bigint ELSE (to_jsonb(new)->>'batch')::bigint END)
        IS DISTINCT FROM (SELECT coalesce(max(number), 0) + 1 FROM audit_batches) THEN
        RAISE EXCEPTION 'the audit log only grows';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER audit_entries_come_unsealed BEFORE INSERT ON audit_entries FOR EACH ROW
    WHEN (new.batch IS NOT NULL) EXECUTE FUNCTION audit_only_grows();
CREATE TRIGGER audit_batches_follow_each_other BEFORE INSERT ON audit_batches FOR EACH ROW EXECUTE FUNCTION audit_follows();
CREATE TRIGGER audit_entries_are_sealed_in_turn BEFORE UPDATE ON audit_entries FOR EACH ROW EXECUTE FUNCTION audit_follows();
CREATE TRIGGER audit_entries_stay BEFORE DELETE ON audit_entries FOR EACH ROW EXECUTE FUNCTION audit_only_grows();
CREATE TRIGGER audit_entries_stay_as_they_are BEFORE UPDATE ON audit_entries FOR EACH ROW
    WHEN (old.batch IS NOT NULL OR new.batch IS NULL OR (old.number, old.at, old.actor, old.act, old.subject, old.was, old.became)
        IS DISTINCT FROM (new.number, new.at, new.actor, new.act, new.subject, new.was, new.became))
    EXECUTE FUNCTION audit_only_grows();
CREATE TRIGGER audit_entries_are_not_emptied BEFORE TRUNCATE ON audit_entries EXECUTE FUNCTION audit_only_grows();
CREATE TRIGGER audit_batches_stay BEFORE DELETE OR UPDATE ON audit_batches FOR EACH ROW EXECUTE FUNCTION audit_only_grows();
CREATE TRIGGER audit_batches_are_not_emptied BEFORE TRUNCATE ON audit_batches EXECUTE FUNCTION audit_only_grows();
