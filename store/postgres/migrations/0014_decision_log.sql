-- That each decision was made or reviewed, and the digest of its row or the review's; that it went for its age. Entries are written with what they tell, and sealed
-- into batches behind that; neither is changed or removed. Without keys to other tables: entries outlive what they tell of.
CREATE TABLE decision_log (
    number      bigint NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          bigint NOT NULL,
    act         text NOT NULL CHECK (act IN ('made', 'reviewed', 'aged')),
    decision_id uuid NOT NULL,
    user_id     uuid NOT NULL,
    digest      bytea CHECK (length(digest) = 32),
    batch       bigint CHECK (batch > 0)
);

CREATE UNIQUE INDEX decision_log_of_decision ON decision_log (decision_id, act);
CREATE INDEX decision_log_unsealed ON decision_log (number) WHERE batch IS NULL;
CREATE INDEX decision_log_of_batch ON decision_log (batch, number);
CREATE INDEX decision_log_of_user ON decision_log (user_id, number);

CREATE TABLE decision_batches (
    number    bigint NOT NULL PRIMARY KEY CHECK (number BETWEEN 1 AND 1000000000000000),
    entries   bigint NOT NULL,
    digest    bytea NOT NULL,
    sealed_at timestamptz NOT NULL
);

-- Decisions from before there was a log. Their digests are computed when they are sealed.
INSERT INTO decision_log (at, act, decision_id, user_id)
    SELECT (extract(epoch FROM decided_at) * 1000000)::bigint, 'made', id, user_id FROM decisions ORDER BY decided_at, id;

CREATE FUNCTION decision_log_only_grows() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the decision log only grows'; END $$;
CREATE FUNCTION decision_log_follows() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
    IF (CASE TG_TABLE_NAME WHEN 'decision_batches' THEN (to_jsonb(new)->>'number')::bigint ELSE (to_jsonb(new)->>'batch')::bigint END)
        IS DISTINCT FROM (SELECT coalesce(max(number), 0) + 1 FROM decision_batches) THEN
        RAISE EXCEPTION 'the decision log only grows';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER decision_log_comes_unsealed BEFORE INSERT ON decision_log FOR EACH ROW
    WHEN (new.batch IS NOT NULL) EXECUTE FUNCTION decision_log_only_grows();
CREATE TRIGGER decision_batches_follow_each_other BEFORE INSERT ON decision_batches FOR EACH ROW EXECUTE FUNCTION decision_log_follows();
CREATE TRIGGER decision_log_is_sealed_in_turn BEFORE UPDATE ON decision_log FOR EACH ROW EXECUTE FUNCTION decision_log_follows();
CREATE TRIGGER decision_log_stays BEFORE DELETE ON decision_log FOR EACH ROW EXECUTE FUNCTION decision_log_only_grows();
CREATE TRIGGER decision_log_stays_as_it_is BEFORE UPDATE ON decision_log FOR EACH ROW
    WHEN (old.batch IS NOT NULL OR new.batch IS NULL
        OR (old.number, old.at, old.act, old.decision_id, old.user_id)
            IS DISTINCT FROM (new.number, new.at, new.act, new.decision_id, new.user_id)
        OR (old.digest IS NOT NULL AND old.digest IS DISTINCT FROM new.digest))
    EXECUTE FUNCTION decision_log_only_grows();
CREATE TRIGGER decision_log_is_not_emptied BEFORE TRUNCATE ON decision_log EXECUTE FUNCTION decision_log_only_grows();
CREATE TRIGGER decision_batches_stay BEFORE DELETE OR UPDATE ON decision_batches FOR EACH ROW EXECUTE FUNCTION decision_log_only_grows();
CREATE TRIGGER decision_batches_are_not_emptied BEFORE TRUNCATE ON decision_batches EXECUTE FUNCTION decision_log_only_grows();
