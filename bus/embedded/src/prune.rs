//! Forgetting: payloads are kept for a bounded time.

use ecs_bus::Subject;
use ecs_domain::Timestamp;
use rusqlite::{Connection, params};

use crate::raw;

/// The most events that are forgotten at once, so that publishers wait some milliseconds at most.
pub(crate) const CHUNK: u32 = 2_000;

/// What was forgotten.
pub(crate) struct Forgotten {
    /// Everything at or below this position.
    pub(crate) through: u64,
    /// How many events that was.
    pub(crate) events: u64,
}

/// Deletes the oldest events as far as they were published before `before`. It stops at the first that was not, even
/// where the clock was set back and older ones stand behind it: the log stays without gaps, and nothing that has to be
/// kept is touched.
pub(crate) fn forget(
    connection: &Connection,
    subject: Subject,
    before: Timestamp,
) -> rusqlite::Result<Option<Forgotten>> {
    let transaction = connection.unchecked_transaction()?;
    let Some(through) = last_before(&transaction, subject, before)? else { return Ok(None) };
    let events = transaction.prepare_cached(raw::delete_sql(subject))?.execute([through])?;
    transaction
        .prepare_cached("DELETE FROM retries WHERE subject = ?1 AND position <= ?2")?
        .execute(params![subject.as_str(), through])?;
    transaction
        .prepare_cached(
            "INSERT INTO pruned VALUES (?1, ?2, ?3) ON CONFLICT (subject) DO UPDATE SET
             pruned_through = excluded.pruned_through, pruned_at = max(pruned_at, excluded.pruned_at)",
        )?
        .execute(params![subject.as_str(), through, before.as_microsecond()])?;
    transaction.commit()?;
    Ok(Some(Forgotten { through, events: events as u64 }))
}

/// Moves the write-ahead log into the file and cuts it, for it still holds what was forgotten. Nobody waits for whoever reads an older
/// state meanwhile: then the next sweep cuts it.
pub(crate) fn cut_log(connection: &Connection) {
    let cut = || {
        let patience: i64 = connection.pragma_query_value(None, "busy_timeout", |row| row.get(0))?;
        connection.pragma_update(None, "busy_timeout", 0)?;
        let busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        connection.pragma_update(None, "busy_timeout", patience)?;
        Ok::<_, rusqlite::Error>(busy)
    };
    match cut() {
        Ok(false) => {}
        Ok(true) => tracing::debug!("somebody still reads what the bus's log holds"),
        Err(error) => tracing::warn!(%error, "the bus's log could not be cut"),
    }
}

/// The last position of the chunk that goes.
fn last_before(
    connection: &Connection,
    subject: Subject,
    before: Timestamp,
) -> rusqlite::Result<Option<u64>> {
    let before = before.as_microsecond();
    let mut statement = connection.prepare_cached(raw::oldest_sql(subject))?;
    let mut rows = statement.query([CHUNK])?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(1)? >= before {
            break;
        }
        last = Some(row.get(0)?);
    }
    Ok(last)
}

/// Until when events of the subject were forgotten.
pub(crate) fn pruned_at(connection: &Connection, subject: Subject) -> rusqlite::Result<Option<Timestamp>> {
    let at: Option<i64> = connection
        .prepare_cached("SELECT max(pruned_at) FROM pruned WHERE subject = ?1")?
        .query_row([subject.as_str()], |row| row.get(0))?;
    Ok(at.and_then(|at| Timestamp::from_microsecond(at).ok()))
}
