//! A process of the platform as far as the cache is concerned, and the truth that it is a copy of.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ecs_cache::{Backend, Cache, Key, Scope};
use ecs_cache_redis::{Options, RedisBackend};
use ecs_domain::UserId;
use ecs_metrics::Metrics;
use ecs_servers::{Engine, Redis, RedisOptions, did_not_run, unavailable, unavailable_privately};
use uuid::Uuid;

/// Long enough that nothing expires on its own.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

/// How long a test waits for what happens soon.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server for a test that does it no harm; `None`, and said aloud, where there is none.
pub(crate) async fn lent() -> Option<Redis> {
    if is_missing(unavailable(Engine::Redis).as_deref()) {
        return None;
    }
    Some(Redis::reserve().await.unwrap())
}

/// A server of the test's own, which it may take away or watch; `None`, and said aloud, where none can be started.
pub(crate) async fn own() -> Option<Redis> {
    start(RedisOptions::default()).await
}

/// The same with keys that outlive a restart.
pub(crate) async fn durable() -> Option<Redis> {
    start(RedisOptions { append_only: true, ..RedisOptions::default() }).await
}

async fn start(options: RedisOptions) -> Option<Redis> {
    if is_missing(unavailable_privately(Engine::Redis).as_deref()) {
        return None;
    }
    Some(Redis::start(options).await.unwrap())
}

fn is_missing(reason: Option<&str>) -> bool {
    if let Some(reason) = reason {
        // The harness names the thread of a test after it.
        did_not_run(std::thread::current().name().unwrap_or("a test of the cache over Redis"), reason);
    }
    reason.is_some()
}

/// What is true of some users: a number each.
#[derive(Default)]
pub(crate) struct Truth {
    pub(crate) value: AtomicU64,
    pub(crate) loads: AtomicU64,
}

impl Truth {
    pub(crate) fn change(&self) -> u64 {
        self.value.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }
}

/// A process: a cache of its own, over a backend of its own.
pub(crate) struct Process {
    pub(crate) cache: Cache,
    pub(crate) backend: Arc<RedisBackend>,
    pub(crate) metrics: Metrics,
}

impl Process {
    /// One that has found Redis.
    pub(crate) async fn over(url: &str) -> Self {
        let process = Self::starting(options(url));
        process.connected().await;
        process
    }

    /// One that has just started.
    pub(crate) fn starting(options: Options) -> Self {
        let metrics = options.metrics.clone();
        let backend = Arc::new(RedisBackend::open(options).unwrap());
        Self { cache: Cache::over(Arc::clone(&backend) as Arc<dyn Backend>), backend, metrics }
    }

    pub(crate) async fn connected(&self) {
        eventually("connected", || self.backend.is_connected()).await;
    }

    pub(crate) async fn read(&self, key: Key, truth: &Truth) -> u64 {
        let load = || async {
            truth.loads.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Infallible>(truth.value.load(Ordering::SeqCst))
        };
        let Ok(value) = self.cache.get_or_load(key, LONG, load).await;
        value
    }
}

/// With a breaker that opens as ever, and not for long.
pub(crate) fn options(url: &str) -> Options {
    let breaker = ecs_breaker::Options { open_for: Duration::from_millis(200), ..Default::default() };
    Options { breaker, ..Options::new(url) }
}

pub(crate) fn user(number: u128) -> Scope {
    Scope::User(UserId::new(Uuid::from_u128(number)))
}

pub(crate) fn key(number: u128) -> Key {
    Key { scope: user(number), name: "features" }
}

/// Polls until it holds.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not {what} in time");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Reads until it is answered from the cache. No answer on the way may be stale.
pub(crate) async fn cached(process: &Process, key: Key, truth: &Truth) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = truth.loads();
        assert_eq!(process.read(key, truth).await, truth.value.load(Ordering::SeqCst), "a stale value");
        if truth.loads() == before {
            return;
        }
        assert!(Instant::now() < deadline, "nothing is cached in time");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
