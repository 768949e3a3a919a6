//! Read replicas under load: read when they can be, left alone when they can't, and never in the way of one's own writes.

use std::sync::Arc;
use std::time::Duration;

use ecs_metrics::Metrics;
use ecs_servers::{Postgres, PostgresOptions, Replication};
use ecs_store_postgres::PostgresStore;

use crate::customers::{Customers, until};
use crate::{can_run, options, support};

/// How many reads were answered where.
fn reads(metrics: &Metrics, target: &str) -> u64 {
    let label = format!("\"{target}\"");
    let text = metrics.render();
    let lines = text.lines().filter(|line| line.contains("store_read") && line.contains(&label));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Waits until so many more reads were answered there.
async fn until_more(metrics: &Metrics, target: &str, more: u64) {
    let enough = reads(metrics, target) + more;
    until(&format!("{more} reads of the {target}"), async || reads(metrics, target) >= enough).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_are_read_when_they_can_be_and_own_writes_are_always_seen() {
    if !can_run("replicas") {
        return;
    }
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let replica = primary.replica(Replication::Asynchronous).await.unwrap();
    let mut options = options(primary.url("postgres"));
    options.read_urls = vec![replica.url("postgres")];
    let metrics = options.metrics.clone();
    let store = Arc::new(PostgresStore::open(options).await.unwrap());
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
    assert!(customers.take_slowest() < Duration::from_secs(2), "a silent replica must not hold anybody up");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_follows_nobody_is_not_read() {
    if !can_run("a replica that is none") {
        return;
    }
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let replica = primary.replica(Replication::Asynchronous).await.unwrap();
    let mut options = options(primary.url("postgres"));
    options.read_urls = vec![replica.url("postgres")];
    let metrics = options.metrics.clone();
    let store = PostgresStore::open(options).await.unwrap();
    let someone = ecs_store_conformance::fixtures::user(1);
    let read = async || {
        let page = ecs_store_conformance::fixtures::first_page();
        ecs_store::Credit::offers(&store, someone, page).await.unwrap();
    };
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
