//! What the platform is held against: each limit does one part of its work, alone, with nothing around it.

pub(crate) mod bus;
pub(crate) mod decisions;
pub(crate) mod fold;
pub(crate) mod grouped;
pub(crate) mod http;
pub(crate) mod kafka;
pub(crate) mod nats;
pub(crate) mod pgbench;
pub(crate) mod postgres;
pub(crate) mod rabbitmq;
mod raw;
pub(crate) mod transactions;

use std::path::Path;
use std::time::Duration;

use ecs_domain::Timestamp;
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::load::as_f64;
pub(crate) use raw::RawBus;

pub(crate) fn per_second(events: u64, took: Duration) -> f64 {
    as_f64(events) / took.as_secs_f64()
}

/// A connection to a store with the settings of the store's own writer. Plans don't depend on bound values, for otherwise
/// SQLite prepares some of the statements anew each time they run, and that is no limit of anything.
fn open(store: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(store)?;
    connection.set_prepared_statement_cache_capacity(128);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "wal_autocheckpoint", 8192)?;
    connection.pragma_update(None, "cache_size", -32_768)?;
    Ok(connection)
}

/// An instant as the store's columns have it.
fn text(at: Timestamp) -> String {
    format!("{at:.6}")
}
