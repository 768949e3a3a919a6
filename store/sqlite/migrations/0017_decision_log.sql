-- That each decision was made or reviewed, and the digest of its row or the review's; that it went for its age. Entries are written with what they tell, and sealed
-- into batches behind that; neither is changed or removed. Without keys to other tables: entries outlive what they tell of.
CREATE TABLE decision_log (
    number      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at          INTEGER NOT NULL,
    act         TEXT NOT NULL CHECK (act IN ('made', 'reviewed', 'aged')),
    decision_id TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    digest      BLOB CHECK (length(digest) = 32),
    batch       INTEGER CHECK (batch > 0)
) STRICT;

CREATE UNIQUE INDEX decision_log_of_decision ON decision_log (decision_id, act);
CREATE INDEX decision_log_unsealed ON decision_log (number) WHERE batch IS NULL;
CREATE INDEX decision_log_of_batch ON decision_log (batch, number);
CREATE INDEX decision_log_of_user ON decision_log (user_id, number);

CREATE TABLE decision_batches (
    number    INTEGER NOT NULL PRIMARY KEY CHECK (number BETWEEN 1 AND 1000000000000000),
    entries   INTEGER NOT NULL,
    digest    BLOB NOT NULL,
    sealed_at INTEGER NOT NULL
) STRICT;

-- Decisions from before there was a log. Their digests are computed when they are sealed.
INSERT INTO decision_log (at, act, decision_id, user_id)
    SELECT unixepoch(substr(decided_at, 1, 19)) * 1000000 + CAST(substr(decided_at, 21, 6) AS INTEGER), 'made', id, user_id
    FROM decisions ORDER BY decided_at, id;

-- An insert that replaces a row would delete it without a trigger.
CREATE TRIGGER decision_log_comes_unsealed BEFORE INSERT ON decision_log
WHEN new.batch IS NOT NULL OR EXISTS (SELECT 1 FROM decision_log WHERE number = new.number)
    OR EXISTS (SELECT 1 FROM decision_log WHERE decision_id = new.decision_id AND act = new.act)
BEGIN SELECT RAISE(ABORT, 'the decision log only grows'); END;
CREATE TRIGGER decision_batches_follow_each_other BEFORE INSERT ON decision_batches
WHEN new.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM decision_batches)
BEGIN SELECT RAISE(ABORT, 'the decision log only grows'); END;
CREATE TRIGGER decision_log_stays BEFORE DELETE ON decision_log
BEGIN SELECT RAISE(ABORT, 'the decision log only grows'); END;
CREATE TRIGGER decision_log_stays_as_it_is BEFORE UPDATE ON decision_log
WHEN old.batch IS NOT NULL OR new.batch IS NOT (SELECT coalesce(max(number), 0) + 1 FROM decision_batches)
    OR (old.number, old.at, old.act, old.decision_id, old.user_id) IS NOT (new.number, new.at, new.act, new.decision_id, new.user_id)
    OR (old.digest IS NOT NULL AND old.digest IS NOT new.digest)
BEGIN SELECT RAISE(ABORT, 'the decision log only grows'); END;
CREATE TRIGGER decision_batches_stay BEFORE DELETE ON decision_batches
BEGIN SELECT RAISE(ABORT, 'the decision log only grows'); END;
CREATE TRIGGER decision_batches_stay_as_they_are BEFORE UPDATE ON decision_batches
BEGIN SELECT RAISE(ABORT, 'the decision log only grows'); END;
