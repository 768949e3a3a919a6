//! What the files of a data folder tell about a load: how far the fold is, and how large the batches really were.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

fn open(path: &Path) -> anyhow::Result<Connection> {
    // The platform may have the file open: a reader never stands in its way.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn ratio(path: &Path, sql: &str) -> anyhow::Result<f64> {
    let ratio: Option<f64> = open(path)?.query_row(sql, [], |row| row.get(0))?;
    Ok(ratio.unwrap_or(0.0))
}

/// How many emotion events are in the summary.
pub(crate) fn counted(store: &Path) -> anyhow::Result<u64> {
    let sql = "SELECT coalesce(sum(event_count), 0) FROM emotional_events_summary";
    let count: i64 = open(store)?.query_row(sql, [], |row| row.get(0))?;
    Ok(u64::try_from(count)?)
}

/// Emotion events per commit of the bus. The events of a commit have its time in common.
pub(crate) fn append_batch(bus: &Path) -> anyhow::Result<f64> {
    ratio(bus, "SELECT 1.0 * count(*) / nullif(count(DISTINCT published_at), 0) FROM log_emotions")
}

/// Emotion events per fold. The events of a fold have its time of arrival in common.
pub(crate) fn fold_batch(store: &Path) -> anyhow::Result<f64> {
    ratio(store, "SELECT 1.0 * count(*) / nullif(count(DISTINCT arrived_at), 0) FROM emotional_events")
}
