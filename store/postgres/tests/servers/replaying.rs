//! Replays that meet each other.

use ecs_domain::emotion::{StressThreshold, Unit};
use ecs_store::{ReplayPlan, Replays};
use ecs_store_conformance::fixtures::{now, register, rules};
use ecs_store_postgres::PostgresStore;
use ecs_vault::Keyring;

use crate::customers::until;
use crate::{can_run, options, support};

/// Whoever begins another replay waits for the piece that is under way. It must not make that piece wait for itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_replay_and_a_piece_of_the_old_one_do_not_wait_for_each_other() {
    if !can_run("two replays") {
        return;
    }
    let database = support::database().await;
    let store = PostgresStore::open(options(database.url().to_owned()), Keyring::in_memory()).await.unwrap();
    register(&store, [1]).await;
    let plan = |stress| ReplayPlan {
        stress: StressThreshold(Unit::new(stress).unwrap()),
        raw_floor: rules().raw_floor,
    };
    store.begin_replay(plan(0.5), now()).await.unwrap();
    let (mut other, watcher) = (support::client(database.url()).await, support::client(database.url()).await);
    // What a piece does first, and last.
    let piece = other.transaction().await.unwrap();
    // Of two that wait for each other, it is the one that is ended.
    piece.batch_execute("SET LOCAL deadlock_timeout = '10ms'; SELECT FROM replay FOR UPDATE").await.unwrap();
    let meet = async {
        let waits = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        until("the new one waits", async || !watcher.query(waits, &[]).await.unwrap().is_empty()).await;
        piece.batch_execute("UPDATE replay SET confirmed = confirmed + 1").await.unwrap();
        piece.commit().await.unwrap();
    };
    let (begun, ()) = tokio::join!(store.begin_replay(plan(0.7), now()), meet);
    assert_eq!(begun.unwrap().confirmed, 0);
}
