//! Backtests go through the past on a replica, and miss nothing that the primary had when they began.

use std::time::Duration;

use ecs_domain::backtest::LossGivenDefault;
use ecs_domain::{BacktestId, UserId};
use ecs_servers::{Postgres, PostgresOptions, Replication};
use ecs_store::decision_log::LoggedDecision;
use ecs_store::{BacktestHold, Backtests as _, NewBacktest};
use ecs_store_conformance::fixtures::{after, make_offer, now, register, user};
use ecs_store_postgres::PostgresStore;
use ecs_vault::Keyring;
use uuid::Uuid;

use crate::customers::until;
use crate::replicas::reads;
use crate::{can_start, options, support};

/// An attempt at a backtest of everything that is made in these minutes.
async fn begin(store: &PostgresStore, number: u128) -> BacktestHold {
    let request = NewBacktest {
        id: BacktestId::new(Uuid::from_u128(number)),
        version: "policy-7".to_owned(),
        digest: "digest".to_owned(),
        from: now(),
        until: after(100_000),
        loss_given_default: LossGivenDefault::DEFAULT,
        actor: UserId::new(Uuid::nil()),
        now: now(),
    };
    store.request_backtest(request, 10).await.unwrap().unwrap();
    store.claim_backtest(now(), Duration::from_secs(60)).await.unwrap().unwrap()
}

fn numbers(page: &[LoggedDecision]) -> Vec<u64> {
    page.iter().map(|logged| logged.number).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backtest_reads_a_replica_that_has_what_it_began_with() {
    if !can_start("backtests on a replica") {
        return;
    }
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let replica = primary.replica(Replication::Asynchronous).await.unwrap();
    let mut options = options(primary.url("postgres"));
    options.read_urls = vec![replica.url("postgres")];
    options.max_replica_lag = Duration::from_secs(60);
    let metrics = options.metrics.clone();
    let store = PostgresStore::open(options, Keyring::in_memory()).await.unwrap();
    register(&store, 1..=6).await;
    for number in 1..=3 {
        make_offer(&store, number, number, now()).await;
    }
    let hold = begin(&store, 1).await;
    let first = store.backtest_page(&hold, 0, 2).await.unwrap();
    assert_eq!((first.len(), reads(&metrics, "replica")), (2, 0), "the first page is the primary's");
    let behind = async |hold: &BacktestHold| store.backtest_page(hold, first[1].number, 2).await.unwrap();
    until("the replica is read", async || {
        let before = reads(&metrics, "replica");
        assert_eq!(behind(&hold).await.len(), 1);
        reads(&metrics, "replica") > before
    })
    .await;

    // From here on the replica shows the past.
    let direct = support::client(&replica.url("postgres")).await;
    direct.batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
    for number in 4..=6 {
        make_offer(&store, number, number, now()).await;
    }
    let before = ["replica", "primary"].map(|target| reads(&metrics, target));
    assert_eq!(behind(&hold).await.len(), 1, "what came later is missing, and may be");
    let later = begin(&store, 2).await;
    let page = store.backtest_page(&later, 0, 4).await.unwrap();
    assert_eq!(numbers(&page)[..2], numbers(&first));
    let rest = store.backtest_page(&later, page[3].number, 4).await.unwrap();
    let people: Vec<_> = page.iter().chain(&rest).map(|logged| logged.user).collect();
    assert_eq!(
        people,
        (1..=6).map(user).collect::<Vec<_>>(),
        "the replica was asked, which has three of them"
    );
    let since = ["replica", "primary"].map(|target| reads(&metrics, target));
    assert_eq!(since, [before[0] + 1, before[1] + 1]);
}
