//! The statements about backtests.

pub(crate) const UNDER_WAY: &str = "SELECT count(*) FROM backtests WHERE due_at IS NOT NULL";
pub(crate) const INSERT: &str =
    "INSERT INTO backtests (id, version, digest, from_at, until_at, loss_given_default, actor, requested_at, due_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)
     RETURNING id, version, digest, from_at, until_at, loss_given_default, actor, requested_at, state, done, total, finished_at,
        expires_at, report, failure";
pub(crate) const FIND: &str =
    "SELECT id, version, digest, from_at, until_at, loss_given_default, actor, requested_at, state, done, total, finished_at,
        expires_at, report, failure
     FROM backtests WHERE id = ?1";
pub(crate) const LIST: &str =
    "SELECT id, version, digest, from_at, until_at, loss_given_default, actor, requested_at, state, done, total, finished_at,
        expires_at, NULL AS report, failure
     FROM backtests WHERE digest = ?1 ORDER BY requested_at DESC, id DESC LIMIT ?2";
pub(crate) const ANY_DUE: &str = "SELECT 1 FROM backtests WHERE due_at <= ?1 LIMIT 1";
pub(crate) const CLAIM: &str =
    "UPDATE backtests SET state = 'running', due_at = ?2, attempt = attempt + 1, done = 0, total = 0
     WHERE id = (SELECT id FROM backtests WHERE due_at <= ?1 ORDER BY due_at LIMIT 1)
     RETURNING id, digest, from_at, until_at, loss_given_default, attempt";
pub(crate) const ADVANCE: &str = "UPDATE backtests SET done = ?3, total = ?4, due_at = ?5
     WHERE id = ?1 AND attempt = ?2 AND state = 'running'";
pub(crate) const END: &str =
    "UPDATE backtests SET state = ?3, due_at = ?4, finished_at = ?5, expires_at = ?6, report = ?7, failure = ?8
     WHERE id = ?1 AND attempt = ?2 AND state = 'running'";
/// Nothing of whoever has no account any more.
pub(crate) const ADD_FLIP: &str = "INSERT INTO backtest_flips (backtest_id, direction, decision_id, user_id)
     SELECT ?1, ?2, ?3, id FROM users WHERE id = ?4 ON CONFLICT DO NOTHING";
pub(crate) const FLIPS: &str = "SELECT decision_id FROM backtest_flips
     WHERE backtest_id = ?1 AND direction = ?2 AND decision_id > ?3 ORDER BY decision_id LIMIT ?4";
pub(crate) const DROP_FLIPS: &str = "DELETE FROM backtest_flips WHERE backtest_id = ?1";
/// Found by their days.
pub(crate) const COUNT: &str = "SELECT count(*) FROM decision_log
     WHERE act = 'made' AND at / 86400000000 >= ?1 / 86400000000 AND at / 86400000000 <= ?2 / 86400000000
        AND at >= ?1 AND at < ?2";
/// Flips go with their backtest.
pub(crate) const EXPIRE: &str = "DELETE FROM backtests WHERE id IN
        (SELECT id FROM backtests WHERE expires_at IS NOT NULL AND expires_at <= ?1 LIMIT ?2)";
pub(super) const RELEASE_ALL: &str =
    "UPDATE backtests SET state = 'pending', due_at = requested_at WHERE state = 'running'";
