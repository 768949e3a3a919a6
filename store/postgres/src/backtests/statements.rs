//! The statements about backtests.

/// Of those who ask at once each counts what the one before it left.
pub(super) const LOCK: &str = "SELECT pg_advisory_xact_lock(7305808869229538388)";
pub(crate) const UNDER_WAY: &str = "SELECT count(*) FROM backtests WHERE due_at IS NOT NULL";
pub(crate) const INSERT: &str =
    "INSERT INTO backtests (id, version, digest, from_at, until_at, loss_given_default, actor, requested_at, due_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
     RETURNING id, version, digest, from_at, until_at, loss_given_default, actor, requested_at, state, done, total, finished_at,
        expires_at, report, failure";
pub(crate) const FIND: &str =
    "SELECT id, version, digest, from_at, until_at, loss_given_default, actor, requested_at, state, done, total, finished_at,
        expires_at, report, failure
     FROM backtests WHERE id = $1";
pub(crate) const LIST: &str =
    "SELECT id, version, digest, from_at, until_at, loss_given_default, actor, requested_at, state, done, total, finished_at,
        expires_at, NULL::text AS report, failure
     FROM backtests WHERE digest = $1 ORDER BY requested_at DESC, id DESC LIMIT $2";
/// Mostly there is nothing, and then this is all that is asked.
pub(crate) const ANY_DUE: &str =
    "SELECT EXISTS (SELECT FROM backtests WHERE due_at <= $1 ORDER BY due_at LIMIT 1)";
/// One that another worker is about to claim is passed over, not waited for.
pub(crate) const CLAIM: &str = "
WITH due AS MATERIALIZED (
    SELECT id FROM backtests WHERE due_at <= $1 ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE backtests b SET state = 'running', due_at = $2, attempt = attempt + 1, done = 0, total = 0
FROM due WHERE b.id = due.id
RETURNING b.id, b.digest, b.from_at, b.until_at, b.loss_given_default, b.attempt";
pub(crate) const ADVANCE: &str = "UPDATE backtests SET done = $3, total = $4, due_at = $5
     WHERE id = $1 AND attempt = $2 AND state = 'running'";
pub(crate) const END: &str =
    "UPDATE backtests SET state = $3, due_at = $4, finished_at = $5, expires_at = $6, report = $7, failure = $8
     WHERE id = $1 AND attempt = $2 AND state = 'running'";
/// Nothing of whoever has no account any more, or loses it meanwhile: whoever erases them waits for this, and finds it. The backtest is
/// locked by the flight's update before, which finds no row when the attempt isn't the one.
pub(crate) const ADD_FLIPS: &str = "
INSERT INTO backtest_flips (backtest_id, direction, decision_id, user_id)
SELECT b.id, f.direction, f.decision, u.id
FROM unnest($3::text[], $4::uuid[], $5::uuid[]) AS f (direction, decision, person)
JOIN users u ON u.id = f.person
JOIN backtests b ON b.id = $1 AND b.attempt = $2 AND b.state = 'running'
FOR KEY SHARE OF u
ON CONFLICT DO NOTHING";
pub(crate) const FLIPS: &str = "SELECT decision_id FROM backtest_flips
     WHERE backtest_id = $1 AND direction = $2 AND ($3::uuid IS NULL OR decision_id > $3) ORDER BY decision_id LIMIT $4";
pub(crate) const DROP_FLIPS: &str = "DELETE FROM backtest_flips WHERE backtest_id = $1";
/// Behind the end of an attempt that left no report.
pub(crate) const DROP_LATER_FLIPS: &str = "DELETE FROM backtest_flips WHERE backtest_id =
        (SELECT id FROM backtests WHERE id = $1 AND attempt = $2 AND state IN ('pending', 'failed'))";
/// Found by their days.
pub(crate) const COUNT: &str = "SELECT count(*) FROM decision_log
     WHERE act = 'made' AND at / 86400000000 >= $1::bigint / 86400000000 AND at / 86400000000 <= $2::bigint / 86400000000
        AND at >= $1 AND at < $2";
/// Several processes may do so at once: each takes what no other has in hand. Flips go with their backtest.
pub(crate) const EXPIRE: &str = "DELETE FROM backtests WHERE id = ANY (ARRAY(
        SELECT id FROM backtests WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))";
