//! The embedded engine of the store: SQLite in WAL mode, synchronous=FULL.
//!
//! One thread writes, and commits what waits for it together; a few threads read snapshots. There is one file per
//! resource, each with its statements next to the code that binds them. The tables are in `migrations/`.

mod ageing;
mod attributes;
mod audit;
mod backtests;
mod books;
mod chain;
mod column;
mod consents;
mod credit;
mod dead_letters;
mod decision_log;
mod engine;
mod erasures;
mod evaluations;
mod exports;
mod folds;
mod idempotency;
mod maintenance;
mod migrations;
mod notifications;
mod options;
mod outbox;
mod personal_data;
#[cfg(test)]
mod plans;
mod policies;
pub mod raw;
mod replays;
mod research;
mod rights;
mod sessions;
#[cfg(test)]
mod tests;
mod users;
mod vault;
mod watch;
mod webhooks;

use std::path::Path;
use std::time::Instant;

use ecs_metrics::Metrics;
use ecs_store::{StoreError, Withheld};
use ecs_vault::Keyring;
use engine::{Fault, Readers, Size, Writer, connect};

pub use migrations::Migration;
pub use options::{Options, Synchronous};
pub use vault::SqliteVault;

/// A store in one SQLite file.
pub struct SqliteStore {
    /// Seals and opens what is personal.
    keyring: Keyring,
    writer: Writer,
    readers: Readers,
    /// When it was said last that entries of the audit log wait for a key.
    withheld: Withheld,
    metrics: Metrics,
}

impl SqliteStore {
    /// Opens the file, makes it when it isn't there, and brings its tables to this binary's version.
    /// A file that a newer binary wrote is refused. What is personal is sealed with the keys of `keyring`.
    #[expect(clippy::needless_pass_by_value, reason = "calls read `open(path, keyring, Options { .. })`")]
    pub fn open(path: impl AsRef<Path>, keyring: Keyring, options: Options) -> Result<Self, StoreError> {
        open(path.as_ref(), keyring, &options).map_err(StoreError::from)
    }

    /// Brings the tables of the file at `path` to this binary's version. Returns the migrations that it ran.
    pub fn migrate(path: impl AsRef<Path>, options: &Options) -> Result<Vec<Migration>, StoreError> {
        let run = || migrations::apply(&mut connect(path.as_ref(), options)?);
        run().map_err(StoreError::from)
    }

    /// The migrations that [`SqliteStore::migrate`] would run. A file that isn't there is not made.
    pub fn pending_migrations(
        path: impl AsRef<Path>,
        options: &Options,
    ) -> Result<Vec<Migration>, StoreError> {
        let path = path.as_ref();
        let run = || {
            let connection =
                if path.exists() { connect(path, options)? } else { rusqlite::Connection::open_in_memory()? };
            migrations::pending(&connection)
        };
        run().map_err(StoreError::from)
    }

    /// Runs `work` in a transaction, together with what else waits. `name` is the query's name in the metrics.
    async fn write<T, F>(&self, name: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.write_sized(name, Size::Small, work).await
    }

    async fn write_sized<T, F>(&self, name: &'static str, size: Size, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.timed(name, self.writer.call(size, work)).await
    }

    async fn read<T, F>(&self, name: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.timed(name, self.readers.call(work)).await
    }

    /// The time in the thread's queue counts: whoever asks waits there, too.
    async fn timed<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let begun = Instant::now();
        let result = call.await;
        let ok = !matches!(result, Err(StoreError::Unavailable(_) | StoreError::Corrupt(_)));
        self.metrics.store_query(name, ok, begun.elapsed());
        result
    }
}

/// What is left of the log's file when a long read has made it grow further: 64 MiB.
const LOG_BYTES: i64 = 64 << 20;
/// The writer's page cache, in KiB (negative, as the pragma has it). Folds come back to the same days' pages.
const WRITER_CACHE: i64 = -32_768;

fn open(path: &Path, keyring: Keyring, options: &Options) -> Result<SqliteStore, Fault> {
    let mut writer = open_writer(path, options)?;
    migrations::apply(&mut writer)?;
    outbox::release_all(&writer)?;
    idempotency::release_all(&writer)?;
    webhooks::release_all(&writer)?;
    exports::release_all(&writer)?;
    backtests::release_all(&writer)?;
    let readers = (0..options.readers.max(1))
        .map(|_| {
            let reader = connect(path, options)?;
            reader.pragma_update(None, "query_only", true)?;
            Ok(reader)
        })
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let (writer, readers) = (Writer::start(writer)?, Readers::start(readers)?);
    let metrics = options.metrics.clone();
    Ok(SqliteStore { keyring, writer, readers, withheld: Withheld::default(), metrics })
}

fn open_writer(path: &Path, options: &Options) -> rusqlite::Result<rusqlite::Connection> {
    let writer = connect(path, options)?;
    writer.pragma_update(None, "wal_autocheckpoint", options.checkpoint_pages)?;
    writer.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    writer.pragma_update(None, "cache_size", WRITER_CACHE)?;
    // What is deleted is overwritten: nobody reads it out of the file afterwards.
    writer.pragma_update(None, "secure_delete", true)?;
    secure(&writer)?;
    Ok(writer)
}

/// Makes durable what is in the write-ahead log. A process that died in the middle of a commit may have left one there that
/// was written and never flushed. To this process it looks like any other, so an event that it folded would be taken for
/// counted and settled on the bus: were the power to go then, the event would be nowhere.
///
/// Where a flush had failed before, the system may take such a commit for flushed, and after a power cut the log would end
/// before it and put older pages over those that were just moved. A write begins the log anew and makes its rest void.
fn secure(writer: &rusqlite::Connection) -> rusqlite::Result<()> {
    let pages: i64 = writer.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))?;
    if pages > 0 {
        let version: i64 = writer.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        writer.pragma_update(None, "user_version", version)?;
    }
    Ok(())
}
