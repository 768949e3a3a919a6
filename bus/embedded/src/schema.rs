//! The file: its connections, its tables and its version.
//!
//! Each subject has a log table of its own, so that a reader walks one B-tree from left to right and never steps over
//! the events of others. Positions are handed out by the writer without gaps; only [`prune`](ecs_bus::Bus::prune)
//! takes rows away, always the oldest.

use std::path::Path;
use std::{fs, io};

use ecs_bus::{BusError, Subject};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::Options;

/// "ECSb": marks the file as ours.
const APPLICATION_ID: i32 = 0x4543_5362;

/// What [`MIGRATIONS`] lead to.
const VERSION: usize = MIGRATIONS.len();

/// Step `n` leads from `user_version` n to n + 1. Steps are only ever added.
const MIGRATIONS: [&str; 3] = ["
    CREATE TABLE log_emotions (position INTEGER PRIMARY KEY, published_at INTEGER NOT NULL, id BLOB NOT NULL,
        key BLOB NOT NULL, version INTEGER NOT NULL, request_id TEXT, traceparent TEXT, payload BLOB NOT NULL);
    CREATE TABLE log_transactions (position INTEGER PRIMARY KEY, published_at INTEGER NOT NULL, id BLOB NOT NULL,
        key BLOB NOT NULL, version INTEGER NOT NULL, request_id TEXT, traceparent TEXT, payload BLOB NOT NULL);
    CREATE TABLE log_offers_approved (position INTEGER PRIMARY KEY, published_at INTEGER NOT NULL, id BLOB NOT NULL,
        key BLOB NOT NULL, version INTEGER NOT NULL, request_id TEXT, traceparent TEXT, payload BLOB NOT NULL);
    CREATE TABLE log_notifications (position INTEGER PRIMARY KEY, published_at INTEGER NOT NULL, id BLOB NOT NULL,
        key BLOB NOT NULL, version INTEGER NOT NULL, request_id TEXT, traceparent TEXT, payload BLOB NOT NULL);
    -- What was forgotten: positions up to pruned_through, all of them published before pruned_at.
    CREATE TABLE pruned (subject TEXT PRIMARY KEY, pruned_through INTEGER NOT NULL, pruned_at INTEGER NOT NULL)
        WITHOUT ROWID;
    -- Everything at or below the cursor is settled, or has a row in retries.
    CREATE TABLE progress (subject TEXT NOT NULL, consumers TEXT NOT NULL, cursor INTEGER NOT NULL,
        PRIMARY KEY (subject, consumers)) WITHOUT ROWID;
    CREATE TABLE retries (subject TEXT NOT NULL, consumers TEXT NOT NULL, position INTEGER NOT NULL,
        attempt INTEGER NOT NULL, due_at INTEGER NOT NULL, history TEXT NOT NULL,
        PRIMARY KEY (subject, consumers, position)) WITHOUT ROWID;
", "
    CREATE TABLE log_evaluations (position INTEGER PRIMARY KEY, published_at INTEGER NOT NULL, id BLOB NOT NULL,
        key BLOB NOT NULL, version INTEGER NOT NULL, request_id TEXT, traceparent TEXT, payload BLOB NOT NULL);
", "
    CREATE TABLE log_alerts (position INTEGER PRIMARY KEY, published_at INTEGER NOT NULL, id BLOB NOT NULL,
        key BLOB NOT NULL, version INTEGER NOT NULL, request_id TEXT, traceparent TEXT, payload BLOB NOT NULL);
"];

/// Bytes per page. A larger page means fewer system calls per commit, and more bytes for a commit of one event.
const PAGE_SIZE: u64 = 8192;

/// What is left of the write-ahead log's file when a long read has made it grow further: 64 MiB.
const LOG_BYTES: u64 = 64 << 20;

/// The place of a subject in arrays over [`Subject::ALL`].
pub(crate) fn index(subject: Subject) -> usize {
    match subject {
        Subject::Emotions => 0,
        Subject::Transactions => 1,
        Subject::OffersApproved => 2,
        Subject::Notifications => 3,
        Subject::Evaluations => 4,
        Subject::Alerts => 5,
    }
}

/// Opens the one connection that writes, and brings the tables up to date.
pub(crate) fn open_writer(path: &Path, options: &Options) -> Result<Connection, BusError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if options.vfs.is_none() {
        make_private(path).map_err(|error| BusError::Unavailable(error.to_string()))?;
    }
    let connection = connect(path, options, flags)?;
    check_ownership(&connection)?;
    configure(&connection, options).map_err(|error| classify(&error))?;
    secure(&connection).map_err(|error| classify(&error))?;
    migrate(&connection).map_err(|error| classify(&error))?;
    Ok(connection)
}

/// Makes the file for its owner alone, when it isn't there. SQLite gives the files beside it the same permissions.
fn make_private(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Opens a connection that only reads.
pub(crate) fn open_reader(path: &Path, options: &Options) -> Result<Connection, BusError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = connect(path, options, flags)?;
    connection
        .execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -2048;")
        .map_err(|e| classify(&e))?;
    Ok(connection)
}

fn connect(path: &Path, options: &Options, flags: OpenFlags) -> Result<Connection, BusError> {
    let opened = match &options.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str()),
        None => Connection::open_with_flags(path, flags),
    };
    let connection = opened.map_err(|error| classify(&error))?;
    connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(|error| classify(&error))?;
    Ok(connection)
}

fn configure(connection: &Connection, options: &Options) -> rusqlite::Result<()> {
    // The size of a page is fixed by the first write, so it comes before the change to WAL.
    connection.pragma_update(None, "page_size", PAGE_SIZE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", options.synchronous.as_str())?;
    // Changes nothing but on macOS, where a plain flush may end in the disk's own cache.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", options.checkpoint_pages)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    connection.pragma_update(None, "cache_size", -8192)?;
    // What is forgotten is overwritten: nobody reads it out of the file afterwards.
    connection.pragma_update(None, "secure_delete", true)?;
    if let Some(bytes) = options.max_file_bytes {
        connection.pragma_update(None, "max_page_count", (bytes / PAGE_SIZE).max(1))?;
    }
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// Makes durable what is in the write-ahead log. A process that died in the middle of a commit may have left one there that
/// was written and never flushed. To the next process it looks like any other, and what consumers do about its events
/// is flushed elsewhere: were the power to go then, they would have settled events that the log has never heard of.
///
/// Where a flush had failed before, the system may take such a commit for flushed, and after a power cut the log would end
/// before it and put older pages over those that were just moved. A write begins the log anew and makes its rest void.
fn secure(connection: &Connection) -> rusqlite::Result<()> {
    let pages: i64 = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))?;
    if pages > 0 {
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        connection.pragma_update(None, "user_version", version)?;
    }
    Ok(())
}

/// Refuses a file that something else wrote, before anything is changed in it.
fn check_ownership(connection: &Connection) -> Result<(), BusError> {
    let number =
        |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|error| classify(&error));
    let owner = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    if owner == 0 && version == 0 && tables == 0 {
        return Ok(());
    }
    if owner != i64::from(APPLICATION_ID) {
        return Err(BusError::Corrupt("the file is a database of something else".to_owned()));
    }
    match usize::try_from(version) {
        Ok(known) if known <= VERSION => Ok(()),
        _ => Err(BusError::Corrupt(format!(
            "the file has schema {version}, this version knows up to {VERSION}"
        ))),
    }
}

fn migrate(connection: &Connection) -> rusqlite::Result<()> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let done = usize::try_from(version).unwrap_or(VERSION);
    for (step, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        let transaction = connection.unchecked_transaction()?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", step + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Writes something that changes nothing, and flushes it to disk.
pub(crate) fn touch(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "user_version", i64::try_from(VERSION).unwrap_or(i64::MAX))
}

/// What an error of SQLite means to a user of the bus.
pub(crate) fn classify(error: &rusqlite::Error) -> BusError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => BusError::Corrupt("the file is damaged".to_owned()),
        Some(ErrorCode::NotADatabase) => BusError::Corrupt("the file is not a SQLite database".to_owned()),
        _ => BusError::Unavailable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ecs_bus_conformance::kit::SystemClock;

    use super::*;

    /// Where flushing has two strengths, as on macOS, a commit is answered after the stronger one.
    #[test]
    fn a_commit_reaches_the_disk_itself() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::new(Arc::new(SystemClock));
        let writer = open_writer(&folder.path().join("bus.db"), &options).unwrap();
        for (pragma, expect) in [("synchronous", 2), ("fullfsync", 1), ("checkpoint_fullfsync", 1)] {
            let value: i64 = writer.pragma_query_value(None, pragma, |row| row.get(0)).unwrap();
            assert_eq!(value, expect, "{pragma}");
        }
    }
}
