//! The store, the bus and the cache of one process.

use std::sync::Arc;

use anyhow::Context as _;
use ecs_bus::Bus;
use ecs_bus_embedded::EmbeddedBus;
use ecs_cache::Cache;
use ecs_domain::Clock;
use ecs_store::Store;
use ecs_store_sqlite::SqliteStore;
use ecs_web::health::Health;
use tokio_util::sync::CancellationToken;

use crate::data_dir::{DataDir, Lock};
use crate::settings::Settings;

/// Where everything is kept. The data folder is ours as long as this lives.
pub struct Storage {
    /// Users, aggregates, decisions, offers, dead letters.
    pub store: Arc<dyn Store>,
    /// Events.
    pub bus: Arc<dyn Bus>,
    /// What can be made anew from the store.
    pub cache: Cache,
    lock: Lock,
}

/// How the embedded store and bus are opened. What is no setting, because nobody who runs a platform should change it, is
/// for tests to change: under which file system they write, for one.
pub struct Engines {
    /// The store's side.
    pub store: ecs_store_sqlite::Options,
    /// The bus's side.
    pub bus: ecs_bus_embedded::Options,
}

impl Engines {
    /// As the settings say, and otherwise as production has them.
    #[must_use]
    pub fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        let bus = ecs_bus_embedded::Options {
            window_events: settings.publish_window,
            ..ecs_bus_embedded::Options::new(clock)
        };
        Self { store: ecs_store_sqlite::Options::default(), bus }
    }
}

impl Storage {
    /// Takes the data folder for this process and opens what is in it, bringing the tables up to this version.
    pub fn open(settings: &Settings, data: &DataDir, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        Self::open_with(settings, data, Engines::new(settings, clock))
    }

    /// The same with other engines.
    pub fn open_with(settings: &Settings, data: &DataDir, engines: Engines) -> anyhow::Result<Self> {
        let lock = data.lock()?;
        let store = SqliteStore::open(data.store(), engines.store)
            .with_context(|| format!("the store {}", data.store().display()))?;
        let bus = EmbeddedBus::open(data.bus(), engines.bus)
            .with_context(|| format!("the bus {}", data.bus().display()))?;
        Ok(Self { store: Arc::new(store), bus: Arc::new(bus), cache: cache(settings), lock })
    }

    /// Ready while both answer, until `draining` is cancelled.
    #[must_use]
    pub fn health(&self, draining: CancellationToken) -> Health {
        let (store, bus) = (Arc::clone(&self.store), Arc::clone(&self.bus));
        Health::new(draining)
            .check("store", move || {
                let store = Arc::clone(&store);
                async move { store.ping().await.map_err(|error| error.to_string()) }
            })
            .check("bus", move || {
                let bus = Arc::clone(&bus);
                async move { bus.ping().await.map_err(|error| error.to_string()) }
            })
    }

    /// Writes what is left, closes, and lets the data folder go.
    pub async fn close(self) -> anyhow::Result<()> {
        // A bus that can't close is no reason to leave the store open.
        let bus = self.bus.close().await.context("closing the bus");
        let store = self.store.close().await.context("closing the store");
        drop(self.lock);
        bus.and(store)
    }
}

fn cache(settings: &Settings) -> Cache {
    match settings.cache_bytes {
        Some(max_bytes) => Cache::in_process(ecs_cache::Options { max_bytes }),
        None => Cache::none(),
    }
}
