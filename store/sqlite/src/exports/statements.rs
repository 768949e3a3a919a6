//! The statements about exports.

pub(crate) const KNOWN: &str = "SELECT 1 FROM users WHERE id = ?1";
pub(crate) const UNDER_WAY: &str =
    "SELECT id, user_id, requested_at, state, done, total, finished_at, expires_at, bytes, failure
     FROM exports WHERE user_id = ?1 AND state IN ('pending', 'running')";
pub(crate) const INSERT: &str =
    "INSERT INTO exports (id, user_id, requested_at, due_at) VALUES (?1, ?2, ?3, ?3)
     RETURNING id, user_id, requested_at, state, done, total, finished_at, expires_at, bytes, failure";
/// Chunks go with their export.
pub(crate) const PUSH_OUT: &str = "DELETE FROM exports WHERE id IN
        (SELECT id FROM exports WHERE user_id = ?1 ORDER BY requested_at DESC, id DESC LIMIT -1 OFFSET ?2)";
pub(crate) const LIST: &str =
    "SELECT id, user_id, requested_at, state, done, total, finished_at, expires_at, bytes, failure
     FROM exports WHERE user_id = ?1 ORDER BY requested_at DESC, id DESC";
pub(crate) const FIND: &str =
    "SELECT id, user_id, requested_at, state, done, total, finished_at, expires_at, bytes, failure
     FROM exports WHERE id = ?1 AND user_id = ?2";
pub(crate) const ANY_DUE: &str = "SELECT 1 FROM exports WHERE due_at <= ?1 LIMIT 1";
pub(crate) const CLAIM: &str =
    "UPDATE exports SET state = 'running', due_at = ?2, attempt = attempt + 1, done = 0, total = 0
     WHERE id = (SELECT id FROM exports WHERE due_at <= ?1 ORDER BY due_at LIMIT 1)
     RETURNING id, user_id, requested_at, attempt";
pub(crate) const ADVANCE: &str = "UPDATE exports SET done = ?3, total = ?4, due_at = ?5
     WHERE id = ?1 AND attempt = ?2 AND state = 'running'";
pub(crate) const END: &str =
    "UPDATE exports SET state = ?3, due_at = ?4, finished_at = ?5, expires_at = ?6, bytes = ?7,
        failure = ?8, done = coalesce(?9, done), total = coalesce(?10, total)
     WHERE id = ?1 AND attempt = ?2 AND state = 'running'";
pub(crate) const REMOVE: &str = "DELETE FROM exports WHERE id = ?1 AND user_id = ?2";
pub(crate) const EXPIRE: &str = "UPDATE exports SET state = 'expired' WHERE id IN
        (SELECT id FROM exports WHERE state = 'ready' AND expires_at <= ?1 LIMIT ?2) RETURNING id";
pub(super) const RELEASE_ALL: &str =
    "UPDATE exports SET state = 'pending', due_at = requested_at WHERE state = 'running'";
pub(crate) const WRITE_CHUNK: &str = "INSERT INTO export_chunks (export_id, number, bytes)
     SELECT id, ?3, ?4 FROM exports WHERE id = ?1 AND attempt = ?2 AND state = 'running'
     ON CONFLICT (export_id, number) DO UPDATE SET bytes = excluded.bytes";
pub(crate) const CHUNK: &str =
    "SELECT c.bytes FROM exports e JOIN export_chunks c ON c.export_id = e.id AND c.number = ?3
     WHERE e.id = ?1 AND e.user_id = ?2";
pub(crate) const DROP_CHUNKS: &str = "DELETE FROM export_chunks WHERE export_id = ?1";
