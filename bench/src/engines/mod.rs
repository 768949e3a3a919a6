//! The real engines: private PostgreSQL, Redis and message brokers on this machine, gone with the run.
//!
//! One PostgreSQL server serves the whole run, and each row gets a database of its own, copied from one in which everybody
//! has an account and has consented. Brokers and Redis are started anew for each row.

mod broker;
mod deciders;
mod fill;
mod running;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use ecs_domain::Day;
use ecs_servers::{Postgres, PostgresOptions, Redis, RedisOptions};
use ecs_store_postgres::{Options, PostgresStore};
use tokio::sync::Mutex;
use tokio_postgres::{Client, NoTls};

pub(crate) use broker::{Broker, Transport};
pub(crate) use fill::SUMMED;
use fill::fill;
pub(crate) use running::{Counted, Deployment, RATED, ROLES, Running};

use crate::population::Population;

/// As somebody would set up a server that takes tens of thousands of events per second. It flushes each commit, as it does
/// by default.
const SETTINGS: [(&str, &str); 4] = [
    ("shared_buffers", "1GB"),
    ("max_wal_size", "4GB"),
    ("checkpoint_timeout", "15min"),
    ("maintenance_work_mem", "256MB"),
];
/// The database that rows get copies of.
const TEMPLATE: &str = "laid";

/// The servers of a run.
pub(crate) struct Engines {
    postgres: Postgres,
    /// The settings of NATS that we ship.
    nats_settings: PathBuf,
    /// For what the embedded bus keeps.
    folder: PathBuf,
    next: AtomicU32,
    /// Databases that are filled already.
    filled: Mutex<BTreeSet<String>>,
}

/// Servers with nothing in them but accounts and consents.
pub(crate) struct Site {
    broker: Broker,
    redis: Redis,
    pub(crate) database: Database,
    /// The file in which the processes of the row keep keys.
    vault: PathBuf,
}

/// A database of one row.
pub(crate) struct Database {
    name: String,
    /// Its address.
    pub(crate) url: String,
}

impl Engines {
    /// Starts PostgreSQL and lays the accounts. `folder` is for files of the embedded bus.
    pub(crate) async fn start(population: &Population, folder: &Path) -> anyhow::Result<Self> {
        let settings = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let postgres = Postgres::start(PostgresOptions { settings, ..PostgresOptions::default() });
        let postgres = postgres.await.context("no PostgreSQL: run scripts/provision.sh")?;
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?;
        let nats_settings = workspace.join("deploy/nats/nats.conf");
        let engines = Self {
            postgres,
            nats_settings,
            folder: folder.to_owned(),
            next: AtomicU32::new(0),
            filled: Mutex::default(),
        };
        let url = engines.database(TEMPLATE).await?;
        fill(&url, population, &[]).await?;
        Ok(engines)
    }

    /// A new database with nothing in it. Returns its address.
    async fn bare(&self, name: &str) -> anyhow::Result<String> {
        self.postgres.execute(&format!("CREATE DATABASE {name}")).await?;
        Ok(self.postgres.url(name))
    }

    /// A new database with the platform's tables. Returns its address.
    pub(crate) async fn database(&self, name: &str) -> anyhow::Result<String> {
        let url = self.bare(name).await?;
        PostgresStore::migrate(&Options::new(&url)).await?;
        Ok(url)
    }

    /// A database that is made at the first call and stays. `fill` is given its address while it is empty.
    pub(crate) async fn kept(
        &self,
        name: &str,
        fill: impl AsyncFnOnce(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<String> {
        let mut filled = self.filled.lock().await;
        if !filled.contains(name) {
            fill(&self.bare(name).await?).await?;
            filled.insert(name.to_owned());
        }
        Ok(self.postgres.url(name))
    }

    /// A database whose users have an aggregate for each of these days. It is filled once and stays.
    pub(crate) async fn filled(
        &self,
        name: &str,
        population: &Population,
        days: &[Day],
    ) -> anyhow::Result<String> {
        let fill = async |url: &str| {
            PostgresStore::migrate(&Options::new(url)).await?;
            fill(url, population, days).await
        };
        self.kept(name, fill).await
    }

    /// Whatever is still in memory is written now, rather than while something is measured.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        self.postgres.execute("CHECKPOINT").await
    }

    /// Servers for one row.
    pub(crate) async fn site(&self, transport: Transport) -> anyhow::Result<Site> {
        self.site_over(transport, self.copy().await?).await
    }

    async fn site_over(&self, transport: Transport, database: Database) -> anyhow::Result<Site> {
        let (broker, redis) =
            tokio::try_join!(self.broker(transport), Redis::start(RedisOptions::default()))?;
        let vault = self.folder.join(format!("vault-{}.sqlite", self.number()));
        Ok(Site { broker, redis, database, vault })
    }

    /// A database with nothing in it but accounts and consents.
    pub(crate) async fn copy(&self) -> anyhow::Result<Database> {
        self.copy_of(TEMPLATE).await
    }

    async fn copy_of(&self, template: &str) -> anyhow::Result<Database> {
        let name = format!("row_{}", self.number());
        self.postgres.execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await?;
        self.settle().await?;
        let url = self.postgres.url(&name);
        Ok(Database { name, url })
    }

    /// A transport with no events in it.
    pub(crate) async fn broker(&self, transport: Transport) -> anyhow::Result<Broker> {
        let folder = self.folder.join(format!("bus-{}", self.number()));
        Broker::start(transport, &self.nats_settings, folder).await
    }

    fn number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Gives a row's disk back.
    pub(crate) async fn drop(&self, database: Database) -> anyhow::Result<()> {
        self.postgres.execute(&format!("DROP DATABASE {} WITH (FORCE)", database.name)).await
    }
}

impl Site {
    /// Four of the seven settings that start the platform in production; the launcher has the three secrets.
    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("DATABASE_URL", self.database.url.clone()),
            ("ECS_VAULT_URL", format!("sqlite:{}", self.vault.display())),
            self.broker.setting(),
            ("REDIS_URL", self.redis.url().to_owned()),
            // Nobody has to learn that a process stops: nothing balances load here.
            ("ECS_SHUTDOWN_GRACE_S", "0".to_owned()),
        ]
    }
}

/// A connection that a task of this runtime drives.
pub(crate) async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.context("no connection to PostgreSQL")?;
    tokio::spawn(connection);
    Ok(client)
}
