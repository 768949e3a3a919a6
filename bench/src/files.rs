//! What the files of a data folder tell about a load: how far the fold is, and how large the batches really were.

use std::path::Path;

use anyhow::Context as _;
use ecs_store::Ledger;
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

/// How many events of a ledger are in their aggregate.
pub(crate) fn counted(store: &Path, ledger: Ledger) -> anyhow::Result<u64> {
    count(
        store,
        match ledger {
            Ledger::Emotions => "SELECT coalesce(sum(event_count), 0) FROM emotional_events_summary",
            Ledger::Transactions => "SELECT count(*) FROM transactions",
        },
    )
}

/// How many decisions were made.
pub(crate) fn decisions(store: &Path) -> anyhow::Result<u64> {
    count(store, "SELECT count(*) FROM decisions")
}

fn count(store: &Path, sql: &str) -> anyhow::Result<u64> {
    let count: i64 = open(store)?.query_row(sql, [], |row| row.get(0))?;
    Ok(u64::try_from(count)?)
}

/// How often something was committed to a database since its write-ahead log was made, modulo 2^32. The header of the
/// log's index counts that, at its third word (<https://www.sqlite.org/walformat.html>); somebody must have the
/// database open.
pub(crate) fn commits(database: &Path) -> anyhow::Result<u32> {
    let mut index = database.as_os_str().to_owned();
    index.push("-shm");
    let header = std::fs::read(&index)?;
    let word = header.get(8..12).context("the log's index is cut short")?;
    Ok(u32::from_ne_bytes(word.try_into()?))
}

/// Events of a ledger per commit of the bus. The events of a commit have its time in common.
pub(crate) fn append_batch(bus: &Path, ledger: Ledger) -> anyhow::Result<f64> {
    ratio(
        bus,
        match ledger {
            Ledger::Emotions => {
                "SELECT 1.0 * count(*) / nullif(count(DISTINCT published_at), 0) FROM log_emotions"
            }
            Ledger::Transactions => {
                "SELECT 1.0 * count(*) / nullif(count(DISTINCT published_at), 0) FROM log_transactions"
            }
        },
    )
}

/// Events of a ledger per fold. The events of a fold have its time of arrival in common.
pub(crate) fn fold_batch(store: &Path, ledger: Ledger) -> anyhow::Result<f64> {
    ratio(
        store,
        match ledger {
            Ledger::Emotions => {
                "SELECT 1.0 * count(*) / nullif(count(DISTINCT arrived_at), 0) FROM emotional_events"
            }
            Ledger::Transactions => {
                "SELECT 1.0 * count(*) / nullif(count(DISTINCT created_at), 0) FROM transactions"
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_counted_across_checkpoints() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sqlite");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.execute_batch("CREATE TABLE numbers (n INTEGER)").unwrap();
        let before = commits(&path).unwrap();
        for n in 0..20 {
            connection.execute("INSERT INTO numbers VALUES (?1)", [n]).unwrap();
            if n % 7 == 0 {
                connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
            }
        }
        assert_eq!(commits(&path).unwrap().wrapping_sub(before), 20);
    }
}
