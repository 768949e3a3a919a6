//! A primary that is silent, cut off, or about to stop; callers that go away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ecs_domain::consent::Purpose;
use ecs_servers::{Postgres, PostgresOptions, Proxy};
use ecs_store::{
    Consents, Credit, Maintenance, Notifications, Outbox, ReplayPhase, Replays, StoreError, Users,
};
use ecs_store_conformance::fixtures::{new_user, now, register, user};
use ecs_store_postgres::PostgresStore;
use ecs_vault::Keyring;
use futures::future::join_all;

use crate::customers::{Customers, notification, until};
use crate::{can_run, can_start, options, support};

async fn unavailable(store: &PostgresStore) -> Duration {
    let begun = Instant::now();
    let result = store.user(user(1)).await;
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_primary_holds_nobody_for_long_and_then_nobody_at_all() {
    if !can_start("a silent primary") {
        return;
    }
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let proxy = Proxy::start(server.address().unwrap()).await.unwrap();
    let mut options = options(server.url_at(&[proxy.address()], "postgres").unwrap());
    options.statement_timeout = Duration::from_millis(400);
    options.connect_timeout = Duration::from_millis(500);
    options.breaker.open_for = Duration::from_secs(2);
    let store = PostgresStore::open(options, Keyring::in_memory()).await.unwrap();
    register(&store, [1]).await;
    proxy.pause();
    for _ in 0..5 {
        assert!(unavailable(&store).await < Duration::from_secs(4));
    }
    // The machine may have other things to do, so one of a few must be as quick as all should be.
    let mut refused = Duration::MAX;
    for _ in 0..10 {
        refused = unavailable(&store).await.min(refused);
    }
    assert!(refused < Duration::from_millis(5), "the breaker is open: {refused:?}");
    proxy.heal().await.unwrap();
    until("the store is back", async || store.user(user(1)).await.is_ok()).await;

    proxy.cut().await;
    assert!(unavailable(&store).await < Duration::from_secs(4));
    proxy.heal().await.unwrap();
    until("the store is back", async || store.user(user(1)).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_restarted_has_all_that_was_answered_for() {
    if !can_start("a restart") {
        return;
    }
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let store =
        Arc::new(PostgresStore::open(options(server.url("postgres")), Keyring::in_memory()).await.unwrap());
    let customers = Arc::new(Customers::default());
    let loops = customers.serve_many(&store);
    for round in 1..=2 {
        let served = customers.served();
        until("fifty customers", async || customers.served() >= served + 50).await;
        server.kill().await.unwrap();
        until("somebody is sent away", async || customers.refused() >= round).await;
        server.restart().await.unwrap();
    }
    let served = customers.served();
    until("fifty customers after the restart", async || customers.served() >= served + 50).await;
    customers.stop();
    loops.await;
    customers.audit(&store).await;
}

/// As one finds a former primary that an operator has demoted: it answers, and takes no writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_turns_read_only_is_left() {
    if !can_start("a demotion") {
        return;
    }
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let store = PostgresStore::open(options(server.url("postgres")), Keyring::in_memory()).await.unwrap();
    // At once, so that there are several connections.
    let all =
        (1..=8).map(|number| store.register(new_user(number, &format!("user{number}@example.com")), None));
    join_all(all).await.into_iter().for_each(|made| drop(made.unwrap()));
    server.set("default_transaction_read_only", "on").await.unwrap();
    let mut number = 8;
    until("writes are refused", async || {
        number += 1;
        let new = new_user(number, &format!("user{number}@example.com"));
        matches!(store.register(new, None).await, Err(StoreError::Unavailable(_)))
    })
    .await;
    // Not even reads go on over the old connections: another server has what is new.
    unavailable(&store).await;
    let operator = support::client(&server.url("postgres")).await;
    let undo = "ALTER SYSTEM RESET default_transaction_read_only";
    for statement in ["SET default_transaction_read_only = off", undo, "SELECT pg_reload_conf()"] {
        operator.batch_execute(statement).await.unwrap();
    }
    until("the store is back", async || store.user(user(1)).await.is_ok()).await;
    register(&store, [1_000]).await;
}

/// Two writers that lock the same two users the other way round. The server ends the store's transaction, and the store does
/// it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_in_a_deadlock_is_done_again() {
    if !can_run("a deadlock") {
        return;
    }
    let database = support::database().await;
    let store = PostgresStore::open(options(database.url().to_owned()), Keyring::in_memory()).await.unwrap();
    register(&store, [1, 2]).await;
    let (mut other, watcher) = (support::client(database.url()).await, support::client(database.url()).await);
    let held = other.transaction().await.unwrap();
    // The store looks for a deadlock after a second, the other never.
    held.batch_execute("SET LOCAL deadlock_timeout = '1min'").await.unwrap();
    let lock = "SELECT id FROM users WHERE id = $1 FOR UPDATE";
    held.query(lock, &[&user(2).uuid()]).await.unwrap();
    let both = [1, 2].map(notification);
    let meet = async {
        let waits = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        until("the store waits", async || !watcher.query(waits, &[]).await.unwrap().is_empty()).await;
        held.query(lock, &[&user(1).uuid()]).await.unwrap();
        held.commit().await.unwrap();
    };
    let (added, ()) = tokio::join!(store.add_notifications(&both, now()), meet);
    assert_eq!(added.unwrap(), [true, true]);
}

/// Whoever gives up in the middle of a transaction leaves a connection behind that nobody may use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_was_abandoned_leaves_nothing_behind() {
    if !can_run("an abandoned call") {
        return;
    }
    let database = support::database().await;
    let mut options = options(database.url().to_owned());
    options.max_connections = 1;
    let store = PostgresStore::open(options, Keyring::in_memory()).await.unwrap();
    register(&store, [1]).await;
    let mut other = support::client(database.url()).await;
    let held = other.transaction().await.unwrap();
    held.execute("SELECT id FROM users FOR UPDATE", &[]).await.unwrap();
    let decide = async || {
        let decision = ecs_store_conformance::fixtures::denial(1, 1, now());
        let new = ecs_store_conformance::fixtures::new_decision(decision);
        ecs_store::Credit::record_decision(&store, new, None).await
    };
    // It waits for the lock, in a transaction.
    let given_up = tokio::time::timeout(Duration::from_millis(100), decide()).await;
    assert!(given_up.is_err());
    let begun = Instant::now();
    assert_eq!(store.outbox_depth().await.unwrap(), 0);
    assert!(begun.elapsed() < Duration::from_secs(4), "the only connection was blocked");
    held.rollback().await.unwrap();
    assert!(!decide().await.unwrap().repeated, "what was given up was not done");
}

/// Decisions of the same time are kept together. One whose user somebody has in hand waits for that alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_in_hand_holds_up_nobody_elses_decision() {
    if !can_run("decisions beside a held user") {
        return;
    }
    let database = support::database().await;
    let store = PostgresStore::open(options(database.url().to_owned()), Keyring::in_memory()).await.unwrap();
    register(&store, 1..=30).await;
    let mut other = support::client(database.url()).await;
    let held = other.transaction().await.unwrap();
    held.execute("SELECT id FROM users WHERE id = $1 FOR UPDATE", &[&user(7).uuid()]).await.unwrap();
    let decide = async |of: u128| {
        let decision = ecs_store_conformance::fixtures::denial(of, of, now());
        let new = ecs_store_conformance::fixtures::new_decision(decision);
        ecs_store::Credit::record_decision(&store, new, None).await.map(|recorded| recorded.repeated)
    };
    let free = join_all((1..=30).filter(|of| *of != 7).map(decide));
    let waits = async {
        let decided = decide(7).await;
        (decided, Instant::now())
    };
    let lets_go = async {
        assert!(
            free.await.into_iter().all(|decided| matches!(decided, Ok(false))),
            "they wait for somebody else"
        );
        held.rollback().await.unwrap();
        Instant::now()
    };
    let ((decided, at), let_go) = tokio::join!(waits, lets_go);
    assert!(matches!(decided, Ok(false)) && at > let_go, "{decided:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_take_too_long_are_ended_by_the_server_and_say_so() {
    if !can_run("a slow statement") {
        return;
    }
    let database = support::database().await;
    let mut options = options(database.url().to_owned());
    options.statement_timeout = Duration::from_secs(1);
    let store = PostgresStore::open(options, Keyring::in_memory()).await.unwrap();
    register(&store, [1]).await;
    let mut other = support::client(database.url()).await;
    let held = other.transaction().await.unwrap();
    held.execute("LOCK TABLE consents IN EXCLUSIVE MODE", &[]).await.unwrap();
    for _ in 0..6 {
        let late =
            store.set_consent(user(1), Purpose::EmotionAnalysis, true.into(), now()).await.unwrap_err();
        let said = late.to_string();
        assert!(matches!(late, StoreError::Unavailable(_)) && said.contains("57014"), "{said}");
    }
    // A server that answers is no outage: the breaker is closed.
    assert!(store.user(user(1)).await.unwrap().is_some());
    held.rollback().await.unwrap();
    store.set_consent(user(1), Purpose::EmotionAnalysis, true.into(), now()).await.unwrap();
}

/// Books and upkeep may be slow over much data. That is no outage, and must not open the breaker before everybody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_work_that_takes_too_long_is_ended_by_the_server_and_holds_nobody_else_up() {
    if !can_run("a slow piece of upkeep") {
        return;
    }
    let database = support::database().await;
    let mut options = options(database.url().to_owned());
    options.long_statement_timeout = Duration::from_secs(1);
    options.breaker.open_for = Duration::from_secs(60);
    let store = PostgresStore::open(options, Keyring::in_memory()).await.unwrap();
    register(&store, [1]).await;
    // So that its statement is prepared.
    store.expire_offers(now()).await.unwrap();
    let mut other = support::client(database.url()).await;
    let held = other.transaction().await.unwrap();
    held.execute("LOCK TABLE credit_limits IN ACCESS EXCLUSIVE MODE", &[]).await.unwrap();
    for _ in 0..6 {
        let late = store.expire_offers(now()).await.unwrap_err();
        let said = late.to_string();
        assert!(matches!(late, StoreError::Unavailable(_)) && said.contains("57014"), "{said}");
    }
    assert!(store.user(user(1)).await.unwrap().is_some());
    held.rollback().await.unwrap();
    assert_eq!(store.expire_offers(now()).await.unwrap(), 0);
}

/// Each statement has its time. Work of many is not cut off in the middle while the server answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_work_of_many_statements_may_take_longer_than_one_of_them() {
    if !can_run("long upkeep") {
        return;
    }
    let database = support::database().await;
    let mut options = options(database.url().to_owned());
    options.long_statement_timeout = Duration::from_secs(2);
    let store = PostgresStore::open(options, Keyring::in_memory()).await.unwrap();
    // Two statements of the switch take most of their time.
    support::client(database.url())
        .await
        .batch_execute(
            "CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_sleep_for('1.4s'); RETURN NULL; END $$;
             CREATE TRIGGER slow BEFORE UPDATE ON emotional_events_summary FOR EACH STATEMENT EXECUTE FUNCTION take_time();
             CREATE TRIGGER slow BEFORE UPDATE ON replay FOR EACH STATEMENT EXECUTE FUNCTION take_time();
             INSERT INTO replay VALUES (1, now(), 2, 0, '2026-11-20', gen_random_uuid(), 0, 0, 0, 0, NULL)",
        )
        .await
        .unwrap();
    let begun = Instant::now();
    let switched = store.switch_replay(now()).await.unwrap().unwrap();
    assert_eq!(switched.phase, ReplayPhase::Switched);
    assert!(begun.elapsed() > Duration::from_millis(2_600), "nothing took long");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_waits_for_what_is_under_way() {
    if !can_run("closing") {
        return;
    }
    let database = support::database().await;
    let store = PostgresStore::open(options(database.url().to_owned()), Keyring::in_memory()).await.unwrap();
    let mut other = support::client(database.url()).await;
    let held = other.transaction().await.unwrap();
    held.execute("LOCK TABLE users IN EXCLUSIVE MODE", &[]).await.unwrap();
    let write = store.register(new_user(1, "ana@example.com"), None);
    let close = async {
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (
            SELECT oid FROM pg_database WHERE datname = current_database())";
        let watcher = support::client(database.url()).await;
        until("the write waits", async || watcher.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0)
            .await;
        let release = async { held.rollback().await.unwrap() };
        tokio::join!(store.close(), release).0.unwrap();
    };
    let (written, ()) = tokio::join!(write, close);
    written.unwrap();
    let late = store.user(user(1)).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))));
}
