//! The role over the embedded bus and store.

use std::time::Duration;

use ecs_bus::{Bus as _, Event, Frontier, Subject};
use ecs_domain::{Clock as _, UserId};
use ecs_store::{Books as _, Folds as _, Ledger};
use ecs_transaction_processing::{Deps, TransactionProcessing};
use ecs_work::retention;
use ecs_work_testkit::platform::{Platform, malformed, transaction, until};
use uuid::Uuid;

fn start(platform: &Platform) {
    let role = TransactionProcessing::create(Deps {
        bus: platform.bus.clone(),
        store: platform.store.clone(),
        clock: platform.clock.clone(),
        bus_retention: retention::OTHERS_ON_BUS,
        delivery_limit: 10,
        metrics: ecs_metrics::Metrics::new(),
    });
    role.start(&platform.supervisor);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_comes_again_is_kept_once() {
    let platform = Platform::open();
    let (user, now) = (platform.user().await, platform.clock.now());
    start(&platform);
    for _ in 0..3 {
        platform.publish((0..4).map(|n| transaction(user, &format!("{n}"), now)).collect()).await;
        platform.settled(Subject::Transactions).await;
    }
    let features = platform.store.features(user, platform.clock.now()).await.unwrap().unwrap().features;
    assert_eq!(features.transaction_count_30d, 4);
    assert!((features.avg_transaction_value_30d - 500.0).abs() < 1e-9);
    assert_eq!(platform.store.ledger_totals(Ledger::Transactions).await.unwrap().in_aggregates, 4);
    platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_nobody_can_keep_become_dead_letters() {
    let platform = Platform::open();
    let (user, now) = (platform.user().await, platform.clock.now());
    let good = transaction(user, "1", now);
    let free = String::from_utf8(good.payload.to_vec()).unwrap().replace("500.00", "0.00");
    let free = Event { payload: free.into(), ..transaction(user, "2", now) };
    let stranger = transaction(UserId::new(Uuid::new_v4()), "1", now);
    platform.publish(vec![stranger, malformed(good.clone()), free, good]).await;
    start(&platform);
    platform.settled(Subject::Transactions).await;
    let mut reasons: Vec<String> = platform.letters().await.into_iter().map(|letter| letter.reason).collect();
    reasons.sort();
    let malformed = "its payload is malformed: ";
    let starts = [
        &format!("{malformed}amount is not above 0"),
        &format!("{malformed}the JSON breaks off (line 1, column 10)"),
        "no account has this user id",
    ];
    assert_eq!(reasons.len(), starts.len());
    assert!(reasons.iter().zip(starts).all(|(reason, start)| reason.starts_with(start)), "{reasons:#?}");
    assert_eq!(platform.store.ledger_totals(Ledger::Transactions).await.unwrap().in_aggregates, 1);
    platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bus_forgets_old_transactions_and_the_store_keeps_them() {
    let platform = Platform::open();
    let (user, now) = (platform.user().await, platform.clock.now());
    platform.publish(vec![transaction(user, "1", now)]).await;
    start(&platform);
    platform.settled(Subject::Transactions).await;
    platform.clock.advance(2 * retention::OTHERS_ON_BUS);
    start(&platform);
    let forgotten = || async {
        platform.bus.log(Subject::Transactions, &Frontier::default(), 1).await.unwrap().records.is_empty()
    };
    until("the bus forgot", forgotten).await;
    assert_eq!(platform.store.ledger_totals(Ledger::Transactions).await.unwrap().in_aggregates, 1);
    platform.drain().await;
}

/// A transaction that waited is kept as of the time at which it was accepted, and the books find it accepted then.
#[tokio::test(flavor = "multi_thread")]
async fn what_waited_is_kept_as_of_its_acceptance() {
    let platform = Platform::open();
    let (user, now) = (platform.user().await, platform.clock.now());
    platform.publish(vec![transaction(user, "1", now)]).await;
    platform.clock.advance(Duration::from_secs(3 * 24 * 3600));
    start(&platform);
    platform.settled(Subject::Transactions).await;
    let accepted = platform.bus.log(Subject::Transactions, &Frontier::default(), 10).await.unwrap().records
        [0]
    .published_at;
    let counted = platform.store.counted(Ledger::Transactions, None, 10).await.unwrap();
    assert_eq!(counted.events[0].1, accepted);
    platform.drain().await;
}
