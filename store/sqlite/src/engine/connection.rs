//! Opening a connection the way every part of the engine wants it.

use std::path::Path;
use std::{fs, io};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::Options;

/// How many prepared statements a connection keeps: more than the engine has.
const STATEMENTS: usize = 128;

/// Opens a connection in WAL mode. Foreign keys are obeyed, and a held lock is waited for as long as the options say.
pub(crate) fn connect(path: &Path, options: &Options) -> rusqlite::Result<Connection> {
    connect_with(path, options, "wal")
}

/// The same with another journal.
pub(crate) fn connect_with(path: &Path, options: &Options, journal: &str) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match &options.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str())?,
        None => {
            // Where that isn't possible, SQLite says why.
            drop(make_private(path));
            Connection::open_with_flags(path, flags)?
        }
    };
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.busy_timeout(options.busy_timeout)?;
    // One plan per statement. Otherwise SQLite plans anew whenever a bound value might change its mind, which took a
    // fifth of the writer's time and a third of the readers' while decisions were made.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // The page size is fixed once the first page is written, so it comes before the journal mode.
    connection.pragma_update(None, "page_size", 4096)?;
    connection.pragma_update(None, "journal_mode", journal)?;
    connection.pragma_update(None, "synchronous", options.synchronous.as_str())?;
    // Changes nothing but on macOS, where a plain flush may end in the disk's own cache.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
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
