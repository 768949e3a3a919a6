-- What is sealed doesn't compress, and trying costs more than the room. From now on decisions stay whole in their rows.
ALTER TABLE decisions SET (toast_tuple_target = 8160);

-- That entries are sealed into the batch behind the last one is looked at once for all of them, rather than once for each.
CREATE FUNCTION decision_log_is_sealed_together() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
    IF EXISTS (SELECT FROM sealed
        WHERE batch IS DISTINCT FROM (SELECT coalesce(max(number), 0) + 1 FROM decision_batches)) THEN
        RAISE EXCEPTION 'the decision log only grows';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER decision_log_is_sealed_in_turn ON decision_log;
CREATE TRIGGER decision_log_is_sealed_in_turn AFTER UPDATE ON decision_log
    REFERENCING NEW TABLE AS sealed FOR EACH STATEMENT EXECUTE FUNCTION decision_log_is_sealed_together();
