//! The store, the bus and the cache of one process, as far as its roles use them.

mod engines;
mod kafka;
#[cfg(any(feature = "postgres", feature = "nats", feature = "kafka", feature = "rabbitmq", test))]
mod patience;
mod rabbitmq;
#[cfg(all(feature = "postgres", feature = "redis"))]
mod recent_writes;
mod vault;

use std::sync::Arc;

use anyhow::Context as _;
use ecs_bus::Bus;
use ecs_cache::Cache;
use ecs_domain::{Clock, Timestamp};
use ecs_store::Store;
use ecs_vault::Keyring;
use ecs_web::health::Health;
use tokio_util::sync::CancellationToken;

use super::needs::Uses;
use crate::data_dir::{DataDir, Lock};
use crate::settings::{BusAt, CacheIn, Settings, StoreAt};
pub use engines::Engines;
pub(crate) use engines::migrate;
pub(crate) use vault::existing as existing_keyring;

/// Where everything is kept. The data folder, where store or bus are in it, is ours as long as this lives.
pub struct Storage {
    keyring: Option<Keyring>,
    store: Option<Arc<dyn Store>>,
    bus: Option<Arc<dyn Bus>>,
    /// What can be made anew from the store.
    pub cache: Cache,
    lock: Option<Lock>,
}

impl Storage {
    /// Opens everything that the settings name, bringing the tables up to this version. Engines in the data folder take it
    /// for this process; an engine elsewhere that is away is waited for, as long as the settings say.
    pub async fn open(settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let (engines, now) = (Engines::new(settings, Arc::clone(&clock)), clock.now());
        Self::open_with(settings, engines, Uses::EVERYTHING, now).await
    }

    /// The same with other engines, and only what is used.
    pub(super) async fn open_with(
        settings: &Settings,
        engines: Engines,
        uses: Uses,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let data = DataDir::new(&settings.data_dir);
        let lock = if settings.uses_data_folder() { Some(data.lock()?) } else { None };
        let keyring = if uses.store { Some(vault::keyring(settings, &data, &engines).await?) } else { None };
        let store = match &keyring {
            Some(keyring) => {
                let store = engines::store(settings, &data, &engines, keyring).await?;
                vault::reconcile(store.as_ref(), keyring, now).await?;
                Some(store)
            }
            None => None,
        };
        let bus = if uses.bus { Some(engines::bus(settings, &data, &engines).await?) } else { None };
        let cache = if uses.cache { engines::cache(settings, &engines)? } else { Cache::none() };
        Ok(Self { keyring, store, bus, cache, lock })
    }

    /// The bus alone. Nothing else is opened, and the data folder is taken only for a bus that is in it.
    pub(crate) async fn open_bus(settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let data = DataDir::new(&settings.data_dir);
        let lock = if settings.bus.is_shared() { None } else { Some(data.lock()?) };
        let bus = engines::bus(settings, &data, &Engines::new(settings, clock)).await?;
        Ok(Self { keyring: None, store: None, bus: Some(bus), cache: Cache::none(), lock })
    }

    /// Users, aggregates, decisions, offers, dead letters. An error in a process none of whose roles uses it.
    pub fn store(&self) -> anyhow::Result<&Arc<dyn Store>> {
        self.store.as_ref().context("no role of this process uses the store")
    }

    /// The keys of people. An error as above.
    pub fn keyring(&self) -> anyhow::Result<&Keyring> {
        self.keyring.as_ref().context("no role of this process uses the store")
    }

    /// Events. An error as above.
    pub fn bus(&self) -> anyhow::Result<&Arc<dyn Bus>> {
        self.bus.as_ref().context("no role of this process uses the bus")
    }

    /// Ready while what is used answers, until `draining` is cancelled. The cache has no say, since nothing depends on it, and
    /// neither have roles elsewhere: a gateway that can't reach one of them still serves the others. Both show in the
    /// metrics, as breakers.
    #[must_use]
    pub fn health(&self, draining: CancellationToken) -> Health {
        let mut health = Health::new(draining);
        if let Some(store) = self.store.clone() {
            health = health.check("store", move || {
                let store = Arc::clone(&store);
                async move { store.ping().await.map_err(|error| error.to_string()) }
            });
        }
        if let Some(keyring) = self.keyring.clone() {
            health = health.check("vault", move || {
                let keyring = keyring.clone();
                async move { keyring.vault().ping().await.map_err(|error| error.to_string()) }
            });
        }
        if let Some(bus) = self.bus.clone() {
            health = health.check("bus", move || {
                let bus = Arc::clone(&bus);
                async move { bus.ping().await.map_err(|error| error.to_string()) }
            });
        }
        health
    }

    /// Writes what is left, closes, and lets the data folder go.
    pub async fn close(self) -> anyhow::Result<()> {
        // A bus that can't close is no reason to leave the store open.
        let bus = match &self.bus {
            Some(bus) => bus.close().await.context("closing the bus"),
            None => Ok(()),
        };
        let store = match &self.store {
            Some(store) => store.close().await.context("closing the store"),
            None => Ok(()),
        };
        let vault = match &self.keyring {
            Some(keyring) => keyring.vault().close().await.context("closing the vault"),
            None => Ok(()),
        };
        drop(self.lock);
        bus.and(store).and(vault)
    }
}

/// What the store is called in logs and refusals, without its password.
pub(super) fn store_name(settings: &Settings) -> String {
    match &settings.store {
        StoreAt::DataFolder => "SQLite".to_owned(),
        StoreAt::Postgres { primary, replicas, .. } if replicas.is_empty() => {
            format!("PostgreSQL at {}", primary.hosts())
        }
        StoreAt::Postgres { primary, replicas, .. } => {
            format!("PostgreSQL at {} with {} replicas", primary.hosts(), replicas.len())
        }
    }
}

/// The same of the bus.
pub(crate) fn bus_name(settings: &Settings) -> String {
    match &settings.bus {
        BusAt::DataFolder => "embedded".to_owned(),
        BusAt::Nats { servers, .. } => format!("NATS at {}", servers.hosts()),
        BusAt::Kafka { servers, .. } => format!("Kafka at {}", servers.hosts()),
        BusAt::RabbitMq { servers } => format!("RabbitMQ at {}", servers.hosts()),
    }
}

/// The same of the cache.
pub(super) fn cache_name(settings: &Settings) -> String {
    match &settings.cache {
        CacheIn::Nothing => "none".to_owned(),
        CacheIn::Memory { .. } => "memory".to_owned(),
        CacheIn::Redis { server, .. } => format!("Redis at {}", server.hosts()),
    }
}
