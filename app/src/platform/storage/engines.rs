//! How each engine is opened. Everything that depends on what is built in stands here and in [`crate::platform::built`]:
//! the settings have refused what isn't, so a function that has nothing to open is only there to say so once more.

use std::sync::Arc;

#[cfg(any(feature = "sqlite", feature = "embedded", feature = "redis"))]
use anyhow::Context as _;
use ecs_bus::Bus;
use ecs_cache::Cache;
use ecs_domain::Clock;
use ecs_metrics::Metrics;
use ecs_store::Store;
use ecs_vault::Keyring;
use ecs_work::MeteredBus;

#[cfg(any(feature = "postgres", feature = "nats"))]
use super::patience;
use crate::data_dir::DataDir;
use crate::platform::counting;
use crate::settings::{Address, BusAt, CacheIn, Settings, StoreAt};

/// How the engines are opened. What is no setting, because nobody who runs a platform should change it, is for tests to
/// change: under which file system the embedded ones write, for one.
pub struct Engines {
    /// The embedded store.
    #[cfg(feature = "sqlite")]
    pub store: ecs_store_sqlite::Options,
    /// The embedded bus.
    #[cfg(feature = "embedded")]
    pub bus: ecs_bus_embedded::Options,
    /// What the whole process counts into.
    pub metrics: Metrics,
}

/// A migration that was run.
pub(crate) struct Applied {
    pub(crate) version: u32,
    pub(crate) name: &'static str,
}

impl Engines {
    /// As the settings say, and otherwise as production has them.
    #[must_use]
    #[cfg_attr(
        not(feature = "embedded"),
        expect(
            unused_variables,
            clippy::needless_pass_by_value,
            reason = "only the embedded bus asks for them"
        )
    )]
    pub fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        Self {
            #[cfg(feature = "sqlite")]
            store: ecs_store_sqlite::Options::default(),
            #[cfg(feature = "embedded")]
            bus: ecs_bus_embedded::Options {
                window_events: settings.publish_window,
                ..ecs_bus_embedded::Options::new(clock)
            },
            metrics: Metrics::new(),
        }
    }
}

/// Opens the store, and brings its tables up to this version.
pub(super) async fn store(
    settings: &Settings,
    data: &DataDir,
    engines: &Engines,
    keyring: &Keyring,
) -> anyhow::Result<Arc<dyn Store>> {
    match &settings.store {
        StoreAt::DataFolder => sqlite(data, engines, keyring),
        StoreAt::Postgres { .. } => postgres(settings, engines, keyring).await,
    }
}

/// Opens the bus.
pub(super) async fn bus(
    settings: &Settings,
    data: &DataDir,
    engines: &Engines,
) -> anyhow::Result<Arc<dyn Bus>> {
    let bus = match &settings.bus {
        BusAt::DataFolder => embedded(data, engines),
        BusAt::Nats { servers, replicas, monitor } => {
            nats(settings, engines, servers, *replicas, monitor.as_deref()).await
        }
        BusAt::Kafka { .. } => super::kafka::open(settings, engines).await,
        BusAt::RabbitMq { servers } => super::rabbitmq::open(settings, engines, servers).await,
    };
    Ok(Arc::new(MeteredBus::new(bus?, &engines.metrics)))
}

/// The cache. Nobody waits for Redis: without it everything is loaded.
pub(super) fn cache(settings: &Settings, engines: &Engines) -> anyhow::Result<Cache> {
    match &settings.cache {
        CacheIn::Nothing => Ok(Cache::none()),
        CacheIn::Memory { bytes } => {
            let cache = Cache::in_process(ecs_cache::Options { max_bytes: *bytes });
            Ok(counting::observed(cache, "process", &engines.metrics))
        }
        CacheIn::Redis { server, level_bytes } => redis(settings, engines, server, *level_bytes),
    }
}

/// Brings the tables up to this version, whoever uses them. Returns what was run.
pub(crate) async fn migrate(settings: &Settings) -> anyhow::Result<Vec<Applied>> {
    match &settings.store {
        StoreAt::DataFolder => migrate_sqlite(&DataDir::new(&settings.data_dir)),
        StoreAt::Postgres { .. } => migrate_postgres(settings).await,
    }
}

#[cfg(feature = "sqlite")]
fn sqlite(data: &DataDir, engines: &Engines, keyring: &Keyring) -> anyhow::Result<Arc<dyn Store>> {
    let options = ecs_store_sqlite::Options { metrics: engines.metrics.clone(), ..engines.store.clone() };
    let store = ecs_store_sqlite::SqliteStore::open(data.store(), keyring.clone(), options)
        .with_context(|| format!("the store {}", data.store().display()))?;
    Ok(Arc::new(store))
}

#[cfg(feature = "sqlite")]
fn migrate_sqlite(data: &DataDir) -> anyhow::Result<Vec<Applied>> {
    let _lock = data.lock()?;
    let applied = ecs_store_sqlite::SqliteStore::migrate(data.store(), &ecs_store_sqlite::Options::default())
        .with_context(|| format!("the store {}", data.store().display()))?;
    Ok(applied.iter().map(|done| Applied { version: done.version, name: done.name }).collect())
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &DataDir, _: &Engines, _: &Keyring) -> anyhow::Result<Arc<dyn Store>> {
    anyhow::bail!("the store over SQLite is not built into this binary")
}

#[cfg(not(feature = "sqlite"))]
fn migrate_sqlite(_: &DataDir) -> anyhow::Result<Vec<Applied>> {
    anyhow::bail!("the store over SQLite is not built into this binary")
}

#[cfg(feature = "embedded")]
fn embedded(data: &DataDir, engines: &Engines) -> anyhow::Result<Arc<dyn Bus>> {
    let options = ecs_bus_embedded::Options { metrics: engines.metrics.clone(), ..engines.bus.clone() };
    let bus = ecs_bus_embedded::EmbeddedBus::open(data.bus(), options)
        .with_context(|| format!("the bus {}", data.bus().display()))?;
    Ok(Arc::new(bus))
}

#[cfg(not(feature = "embedded"))]
fn embedded(_: &DataDir, _: &Engines) -> anyhow::Result<Arc<dyn Bus>> {
    anyhow::bail!("the embedded bus is not built into this binary")
}

#[cfg(feature = "postgres")]
fn postgres_options(settings: &Settings, metrics: &Metrics) -> anyhow::Result<ecs_store_postgres::Options> {
    let StoreAt::Postgres { primary, replicas, connections } = &settings.store else {
        anyhow::bail!("DATABASE_URL names no PostgreSQL");
    };
    Ok(ecs_store_postgres::Options {
        read_urls: replicas.iter().map(|replica| replica.expose().to_owned()).collect(),
        max_connections: *connections,
        root_certificates: settings.tls.roots.clone(),
        recent_writes: recent_writes(settings, metrics)?,
        metrics: metrics.clone(),
        ..ecs_store_postgres::Options::new(primary.expose())
    })
}

/// Shared notes of who wrote last, where there are replicas to be read and a Redis to share them in.
#[cfg(all(feature = "postgres", feature = "redis"))]
fn recent_writes(
    settings: &Settings,
    metrics: &Metrics,
) -> anyhow::Result<Option<Arc<dyn ecs_store_postgres::RecentWrites>>> {
    match (&settings.store, &settings.cache) {
        (StoreAt::Postgres { replicas, .. }, CacheIn::Redis { server, .. }) if !replicas.is_empty() => {
            let named = || format!("Redis at {} (REDIS_URL)", server.hosts());
            let redis = ecs_cache_redis::client(server.expose(), settings.tls.roots.as_deref());
            let notes = super::recent_writes::InRedis::new(redis.with_context(named)?, metrics);
            let notes = notes.with_context(named)?;
            Ok(Some(Arc::new(notes)))
        }
        _ => Ok(None),
    }
}

#[cfg(all(feature = "postgres", not(feature = "redis")))]
fn recent_writes(
    _: &Settings,
    _: &Metrics,
) -> anyhow::Result<Option<Arc<dyn ecs_store_postgres::RecentWrites>>> {
    Ok(None)
}

#[cfg(feature = "postgres")]
async fn postgres(
    settings: &Settings,
    engines: &Engines,
    keyring: &Keyring,
) -> anyhow::Result<Arc<dyn Store>> {
    let options = postgres_options(settings, &engines.metrics)?;
    let name = format!("{} (DATABASE_URL)", super::store_name(settings));
    let store =
        patience::open(&name, settings.start_timeout, ecs_store::StoreError::is_retryable, async || {
            ecs_store_postgres::PostgresStore::open(options.clone(), keyring.clone()).await
        });
    Ok(Arc::new(store.await?))
}

#[cfg(feature = "postgres")]
async fn migrate_postgres(settings: &Settings) -> anyhow::Result<Vec<Applied>> {
    let options = postgres_options(settings, &Metrics::new())?;
    let name = format!("{} (DATABASE_URL)", super::store_name(settings));
    let applied =
        patience::open(&name, settings.start_timeout, ecs_store::StoreError::is_retryable, async || {
            ecs_store_postgres::PostgresStore::migrate(&options).await
        });
    Ok(applied.await?.iter().map(|done| Applied { version: done.version, name: done.name }).collect())
}

#[cfg(not(feature = "postgres"))]
async fn postgres(_: &Settings, _: &Engines, _: &Keyring) -> anyhow::Result<Arc<dyn Store>> {
    anyhow::bail!("the store over PostgreSQL is not built into this binary")
}

#[cfg(not(feature = "postgres"))]
async fn migrate_postgres(_: &Settings) -> anyhow::Result<Vec<Applied>> {
    anyhow::bail!("the store over PostgreSQL is not built into this binary")
}

#[cfg(feature = "nats")]
async fn nats(
    settings: &Settings,
    engines: &Engines,
    servers: &Address,
    replicas: usize,
    monitor: Option<&str>,
) -> anyhow::Result<Arc<dyn Bus>> {
    let options = ecs_bus_nats::Options {
        window_events: settings.publish_window,
        replicas,
        monitor: monitor.map(str::to_owned),
        root_certificates: settings.tls.roots.clone(),
        metrics: engines.metrics.clone(),
        ..ecs_bus_nats::Options::new(servers.expose())
    };
    let is_retryable = |error: &ecs_bus::BusError| matches!(error, ecs_bus::BusError::Unavailable(_));
    let name = format!("{} (NATS_URL)", super::bus_name(settings));
    let bus = patience::open(&name, settings.start_timeout, is_retryable, async || {
        ecs_bus_nats::NatsBus::open(options.clone()).await
    });
    Ok(Arc::new(bus.await?))
}

#[cfg(not(feature = "nats"))]
async fn nats(
    _: &Settings,
    _: &Engines,
    _: &Address,
    _: usize,
    _: Option<&str>,
) -> anyhow::Result<Arc<dyn Bus>> {
    anyhow::bail!("the bus over NATS is not built into this binary")
}

#[cfg(feature = "redis")]
fn redis(
    settings: &Settings,
    engines: &Engines,
    server: &Address,
    level_bytes: u64,
) -> anyhow::Result<Cache> {
    let options = ecs_cache_redis::Options {
        root_certificates: settings.tls.roots.clone(),
        level_bytes,
        metrics: engines.metrics.clone(),
        ..ecs_cache_redis::Options::new(server.expose())
    };
    let backend = ecs_cache_redis::RedisBackend::open(options)
        .with_context(|| format!("Redis at {} (REDIS_URL)", server.hosts()))?;
    Ok(Cache::over(Arc::new(backend)))
}

#[cfg(not(feature = "redis"))]
fn redis(_: &Settings, _: &Engines, _: &Address, _: u64) -> anyhow::Result<Cache> {
    anyhow::bail!("the cache over Redis is not built into this binary")
}
