//! The primary dies under load, and the synchronous replica takes its place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ecs_servers::{Postgres, PostgresOptions, Replication};
use ecs_store::{StoreError, Users};
use ecs_store_conformance::fixtures::{new_user, user};
use ecs_store_postgres::PostgresStore;

use crate::customers::{Customers, until};
use crate::replicas::until_more;
use crate::{address_of, can_run, options, support};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_the_store_goes_on_and_has_all_it_answered_for() {
    if !can_run("failover") {
        return;
    }
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let standby = primary.replica(Replication::Synchronous).await.unwrap();
    let store = Arc::new(PostgresStore::open(options(address_of(&[&primary, &standby]))).await.unwrap());
    let customers = Arc::new(Customers::default());
    let loops = customers.serve_many(&store);
    until("the first hundred customers", async || customers.served() >= 100).await;

    primary.kill().await.unwrap();
    standby.promote().await.unwrap();
    let served = customers.served();
    until("a hundred customers after the failover", async || customers.served() >= served + 100).await;
    assert!(customers.refused() > 0, "the failover came when nobody was there");

    customers.stop();
    loops.await;
    customers.audit(&store).await;

    // The former primary comes back and takes itself for one. Nobody who has seen its successor believes it.
    primary.restart().await.unwrap();
    standby.kill().await.unwrap();
    let alone = store.user(user(0)).await;
    assert!(matches!(alone, Err(StoreError::Unavailable(_))), "a former primary was read: {alone:?}");
}

/// A replica that had more of the old primary's log than the one that was promoted. By its numbers it is ahead, and it has
/// nothing of what was written since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_a_replica_of_the_old_primary_hides_nobodys_writes() {
    if !can_run("a replica of another timeline") {
        return;
    }
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let standby = primary.replica(Replication::Synchronous).await.unwrap();
    let replica = primary.replica(Replication::Asynchronous).await.unwrap();
    let mut options = options(address_of(&[&primary, &standby]));
    options.breaker.failures = 1_000_000;
    options.read_urls = vec![replica.url("postgres")];
    let metrics = options.metrics.clone();
    let store = Arc::new(PostgresStore::open(options).await.unwrap());
    let customers = Arc::new(Customers::default());
    let loops = customers.serve_many(&store);
    until_more(&metrics, "replica", 50).await;

    standby.pause().await.unwrap();
    let ahead = "SET synchronous_commit = local; SELECT pg_logical_emit_message(true, 'ahead', repeat('x', 20000000))";
    primary.execute(ahead).await.unwrap();
    let (here, there) =
        (support::client(&primary.url("postgres")).await, support::client(&replica.url("postgres")).await);
    let end: String = here.query_one("SELECT pg_current_wal_lsn()::text", &[]).await.unwrap().get(0);
    let has_it = format!("SELECT pg_last_wal_replay_lsn() >= '{end}'");
    until("the replica has it", async || there.query_one(&has_it, &[]).await.unwrap().get(0)).await;
    primary.kill().await.unwrap();
    standby.resume().unwrap();
    standby.promote().await.unwrap();
    let served = customers.served();
    until("customers after the failover", async || customers.served() >= served + 300).await;
    customers.stop();
    loops.await;
    customers.audit(&store).await;
}

/// A commit whose wait for the standby was cancelled is there, and only the primary has it. That is not what `Ok` promises.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_the_standby_may_not_have_is_not_answered_for() {
    if !can_run("a standby that is silent") {
        return;
    }
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let standby = primary.replica(Replication::Synchronous).await.unwrap();
    let store = PostgresStore::open(options(primary.url("postgres"))).await.unwrap();
    let watcher = support::client(&primary.url("postgres")).await;
    standby.pause().await.unwrap();
    let waits = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let cancel = async {
        until("the commit waits", async || !watcher.query(waits, &[]).await.unwrap().is_empty()).await;
        watcher.batch_execute(&format!("SELECT pg_cancel_backend(pid) FROM ({waits}) waits")).await.unwrap();
    };
    let (written, ()) = tokio::join!(store.register(new_user(1, "ana@example.com"), None), cancel);
    assert!(matches!(written, Err(StoreError::Unavailable(_))), "{written:?}");
    standby.resume().unwrap();
    store.register(new_user(2, "bia@example.com"), None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_host_that_hangs_does_not_keep_the_second_from_being_found() {
    if !can_run("a host that hangs") {
        return;
    }
    let silent = Postgres::start(PostgresOptions::default()).await.unwrap();
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let mut url = address_of(&[&silent, &primary]);
    // Two servers of their own have two passwords; the address has room for one.
    let password = |url: &str| url.split_once('@').map(|(before, _)| before.to_owned()).unwrap();
    url = url.replace(&password(&url), &password(&primary.url("postgres")));
    silent.pause().await.unwrap();
    let mut options = options(url);
    options.connect_timeout = Duration::from_secs(5);
    let begun = Instant::now();
    let store = PostgresStore::open(options).await.unwrap();
    store.register(new_user(1, "ana@example.com"), None).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
