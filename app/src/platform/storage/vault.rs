//! How the vault is opened, and what is done with it before anybody is served: what was written before there were keys is sealed, and
//! whoever was erased is erased again in a store that is older than their tombstone.

use std::sync::Arc;

use anyhow::Context as _;
use ecs_domain::{Timestamp, UserId};
use ecs_metrics::Metrics;
use ecs_store::{Reached, Store};
use ecs_vault::{Kept, Keyring, MasterKeys, Vault};
use ecs_web::secret::Secret;

use super::engines::Engines;
#[cfg(feature = "postgres")]
use super::patience;
use crate::data_dir::DataDir;
use crate::platform::SystemClock;
use crate::settings::{Settings, VaultAt};

/// How many tombstones are looked at at once.
const PIECE: usize = 500;

/// Opens the vault with the master keys.
pub(super) async fn keyring(
    settings: &Settings,
    data: &DataDir,
    engines: &Engines,
) -> anyhow::Result<Keyring> {
    let vault = vault(settings, data, engines).await?;
    let master = match &settings.vault.master {
        Some(master) => master.clone(),
        None => data.secrets()?.master_key,
    };
    let accepted: Vec<&str> = settings.vault.accepted.iter().map(Secret::expose).collect();
    let master = MasterKeys::new(master.expose(), &accepted).context("ECS_MASTER_KEY")?;
    let keyring = Keyring::open(vault, master).await.context("the vault (ECS_VAULT_URL, ECS_MASTER_KEY)")?;
    if !accepted.is_empty() {
        let rewrapped = keyring.rewrap().await.context("wrapping keys anew")?;
        tracing::info!(rewrapped, "all keys are wrapped under the ECS_MASTER_KEY of this process");
    }
    Ok(keyring)
}

/// The keys of a platform, for a command that works beside it; `None` where there is no vault.
pub(crate) async fn existing(settings: &Settings) -> anyhow::Result<Option<Keyring>> {
    let data = DataDir::new(&settings.data_dir);
    if settings.vault.at == VaultAt::DataFolder && !data.vault().exists() {
        return Ok(None);
    }
    let engines = Engines::new(settings, Arc::new(SystemClock));
    keyring(settings, &data, &engines).await.map(Some)
}

async fn vault(settings: &Settings, data: &DataDir, engines: &Engines) -> anyhow::Result<Arc<dyn Vault>> {
    match &settings.vault.at {
        VaultAt::DataFolder => in_file(&data.vault(), engines),
        VaultAt::File(path) => in_file(path, engines),
        VaultAt::Postgres(address) => in_postgres(settings, address.expose(), &engines.metrics).await,
    }
}

#[cfg(feature = "sqlite")]
fn in_file(path: &std::path::Path, engines: &Engines) -> anyhow::Result<Arc<dyn Vault>> {
    let vault = ecs_store_sqlite::SqliteVault::open(path, &engines.store);
    Ok(Arc::new(vault.with_context(|| format!("the vault {}", path.display()))?))
}

#[cfg(not(feature = "sqlite"))]
fn in_file(_: &std::path::Path, _: &Engines) -> anyhow::Result<Arc<dyn Vault>> {
    anyhow::bail!("the vault over SQLite is not built into this binary")
}

#[cfg(feature = "postgres")]
async fn in_postgres(settings: &Settings, url: &str, metrics: &Metrics) -> anyhow::Result<Arc<dyn Vault>> {
    let options = ecs_store_postgres::Options {
        // A key is asked for when somebody registers, is decided about, or is shown what they are called.
        max_connections: 4,
        root_certificates: settings.tls.roots.clone(),
        metrics: metrics.clone(),
        ..ecs_store_postgres::Options::new(url)
    };
    let is_retryable = |error: &ecs_vault::VaultError| matches!(error, ecs_vault::VaultError::Unavailable(_));
    let vault =
        patience::open("the vault (ECS_VAULT_URL)", settings.start_timeout, is_retryable, async || {
            ecs_store_postgres::PostgresVault::open(&options).await
        });
    Ok(Arc::new(vault.await?))
}

#[cfg(not(feature = "postgres"))]
async fn in_postgres(_: &Settings, _: &str, _: &Metrics) -> anyhow::Result<Arc<dyn Vault>> {
    anyhow::bail!("the vault over PostgreSQL is not built into this binary")
}

/// Brings store and vault to where the younger of them is, as far as people are concerned who were erased. Nobody is served before
/// that: either may be an old copy, in which they live on.
pub(super) async fn reconcile(store: &dyn Store, keyring: &Keyring, now: Timestamp) -> anyhow::Result<()> {
    anyhow::ensure!(
        store.is_sealed_with(keyring.mark()).await?,
        "what is personal in this store was sealed with the keys of another vault than ECS_VAULT_URL leads to"
    );
    heed_tombstones(store, keyring, now).await?;
    bury_again(store, keyring, now).await?;
    let mut sealed = 0;
    while let rows @ 1.. = store.seal_plain().await.context("sealing what is personal")? {
        sealed += rows;
    }
    if sealed > 0 {
        tracing::info!(sealed, "rows from before there were keys are sealed now");
    }
    Ok(())
}

/// Erases whoever has a tombstone and lives on in the store: it is a copy from before.
async fn heed_tombstones(store: &dyn Store, keyring: &Keyring, now: Timestamp) -> anyhow::Result<()> {
    let mut after = 0;
    loop {
        let tombstones = keyring.vault().tombstones(after, PIECE).await?;
        let Some(last) = tombstones.last() else { return Ok(()) };
        after = last.number;
        let users: Vec<UserId> = tombstones.iter().map(|tombstone| tombstone.user).collect();
        let erased = store.erased_among(&users).await?;
        for tombstone in tombstones.into_iter().filter(|one| erased.binary_search(&one.user).is_err()) {
            tracing::warn!(
                tombstone = tombstone.number,
                "this store is older than a tombstone: its person is erased again"
            );
            while store.erase(tombstone).await.context("erasing again")?.more {}
            store.note_erasure(tombstone.user, Reached::Swept, now).await.context("erasing again")?;
        }
    }
}

/// Destroys the keys of those who were erased in the store and have no tombstone: the vault is a copy from before.
async fn bury_again(store: &dyn Store, keyring: &Keyring, now: Timestamp) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let users = store.erased_people(after, PIECE).await?;
        let Some(last) = users.last() else { return Ok(()) };
        after = Some(*last);
        let kept = keyring.vault().kept(&users).await?;
        for (user, _) in users.iter().zip(kept).filter(|(_, kept)| *kept != Kept::Tombstone) {
            tracing::warn!(user_id = %user, "this vault is older than an erasure: the key is destroyed again");
            keyring.destroy(*user, now).await?;
        }
    }
}
