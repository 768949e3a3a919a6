//! Read replicas under load: read when they can be, left alone when they can't, and never in the way of one's own writes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ecs_domain::UserId;
use ecs_metrics::Metrics;
use ecs_servers::{Postgres, PostgresOptions, Replication};
use ecs_store::Credit;
use ecs_store_conformance::fixtures::{first_page, make_offer, now, register, user};
use ecs_store_postgres::{Lsn, PostgresStore, RecentWrites, RecentWritesError};
use ecs_vault::Keyring;

use crate::customers::{Customers, until};
use crate::{can_start, options, support};

/// How many reads were answered where.
pub(crate) fn reads(metrics: &Metrics, target: &str) -> u64 {
    let label = format!("\"{target}\"");
    let text = metrics.render();
    let lines = text.lines().filter(|line| line.contains("store_read") && line.contains(&label));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Waits until so many more reads were answered there.
pub(crate) async fn until_more(metrics: &Metrics, target: &str, more: u64) {
    let enough = reads(metrics, target) + more;
    until(&format!("{more} reads of the {target}"), async || reads(metrics, target) >= enough).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_are_read_when_they_can_be_and_own_writes_are_always_seen() {
    if !can_start("replicas") {
        return;
    }
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let replica = primary.replica(Replication::Asynchronous).await.unwrap();
    let mut options = options(primary.url("postgres"));
    options.read_urls = vec![replica.url("postgres")];
    let metrics = options.metrics.clone();
    let store = Arc::new(PostgresStore::open(options, Keyring::in_memory()).await.unwrap());
    let customers = Arc::new(Customers::default());
    let loops = customers.serve_many(&store);

    until_more(&metrics, "replica", 50).await;

    // It answers, and shows the past: whoever wrote since then is served by the primary.
    let direct = support::client(&replica.url("postgres")).await;
    direct.batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
    until_more(&metrics, "primary", 50).await;
    // Once it is too far behind, nobody asks it any more.
    until_more(&metrics, "fallback", 50).await;
    direct.batch_execute("SELECT pg_wal_replay_resume()").await.unwrap();
    until_more(&metrics, "replica", 50).await;

    // It takes connections and says nothing.
    customers.take_slowest();
    replica.pause().await.unwrap();
    until_more(&metrics, "fallback", 50).await;
    assert!(customers.take_slowest() < Duration::from_secs(4), "a silent replica must not hold anybody up");
    replica.resume().unwrap();
    until_more(&metrics, "replica", 50).await;

    // It is gone.
    replica.kill().await.unwrap();
    until_more(&metrics, "fallback", 50).await;
    replica.restart().await.unwrap();
    until_more(&metrics, "replica", 50).await;

    customers.stop();
    loops.await;
    assert_eq!(customers.refused(), 0, "the primary was well all the time");
    customers.audit(&store).await;
}

/// One replica that commits wait for, and one that they don't wait for. A commit waits for the log to be there, not for it to be
/// replayed, so neither shows a write at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_one_replica_dies_the_other_is_read() {
    if !can_start("two replicas") {
        return;
    }
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let synchronous = primary.replica(Replication::Synchronous).await.unwrap();
    let asynchronous = primary.replica(Replication::Asynchronous).await.unwrap();
    let mut options = options(primary.url("postgres"));
    options.read_urls = [&asynchronous, &synchronous].map(|replica| replica.url("postgres")).to_vec();
    let metrics = options.metrics.clone();
    let store = Arc::new(PostgresStore::open(options, Keyring::in_memory()).await.unwrap());
    let customers = Arc::new(Customers::default());
    let loops = customers.serve_many(&store);
    until_more(&metrics, "replica", 50).await;
    asynchronous.kill().await.unwrap();
    until_more(&metrics, "replica", 200).await;
    asynchronous.restart().await.unwrap();
    until_more(&metrics, "replica", 50).await;
    customers.stop();
    loops.await;
    assert_eq!(customers.refused(), 0, "the primary was well all the time");
    customers.audit(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_follows_nobody_is_not_read() {
    if !can_start("a replica that is none") {
        return;
    }
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let replica = primary.replica(Replication::Asynchronous).await.unwrap();
    let mut options = options(primary.url("postgres"));
    options.read_urls = vec![replica.url("postgres")];
    let metrics = options.metrics.clone();
    let store = PostgresStore::open(options, Keyring::in_memory()).await.unwrap();
    let read = async || store.offers(user(1), first_page()).await.unwrap();
    until("the replica is read", async || {
        read().await;
        reads(&metrics, "replica") > 0
    })
    .await;
    replica.promote().await.unwrap();
    until("what it shows is its own now", async || {
        let before = reads(&metrics, "replica");
        read().await;
        reads(&metrics, "replica") == before
    })
    .await;
}

/// Notes that two processes share, as they would over Redis.
#[derive(Default)]
pub(crate) struct Shared {
    notes: Mutex<HashMap<UserId, Lsn>>,
    is_down: AtomicBool,
}

impl Shared {
    fn check(&self) -> Result<(), RecentWritesError> {
        if self.is_down.load(Ordering::Relaxed) { Err(RecentWritesError) } else { Ok(()) }
    }
}

#[async_trait]
impl RecentWrites for Shared {
    async fn note(&self, users: &[UserId], lsn: Lsn) -> Result<(), RecentWritesError> {
        self.check()?;
        let mut notes = self.notes.lock().unwrap();
        for user in users {
            let noted = notes.entry(*user).or_default();
            *noted = lsn.max(*noted);
        }
        Ok(())
    }

    async fn last(&self, user: UserId) -> Result<Option<Lsn>, RecentWritesError> {
        self.check()?;
        Ok(self.notes.lock().unwrap().get(&user).copied())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_shared_notes_a_write_through_one_process_is_read_through_another() {
    if !can_start("shared notes") {
        return;
    }
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let replica = primary.replica(Replication::Asynchronous).await.unwrap();
    let shared = Arc::new(Shared::default());
    let open = async || {
        let mut options = options(primary.url("postgres"));
        options.read_urls = vec![replica.url("postgres")];
        options.max_replica_lag = Duration::from_secs(60);
        options.recent_writes = Some(shared.clone());
        (options.metrics.clone(), PostgresStore::open(options, Keyring::in_memory()).await.unwrap())
    };
    let ((_, writer), (metrics, reader)) = (open().await, open().await);
    register(&writer, [1, 2, 3]).await;
    let offers = async |number| reader.offers(user(number), first_page()).await.unwrap().total;
    until("the replica is read", async || {
        offers(3).await;
        reads(&metrics, "replica") > 0
    })
    .await;
    let direct = support::client(&replica.url("postgres")).await;
    direct.batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
    make_offer(&writer, 1, 1, now()).await;
    assert_eq!(offers(1).await, 1, "the note of the other process was not looked at");
    // Where the notes can't be read nobody knows who wrote, and the primary is asked.
    shared.is_down.store(true, Ordering::Relaxed);
    make_offer(&writer, 2, 2, now()).await;
    assert_eq!(offers(2).await, 1, "a replica was read in the dark");
}
