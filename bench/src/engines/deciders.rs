//! Those about whom decisions are made: accounts, consents, histories and keys, laid once per run and copied for each row.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use ecs_store::Maintenance as _;
use ecs_store_postgres::PostgresStore;
use ecs_store_sqlite::SqliteVault;
use ecs_vault::{Keyring, MasterKeys, Memory, Vault as _};
use rusqlite::params;

use super::{Database, Engines, Options, Site, Transport, connect, fill};
use crate::population::Population;
use crate::{data, platform};

/// The database that rows get copies of.
const TEMPLATE: &str = "deciders";

impl Engines {
    /// Servers for one row, over a database in which everybody has a history, and a vault in which everybody has a key, as whoever
    /// has registered has one.
    pub(crate) async fn deciders_site(&self, population: &Population) -> anyhow::Result<Site> {
        let database = self.deciders(population).await?;
        let site = self.site_over(Transport::Nats, database).await?;
        std::fs::copy(self.keys(), &site.vault).context("copying the vault")?;
        Ok(site)
    }

    /// The database of such a row alone.
    pub(crate) async fn deciders(&self, population: &Population) -> anyhow::Result<Database> {
        let fill = async |url: &str| {
            lay_keys(&self.keys(), population).await.context("laying keys")?;
            lay(url, population).await
        };
        self.kept(TEMPLATE, fill).await?;
        self.copy_of(TEMPLATE).await
    }

    fn keys(&self) -> PathBuf {
        self.folder.join("deciders-vault.sqlite")
    }
}

async fn lay(url: &str, population: &Population) -> anyhow::Result<()> {
    PostgresStore::migrate(&Options::new(url)).await?;
    fill(url, population, &[]).await?;
    let store = PostgresStore::open(Options::new(url), Keyring::in_memory()).await?;
    data::fold_history(&store, population).await?;
    store.close().await?;
    Ok(connect(url).await?.batch_execute("VACUUM ANALYZE").await?)
}

/// Makes everybody's key in memory and moves all of them into the file at once: the vault flushes each by itself.
async fn lay_keys(path: &Path, population: &Population) -> anyhow::Result<()> {
    let memory = Arc::new(Memory::default());
    let keyring = Keyring::open(memory.clone(), MasterKeys::new(platform::MASTER_KEY, &[])?).await?;
    for user in population.users() {
        keyring.person(*user).await?;
    }
    SqliteVault::open(path, &ecs_store_sqlite::Options::default())?.close().await?;
    let mut file = rusqlite::Connection::open(path)?;
    let transaction = file.transaction()?;
    for (name, wrapped) in memory.all_named().await? {
        transaction
            .execute("INSERT INTO vault_named (name, wrapped) VALUES (?1, ?2)", params![name, wrapped])?;
    }
    let mut insert = transaction.prepare("INSERT INTO vault_keys (user_id, wrapped) VALUES (?1, ?2)")?;
    for (user, wrapped) in memory.keys(None, usize::MAX).await? {
        insert.execute(params![user.uuid().as_bytes(), wrapped])?;
    }
    drop(insert);
    Ok(transaction.commit()?)
}
