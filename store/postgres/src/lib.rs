//! The production engine of the store: PostgreSQL 15 or newer, with read replicas and failover.
//!
//! There is one file per resource, each with its statements next to the code that binds them. Every query to the primary
//! goes through `Primary::run`, in `engine/`. The tables are in `migrations/`.
//!
//! - A write is answered once it is committed with the server's `synchronous_commit`, which must not be off: a server that
//!   doesn't flush is refused.
//! - Calls that meet each other lock the user's row, the offer or the key, and look again under the lock. What ends in a
//!   deadlock or a serialization failure was not committed, and is done again here.
//! - What a decision reads and writes is done together for those who come at the same time (`groups.rs`).
//! - A connection that is lost while a transaction commits leaves open whether it was. The caller is told `Unavailable`, and
//!   asks again: by its id, or with its key.

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
mod groups;
mod idempotency;
mod leases;
mod maintenance;
mod migrations;
mod notifications;
mod options;
mod outbox;
mod partitions;
mod personal_data;
mod plan;
#[cfg(test)]
mod plans;
mod policies;
pub mod raw;
mod replays;
mod replicas;
mod research;
mod rights;
mod sessions;
mod users;
mod vault;
mod watch;
mod webhooks;

use std::future::Future;
use std::sync::Arc;

use ecs_domain::UserId;
use ecs_metrics::Metrics;
use ecs_store::{StoreError, Withheld};
use ecs_vault::Keyring;
use engine::{Address, Call, Expect, Fault, Primary, Session, Target};
use groups::Groups;
use partitions::Partitions;
use replicas::{Instead, Noted, Replicas};

pub use migrations::Migration;
pub use options::Options;
pub use replicas::{Lsn, RecentWrites, RecentWritesError};
pub use vault::PostgresVault;

/// How many hosts an address names that can be read, for whoever tries what reads it.
///
/// # Errors
/// It can't be read; the error says nothing of what is in it.
#[doc(hidden)]
pub fn hosts_in(address: &str) -> Result<usize, StoreError> {
    Address::parse(address, &Options::new(address)).map(|address| address.hosts.len())
}

/// A store in a PostgreSQL database.
pub struct PostgresStore {
    /// Seals and opens what is personal.
    keyring: Keyring,
    primary: Arc<Primary>,
    groups: Groups,
    replicas: Option<Replicas>,
    partitions: Partitions,
    /// When it was said last that entries of the audit log wait for a key.
    withheld: Withheld,
    metrics: Metrics,
}

impl PostgresStore {
    /// Connects, and brings the tables to this binary's version. A database that a newer binary wrote is refused, and so
    /// is a server that answers for what it has not flushed. What is personal is sealed with the keys of `keyring`.
    pub async fn open(options: Options, keyring: Keyring) -> Result<Self, StoreError> {
        let noted = (!options.read_urls.is_empty()).then(|| Noted::new(options.recent_writes.clone()));
        let primary = Arc::new(connect(&options, noted.clone())?);
        migrate(&primary, &options).await.map_err(at_open)?;
        let replicas = noted.map(|noted| Replicas::start(&primary, noted, &options)).transpose()?;
        let (groups, partitions) = (Groups::new(&primary), Partitions::default());
        let (withheld, metrics) = (Withheld::default(), options.metrics);
        Ok(Self { keyring, primary, groups, replicas, partitions, withheld, metrics })
    }

    /// Brings the tables to this binary's version. Returns the migrations that it ran.
    pub async fn migrate(options: &Options) -> Result<Vec<Migration>, StoreError> {
        let primary = connect(options, None)?;
        let applied = migrate(&primary, options).await;
        primary.close().await;
        applied.map_err(at_open)
    }

    /// The migrations that [`PostgresStore::migrate`] would run.
    pub async fn pending_migrations(options: &Options) -> Result<Vec<Migration>, StoreError> {
        let primary = connect(options, None)?;
        let pending = async { migrations::pending(primary.extra().await?.client()).await };
        pending.await.map_err(at_open)
    }
}

impl PostgresStore {
    /// Reads something that may be a little old, but holds what this user has written.
    async fn read_about<T, F, Fut>(&self, user: UserId, name: &'static str, work: F) -> Result<T, StoreError>
    where
        F: Fn(Arc<Session>) -> Fut,
        Fut: Future<Output = Result<T, Fault>>,
    {
        let instead = match &self.replicas {
            None => Instead::Behind,
            Some(replicas) => match replicas.read(user, name, &work).await {
                Ok(read) => {
                    self.metrics.store_read("replica");
                    return Ok(read);
                }
                Err(instead) => instead,
            },
        };
        self.metrics.store_read(match instead {
            Instead::Behind => "primary",
            Instead::Broken => "fallback",
        });
        self.primary.run(Call::quick(name), work).await
    }

    /// Finishes what is under way, stops the task that looks at the replicas, and closes all connections.
    async fn shut_down(&self) {
        if let Some(replicas) = &self.replicas {
            replicas.close().await;
        }
        self.primary.close().await;
    }
}

/// Whether this is the vault's database.
const HOLDS_KEYS: &str = "SELECT to_regclass('vault_keys') IS NOT NULL";

fn connect(options: &Options, noted: Option<Noted>) -> Result<Primary, StoreError> {
    let address = Address::parse(&options.url, options)?;
    let target = Target::new(address, Expect::Primary, options.clone());
    Ok(Primary::new(target, noted, options)?)
}

async fn migrate(primary: &Primary, options: &Options) -> Result<Vec<Migration>, Fault> {
    let mut connection = primary.extra().await?;
    let holds_keys = connection.client().query_one(HOLDS_KEYS, &[]).await?;
    if column::get(&holds_keys, 0)? {
        return Err(Fault::Unfit(
            "the store must not be in the vault's database: its dumps would hold the keys".to_owned(),
        ));
    }
    migrations::apply(connection.client_mut(), options.long_statement_timeout).await
}

/// When a store is opened, a server that is not fit is a mistake of who set it up, and waiting won't mend it.
fn at_open(fault: Fault) -> StoreError {
    match fault {
        Fault::Unfit(why) => StoreError::Corrupt(why),
        other => other.into(),
    }
}
