//! The primary dies under load, and the synchronous replica takes its place.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ecs_domain::consent::Purpose;
use ecs_servers::{Postgres, PostgresOptions, Proxy, Replication};
use ecs_store::{Consents, RightsOfUsers, StoreError, Users};
use ecs_store_conformance::fixtures::{new_user, now, register, user};
use ecs_store_postgres::PostgresStore;
use ecs_vault::Keyring;
use futures::future::join_all;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::customers::{Customers, until};
use crate::replicas::until_more;
use crate::{address_of, can_start, options, support};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_the_store_goes_on_and_has_all_it_answered_for() {
    if !can_start("failover") {
        return;
    }
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let standby = primary.replica(Replication::Synchronous).await.unwrap();
    let store = Arc::new(
        PostgresStore::open(options(address_of(&[&primary, &standby])), Keyring::in_memory()).await.unwrap(),
    );
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

/// The old primary was not fenced: it lives on while another one is promoted. From the moment on at which the process has met the
/// new one, nothing that goes to the old one is answered with `Ok`, not even over connections that were there before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_a_former_primary_that_lives_on_are_left() {
    if !can_start("a former primary that lives on") {
        return;
    }
    let former = Postgres::start(PostgresOptions::default()).await.unwrap();
    let standby = former.replica(Replication::Asynchronous).await.unwrap();
    let proxy = Proxy::start(former.address().unwrap()).await.unwrap();
    let url = former.url_at(&[proxy.address(), standby.address().unwrap()], "postgres").unwrap();
    let store = PostgresStore::open(options(url), Keyring::in_memory()).await.unwrap();
    register(&store, [1]).await;
    let there = support::client(&standby.url("postgres")).await;
    until("the standby has the first user", async || {
        found(&there).await.is_ok_and(|found| found.contains(&user(1).uuid()))
    })
    .await;
    let (mut holder, watcher) =
        (support::client(&former.url("postgres")).await, support::client(&former.url("postgres")).await);
    let held = holder.transaction().await.unwrap();
    held.batch_execute("LOCK TABLE consents IN EXCLUSIVE MODE").await.unwrap();
    let old = store.set_consent(user(1), Purpose::EmotionAnalysis, false.into(), now());
    let meet = async {
        let waits = "SELECT FROM pg_locks WHERE relation = 'consents'::regclass AND NOT granted";
        until("the write waits", async || !watcher.query(waits, &[]).await.unwrap().is_empty()).await;
        standby.promote().await.unwrap();
        // The way to the former one is slow for a moment, so the next connection is one to the new one.
        proxy.pause();
        store.register(new_user(2, "bia@example.com"), None).await.unwrap();
        proxy.heal().await.unwrap();
        held.rollback().await.unwrap();
    };
    let (old, ()) = tokio::join!(old, meet);
    assert!(matches!(old, Err(StoreError::Unavailable(_))), "a lost write was answered for: {old:?}");
    let more = (3..9).map(async |number| {
        let new = new_user(number, &format!("user{number}@example.com"));
        store.register(new, None).await.is_ok().then_some(user(number).uuid())
    });
    let answered: Vec<_> = join_all(more).await.into_iter().flatten().collect();
    let expected: BTreeSet<_> =
        [1, 2].map(|number| user(number).uuid()).into_iter().chain(answered).collect();
    assert_eq!(found(&there).await.unwrap(), expected);
    assert!(expected.len() > 2);
}

/// Whom a server has. A standby that lags may have no table yet.
async fn found(server: &Client) -> Result<BTreeSet<Uuid>, tokio_postgres::Error> {
    let users = server.query("SELECT id FROM users", &[]).await?;
    Ok(users.iter().map(|row| row.get(0)).collect())
}

/// Why the synchronous standby is the one to be promoted: the other one, if it is behind, has less than was answered for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promoting_the_synchronous_replica_loses_nothing_and_the_asynchronous_one_loses_commits() {
    if !can_start("two promotions") {
        return;
    }
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let synchronous = primary.replica(Replication::Synchronous).await.unwrap();
    let asynchronous = primary.replica(Replication::Asynchronous).await.unwrap();
    let store = PostgresStore::open(options(primary.url("postgres")), Keyring::in_memory()).await.unwrap();
    register(&store, 1..=5).await;
    let here = support::client(&asynchronous.url("postgres")).await;
    until("the first users are everywhere", async || found(&here).await.is_ok_and(|found| found.len() == 5))
        .await;
    // The line to it is cut.
    asynchronous.set("primary_conninfo", "").await.unwrap();
    let follows = "SELECT FROM pg_stat_wal_receiver";
    until("it follows nobody", async || here.query(follows, &[]).await.unwrap().is_empty()).await;
    register(&store, 6..=25).await;
    primary.kill().await.unwrap();

    let survivors = async |replica: &Postgres| {
        replica.promote().await.unwrap();
        let store =
            PostgresStore::open(options(replica.url("postgres")), Keyring::in_memory()).await.unwrap();
        let mut there = Vec::new();
        for number in 1..=25 {
            if store.rights(user(number)).await.unwrap().is_some() {
                there.push(number);
            }
        }
        there
    };
    assert_eq!(
        survivors(&asynchronous).await,
        (1..=5).collect::<Vec<_>>(),
        "these are lost, and were answered for"
    );
    assert_eq!(survivors(&synchronous).await, (1..=25).collect::<Vec<_>>());
}

/// A replica that had more of the old primary's log than the one that was promoted. By its numbers it is ahead, and it has
/// nothing of what was written since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_a_replica_of_the_old_primary_hides_nobodys_writes() {
    if !can_start("a replica of another timeline") {
        return;
    }
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let standby = primary.replica(Replication::Synchronous).await.unwrap();
    let replica = primary.replica(Replication::Asynchronous).await.unwrap();
    let mut options = options(address_of(&[&primary, &standby]));
    options.breaker.failures = 1_000_000;
    options.read_urls = vec![replica.url("postgres")];
    let metrics = options.metrics.clone();
    let store = Arc::new(PostgresStore::open(options, Keyring::in_memory()).await.unwrap());
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
    if !can_start("a standby that is silent") {
        return;
    }
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let standby = primary.replica(Replication::Synchronous).await.unwrap();
    let store = PostgresStore::open(options(primary.url("postgres")), Keyring::in_memory()).await.unwrap();
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
    if !can_start("a host that hangs") {
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
    options.connect_timeout = Duration::from_secs(30);
    let begun = Instant::now();
    let store = PostgresStore::open(options, Keyring::in_memory()).await.unwrap();
    store.register(new_user(1, "ana@example.com"), None).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}
