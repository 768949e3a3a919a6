//! What decisions read.

use ecs_domain::features::{EmotionFeatures, Features};
use ecs_store::Store;
use futures::future::join_all;

use crate::Harness;
use crate::fixtures::{at, emotion, now, register, rules, transaction, user};

/// Transactions count in the 30 days up to this very instant; what is dated later doesn't.
pub async fn windows_end_where_they_should<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let rows = [
        ("2026-11-20T12:00:00Z", 1),
        ("2026-11-20T12:00:00.000001Z", 0),
        ("2026-11-21T11:00:00Z", 0),
        ("2026-10-21T12:00:00.000001Z", 1),
        ("2026-10-21T12:00:00Z", 0),
        ("2026-01-01T00:00:00Z", 0),
    ];
    for (number, (occurred_at, counts)) in (1..).zip(rows) {
        register(store.as_ref(), [number]).await;
        store.fold_transactions(&[transaction(number, number, occurred_at, 500)], now()).await.unwrap();
        let features = read(&*store, number).await;
        assert_eq!(features.transaction_count_30d, counts, "{occurred_at}");
        let is_past = at(occurred_at) <= now();
        assert_eq!(features.days_since_last_transaction.is_some(), is_past, "{occurred_at}");
    }
}

/// Windows of 7 and 30 whole days, today included; calm events are no stress events.
pub async fn stress_events_are_those_at_the_threshold_in_their_window<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    // Stress, date, then: in the 7 days, in the 30 days, in the means.
    let rows = [
        (0.7, "2026-11-20T00:00:00Z", 1, 1, true),
        (0.699_999_999, "2026-11-20T00:00:00Z", 0, 0, true),
        (0.9, "2026-11-14T00:00:00Z", 1, 1, true),
        (0.9, "2026-11-13T23:59:59Z", 0, 1, false),
        (0.9, "2026-10-22T00:00:00Z", 0, 1, false),
        (0.9, "2026-10-21T23:59:59Z", 0, 0, false),
        (0.9, "2026-10-20T12:00:00Z", 0, 0, false),
        (0.9, "2026-11-21T00:00:00Z", 0, 0, false),
    ];
    for (number, (stress, occurred_at, stress_events_7d, stress_events_30d, in_means)) in (1..).zip(rows) {
        register(store.as_ref(), [number]).await;
        let event = emotion(number, number, occurred_at, [0.4, 0.5, stress]);
        store.fold_emotions(&[event], rules(), now()).await.unwrap();
        let emotions = read(&*store, number).await.emotions.unwrap();
        let found = (emotions.stress_events_7d, emotions.stress_events_30d, emotions.means_7d.is_some());
        assert_eq!(found, (stress_events_7d, stress_events_30d, in_means), "{stress} at {occurred_at}");
        assert!(emotions.means_7d.is_none_or(|means| (means.stress - stress).abs() < 1e-12));
    }
}

/// Of many at once each hears of their own, as of the instant that they name.
pub async fn features_of_many_at_once_are_each_their_own<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, 1..=20).await;
    let spent =
        (1..=20).map(|of| transaction(of, of, "2026-11-20T11:00:00Z", 100 * i64::try_from(of).unwrap()));
    store.fold_transactions(&spent.collect::<Vec<_>>(), now()).await.unwrap();
    let then = |of: u128| if of.is_multiple_of(2) { now() } else { at("2026-11-20T10:00:00Z") };
    let read = join_all((1..=21).map(|of| store.applicant(user(of), now(), then(of)))).await;
    for (of, found) in (1_u32..).zip(read) {
        let features = found.unwrap().features.map(|found| found.features);
        let value =
            features.map(|features| (features.transaction_count_30d, features.avg_transaction_value_30d));
        let expect = if of % 2 == 0 { (1, f64::from(of)) } else { (0, 0.0) };
        assert_eq!(value, (of < 21).then_some(expect), "{of}");
    }
}

/// Nothing happened yet; the account is an hour old.
pub async fn a_new_user_has_empty_features<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let features = read(&*store, 1).await;
    assert!((features.account_age_days - 1.0 / 24.0).abs() < 1e-9);
    let nothing = EmotionFeatures { means_7d: None, stress_events_7d: 0, stress_events_30d: 0 };
    let expect = Features {
        transaction_count_30d: 0,
        avg_transaction_value_30d: 0.0,
        days_since_last_transaction: None,
        account_age_days: features.account_age_days,
        emotions: Some(nothing),
    };
    assert_eq!(features, expect);
}

/// No user, no features.
pub async fn an_unknown_user_has_none<H: Harness>() {
    let harness = H::start().await;
    assert_eq!(harness.store().features(user(1), now()).await.unwrap(), None);
}

/// A hundred thousand of the largest amounts that money has: more cents than 64 bits hold.
pub async fn sums_of_huge_amounts_do_not_overflow<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let largest = 99_999_999_999_999;
    let all: Vec<_> = (0..100_000).map(|id| transaction(1, id, "2026-11-20T08:00:00Z", largest)).collect();
    for batch in all.chunks(10_000) {
        store.fold_transactions(batch, now()).await.unwrap();
    }
    let features = read(&*store, 1).await;
    assert_eq!(features.transaction_count_30d, 100_000);
    assert!((features.avg_transaction_value_30d - 999_999_999_999.99).abs() < 0.01);
}

async fn read(store: &dyn Store, of: u128) -> Features {
    store.features(user(of), now()).await.unwrap().unwrap().features
}
