//! Two processes of the role `user-and-credit` over one database: what one of them writes, the other one reads at once from a replica
//! that is behind, or says nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ecs_domain::offer::OfferStatus;
use ecs_metrics::Metrics;
use ecs_servers::{Postgres, PostgresOptions, Proxy, Replication};
use ecs_store::{Credit, Notifications};
use ecs_store_conformance::fixtures::{
    after, first_page, make_offer, message, now, offer_id, register, user,
};
use ecs_store_postgres::{Options, PostgresStore};
use ecs_vault::Keyring;
use tokio::time::timeout;

use crate::customers::{notification, until};
use crate::replicas::{Shared, reads};
use crate::{can_start, options, support};

/// Waits until a process reads from its replica.
async fn until_replica_is_read(store: &PostgresStore, metrics: &Metrics) {
    until("the replica is read", async || {
        store.offers(user(99), first_page()).await.unwrap();
        reads(metrics, "replica") > 0
    })
    .await;
}

/// A process that shares its notes of recent writes, or has them for itself.
async fn process(options: Options) -> (Metrics, PostgresStore) {
    (options.metrics.clone(), PostgresStore::open(options, Keyring::in_memory()).await.unwrap())
}

/// After each write through one process the other one shows it.
async fn writes_are_read(writer: &PostgresStore, reader: &PostgresStore, number: u128) {
    let (who, offer) = (user(number), offer_id(number));
    let status = async || reader.offers(who, first_page()).await.unwrap().items.first().map(|one| one.status);
    let told = async || {
        let page = reader.notifications(who, first_page()).await.unwrap();
        (page.total, page.unread)
    };
    assert_eq!((status().await, told().await), (None, (0, 0)));
    make_offer(writer, number, number, now()).await;
    assert_eq!(status().await, Some(OfferStatus::Offered));
    writer.accept_offer(who, offer, after(1), message(number, number), None).await.unwrap();
    assert_eq!(status().await, Some(OfferStatus::Accepted));
    writer.activate_offer(who, offer, after(2), message(number, number)).await.unwrap();
    assert_eq!(status().await, Some(OfferStatus::Active));
    writer.add_notifications(&[notification(number)], after(3)).await.unwrap();
    assert_eq!(told().await, (1, 1));
    writer.mark_notifications_read(who, 1, after(4)).await.unwrap();
    assert_eq!(told().await, (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_shared_notes_every_write_is_read_at_once_through_the_other_process() {
    if !can_start("two processes with shared notes") {
        return;
    }
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let replica = primary.replica(Replication::Asynchronous).await.unwrap();
    let shared = Arc::new(Shared::default());
    let options = || {
        let mut options = options(primary.url("postgres"));
        options.read_urls = vec![replica.url("postgres")];
        options.max_replica_lag = Duration::from_secs(60);
        options.recent_writes = Some(shared.clone());
        options
    };
    let ((_, writer), (metrics, reader)) = (process(options()).await, process(options()).await);
    register(&writer, 1..=3).await;
    until_replica_is_read(&reader, &metrics).await;
    writes_are_read(&writer, &reader, 1).await;
    // It answers, and is behind.
    let direct = support::client(&replica.url("postgres")).await;
    direct.batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
    writes_are_read(&writer, &reader, 2).await;
    // Everybody else is still served by it.
    let before = reads(&metrics, "replica");
    reader.offers(user(98), first_page()).await.unwrap();
    assert_eq!(reads(&metrics, "replica"), before + 1);
    // It says nothing.
    replica.pause().await.unwrap();
    writes_are_read(&writer, &reader, 3).await;
    replica.resume().unwrap();
}

/// Without shared notes the other process may show what was, for as long as a replica may be behind, and not a moment longer:
/// not even while the primary says nothing to it, so that nobody can tell it how far behind the replica is.
async fn old_reads_end(primary_is_silent: bool) {
    const LIMIT: Duration = Duration::from_millis(1_500);
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let replica = primary.replica(Replication::Asynchronous).await.unwrap();
    let way = Proxy::start(primary.address().unwrap()).await.unwrap();
    let (_, writer) = process(options(primary.url("postgres"))).await;
    let mut options = options(primary.url_at(&[way.address()], "postgres").unwrap());
    options.read_urls = vec![replica.url("postgres")];
    options.max_replica_lag = LIMIT;
    options.statement_timeout = Duration::from_secs(20);
    let (metrics, reader) = process(options).await;
    register(&writer, [1]).await;
    until_replica_is_read(&reader, &metrics).await;
    let direct = support::client(&replica.url("postgres")).await;
    direct.batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
    if primary_is_silent {
        way.pause();
    }
    make_offer(&writer, 1, 1, now()).await;
    let written = Instant::now();
    // Whether the reader shows what was before the write; `None` when it can't tell.
    let is_old = async || {
        let page = timeout(Duration::from_millis(300), reader.offers(user(1), first_page())).await;
        page.ok().and_then(Result::ok).map(|page| page.total == 0)
    };
    assert_eq!(is_old().await, Some(true), "the replica is not read, so this shows nothing");
    until("the limit is long past", async || {
        let asked = written.elapsed();
        let is_old = is_old().await;
        assert!(is_old != Some(true) || asked <= LIMIT, "a read {asked:?} after the write didn't show it");
        asked > LIMIT * 3
    })
    .await;
    way.heal().await.unwrap();
    until("the primary shows it", async || is_old().await == Some(false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_shared_notes_no_read_is_older_than_the_limit() {
    if can_start("two processes without shared notes") {
        old_reads_end(false).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_primary_makes_no_read_older_than_the_limit() {
    if can_start("two processes and a silent primary") {
        old_reads_end(true).await;
    }
}
