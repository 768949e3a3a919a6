//! Redis away under load: the answers stay right and quick, nothing stampedes, and it is found again.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ecs_servers::Redis;
use tokio::task::JoinSet;

use crate::support::{LONG, Process, Truth, cached, durable, eventually, key, options, own, user};

const USERS: u128 = 8;
const READERS: u128 = 64;

/// How long an answer may take without Redis: the time Redis has, twice, and as much again for a busy machine.
const BOUND: Duration = Duration::from_millis(900);

/// Load over a few users, counted.
#[derive(Default)]
struct Load {
    /// What is true of each user, and what everybody may rely on since an invalidation returned.
    truths: [AtomicU64; USERS as usize],
    floors: [AtomicU64; USERS as usize],
    loading: [AtomicU64; USERS as usize],
    most_at_once: AtomicU64,
    loads: AtomicU64,
    reads: AtomicU64,
    stale: AtomicU64,
    slowest_ms: AtomicU64,
    over: AtomicBool,
}

impl Load {
    async fn load(&self, at: usize) -> u64 {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let loading = self.loading[at].fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(loading, Ordering::SeqCst);
        let value = self.truths[at].load(Ordering::SeqCst);
        // A query takes its time.
        tokio::time::sleep(Duration::from_millis(2)).await;
        self.loading[at].fetch_sub(1, Ordering::SeqCst);
        value
    }

    async fn read(&self, process: &Process, number: u128) {
        let at = usize::try_from(number % USERS).unwrap();
        let (floor, begun) = (self.floors[at].load(Ordering::SeqCst), Instant::now());
        let load = || async { Ok::<_, Infallible>(self.load(at).await) };
        let Ok(value) = process.cache.get_or_load(key(number % USERS), LONG, load).await;
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap();
        self.slowest_ms.fetch_max(took, Ordering::SeqCst);
        self.stale.fetch_add(u64::from(value < floor), Ordering::SeqCst);
        self.reads.fetch_add(1, Ordering::SeqCst);
    }

    async fn write(&self, process: &Process, number: u128) {
        let at = usize::try_from(number % USERS).unwrap();
        let now = self.truths[at].fetch_add(1, Ordering::SeqCst) + 1;
        process.cache.invalidate([user(number % USERS)]).await;
        self.floors[at].fetch_max(now, Ordering::SeqCst);
    }

    /// Waits until so many more reads are done.
    async fn reads(&self, more: u64) {
        let until = self.reads.load(Ordering::SeqCst) + more;
        eventually("read enough", || self.reads.load(Ordering::SeqCst) >= until).await;
    }
}

/// Readers, and a writer that changes a user now and then.
fn drive(process: &Arc<Process>, load: &Arc<Load>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for reader in 0..READERS {
        let (process, load) = (Arc::clone(process), Arc::clone(load));
        tasks.spawn(async move {
            let mut turn = reader;
            while !load.over.load(Ordering::SeqCst) {
                load.read(&process, turn).await;
                turn += 1;
                if reader == 0 && turn.is_multiple_of(16) {
                    load.write(&process, turn).await;
                }
                tokio::task::yield_now().await;
            }
        });
    }
    tasks
}

/// Takes Redis away and gives it back, under load.
async fn away_under_load<Away, Back>(server: &Redis, away: impl FnOnce() -> Away, back: impl FnOnce() -> Back)
where
    Away: Future<Output = anyhow::Result<()>>,
    Back: Future<Output = anyhow::Result<()>>,
{
    let (process, load) = (Arc::new(Process::over(server.url()).await), Arc::new(Load::default()));
    let mut tasks = drive(&process, &load);
    load.reads(2_000).await;

    away().await.unwrap();
    eventually("noticed", || !process.backend.is_connected()).await;
    let (loads, reads, begun) =
        (load.loads.load(Ordering::SeqCst), load.reads.load(Ordering::SeqCst), Instant::now());
    load.most_at_once.store(0, Ordering::SeqCst);
    load.reads(4_000).await;
    let (loads, reads) =
        (load.loads.load(Ordering::SeqCst) - loads, load.reads.load(Ordering::SeqCst) - reads);
    let (most, seconds) = (load.most_at_once.load(Ordering::SeqCst), begun.elapsed().as_secs_f64());
    eprintln!(
        "away: {:.0} reads/s by {:.0} loads/s, {most} at once of a key",
        reads as f64 / seconds,
        loads as f64 / seconds
    );
    assert!(most <= 2, "{most} loads of one key at once: one from before, and one at a time");

    back().await.unwrap();
    process.connected().await;
    let truth = Truth::default();
    cached(&process, key(1_000), &truth).await;
    load.over.store(true, Ordering::SeqCst);
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let slowest = Duration::from_millis(load.slowest_ms.load(Ordering::SeqCst));
    eprintln!("slowest answer {slowest:?}");
    assert_eq!(load.stale.load(Ordering::SeqCst), 0, "no answer is older than an invalidation that returned");
    assert!(slowest < BOUND, "an answer took {slowest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_under_load() {
    let Some(server) = durable().await else { return };
    away_under_load(&server, || server.kill(), || server.restart()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_paused_under_load() {
    let Some(server) = own().await else { return };
    away_under_load(&server, || server.pause(), || async { server.resume() }).await;
}

#[tokio::test]
async fn a_platform_starts_without_redis_and_finds_it_later() {
    let Some(server) = own().await else { return };
    let truth = Truth::default();
    server.kill().await.unwrap();
    let process = Process::starting(options(server.url()));
    for expect in 1..=3 {
        process.read(key(0), &truth).await;
        assert_eq!(truth.loads(), expect);
    }
    server.restart().await.unwrap();
    process.connected().await;
    cached(&process, key(0), &truth).await;
}

#[tokio::test]
async fn an_away_redis_opens_the_breaker_and_costs_nothing_then() {
    let Some(server) = own().await else { return };
    let truth = Truth::default();
    let long = ecs_breaker::Options { open_for: Duration::from_secs(3600), ..Default::default() };
    let process = Process::starting(ecs_cache_redis::Options { breaker: long, ..options(server.url()) });
    process.connected().await;
    server.pause().await.unwrap();
    let (is_open, begun) = ("ecs_breaker_state{breaker=\"cache-redis\"} 2", Instant::now());
    while !process.metrics.render().contains(is_open) {
        process.read(key(0), &truth).await;
        assert!(begun.elapsed() < crate::support::PATIENCE, "{}", process.metrics.render());
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    for _ in 0..1_000 {
        process.read(key(0), &truth).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "1,000 reads took {:?}", begun.elapsed());
}
