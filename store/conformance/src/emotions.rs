//! The fold of emotion events.

use ecs_domain::consent::Purpose;
use ecs_domain::emotion::EmotionEvent;
use ecs_store::{EmotionRules, Folded, Store};
use futures::future::join_all;

use crate::fixtures::{after, consent_required, day, emotion, now, register, rules, shuffle, user};
use crate::{Harness, SummaryRow};

const MORNING: &str = "2026-11-20T08:00:00Z";
const EVENING: &str = "2026-11-19T22:00:00Z";

/// A redelivered batch changes nothing.
pub async fn an_event_counts_once<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let events = [emotion(1, 1, MORNING, [0.1, 0.2, 0.9]), emotion(1, 2, MORNING, [0.3, 0.4, 0.1])];
    assert_eq!(fold(&*store, &events).await, [Folded::Counted; 2]);
    let row = harness.summary(user(1), day("2026-11-20")).await.unwrap();
    assert_eq!((row.event_count, row.stress_event_count), (2, 1));
    assert_eq!(row.sums, [400_000_000, 600_000_000, 1_000_000_000]);

    assert_eq!(fold(&*store, &events).await, [Folded::Repeated; 2]);
    let half_new = [events[1].clone(), emotion(1, 3, MORNING, [1.0, 1.0, 0.0])];
    assert_eq!(fold(&*store, &half_new).await, [Folded::Repeated, Folded::Counted]);
    assert_eq!(harness.summary(user(1), day("2026-11-20")).await.unwrap().event_count, 3);
}

/// Of two same events in a batch the first counts, whatever the second says.
pub async fn repeats_in_one_batch_count_once<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let events = [
        emotion(1, 1, MORNING, [0.5, 0.5, 0.5]),
        emotion(1, 2, MORNING, [0.25, 0.25, 0.25]),
        emotion(1, 1, MORNING, [1.0, 1.0, 1.0]),
        emotion(1, 1, "2026-11-20T09:00:00Z", [1.0, 1.0, 1.0]),
    ];
    let expect = [Folded::Counted, Folded::Counted, Folded::Repeated, Folded::Repeated];
    assert_eq!(fold(&*store, &events).await, expect);
    let row = harness.summary(user(1), day("2026-11-20")).await.unwrap();
    assert_eq!((row.event_count, row.sums), (2, [750_000_000; 3]));
}

/// Events are the same when user, id and day are.
pub async fn the_same_id_on_another_day_is_another_event<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let events = [emotion(1, 1, MORNING, [0.5; 3]), emotion(1, 1, EVENING, [0.5; 3])];
    assert_eq!(fold(&*store, &events).await, [Folded::Counted; 2]);
    for date in ["2026-11-20", "2026-11-19"] {
        assert_eq!(harness.summary(user(1), day(date)).await.unwrap().event_count, 1, "{date}");
    }
}

/// Ids are scoped to their users.
pub async fn the_same_id_of_another_user_is_another_event<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    let events = [emotion(1, 1, MORNING, [0.5; 3]), emotion(2, 1, MORNING, [0.5; 3])];
    assert_eq!(fold(&*store, &events).await, [Folded::Counted; 2]);
}

/// Events of unknown users are named; the others count.
pub async fn unknown_users_do_not_cost_their_batch_mates<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let events = [
        emotion(9, 1, MORNING, [0.5; 3]),
        emotion(1, 2, MORNING, [0.5; 3]),
        emotion(9, 3, EVENING, [0.5; 3]),
        emotion(1, 4, EVENING, [0.5; 3]),
    ];
    let expect = [Folded::UnknownUser, Folded::Counted, Folded::UnknownUser, Folded::Counted];
    assert_eq!(fold(&*store, &events).await, expect);
    assert!(harness.summary(user(9), day("2026-11-20")).await.is_none());
    // Once the user exists, the same event counts: nothing of it was noted.
    register(store.as_ref(), [9]).await;
    assert_eq!(fold(&*store, &events[..1]).await, [Folded::Counted]);
}

/// Any order, any cut into batches, any repeats: the same rows, to the last bit.
pub async fn order_does_not_change_a_bit<H: Harness>() {
    let events = scattered_events();
    let mut first = None;
    for seed in 1..=4_u64 {
        let harness = H::start().await;
        let store = harness.store();
        register(store.as_ref(), 0..5).await;
        let mut order: Vec<EmotionEvent> = events.iter().chain(&events[..40]).cloned().collect();
        shuffle(&mut order, seed);
        for batch in order.chunks(usize::try_from(7 * seed).unwrap()) {
            fold(&*store, batch).await;
        }
        let rows = all_rows(&harness).await;
        assert_eq!(rows.iter().flatten().map(|row| row.event_count).sum::<i64>(), 120);
        assert_eq!(*first.get_or_insert_with(|| rows.clone()), rows, "seed {seed}");
    }
}

/// A hundred and twenty events of five users over three days, with values that floats would add up differently.
fn scattered_events() -> Vec<EmotionEvent> {
    let days = ["2026-11-18T23:59:59.999999Z", EVENING, MORNING];
    (0..120_u32)
        .map(|number| {
            let metric = |factor: u32| f64::from(number * factor % 97) / 97.0;
            let occurred_at = days[number as usize % days.len()];
            emotion(
                u128::from(number % 5),
                u128::from(number),
                occurred_at,
                [metric(7), metric(31), metric(53)],
            )
        })
        .collect()
}

async fn all_rows<H: Harness>(harness: &H) -> Vec<Option<SummaryRow>> {
    let mut rows = Vec::new();
    for number in 0..5 {
        for date in ["2026-11-18", "2026-11-19", "2026-11-20"] {
            rows.push(harness.summary(user(number), day(date)).await);
        }
    }
    rows
}

/// Competing workers with the same events count them once.
pub async fn batches_at_the_same_time_count_once<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let events: Vec<_> = (0..50).map(|id| emotion(1, id, MORNING, [0.5; 3])).collect();
    let folds = join_all((0..8).map(|_| fold(&*store, &events))).await;
    let counted = folds.iter().flatten().filter(|folded| **folded == Folded::Counted).count();
    assert_eq!(counted, 50);
    assert_eq!(harness.summary(user(1), day("2026-11-20")).await.unwrap().event_count, 50);
}

/// Under `required`, silence and a no discard, a yes counts.
pub async fn without_consent_events_are_discarded<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2, 3]).await;
    consent(&*store, 2, false).await;
    consent(&*store, 3, true).await;
    let events = [1, 2, 3].map(|of| emotion(of, of, MORNING, [0.5; 3]));
    let expect = [Folded::Discarded, Folded::Discarded, Folded::Counted];
    assert_eq!(fold_with(&*store, &events, consent_required()).await, expect);
    assert!(harness.summary(user(1), day("2026-11-20")).await.is_none());
    // Where consent is assumed, only the one who said no is left out.
    let more = [1, 2, 3].map(|of| emotion(of, of + 10, MORNING, [0.5; 3]));
    assert_eq!(fold(&*store, &more).await, [Folded::Counted, Folded::Discarded, Folded::Counted]);
}

/// Consent given later doesn't bring back what was discarded before.
pub async fn what_was_discarded_stays_discarded<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let events = [emotion(1, 1, MORNING, [0.5; 3]), emotion(1, 1, MORNING, [0.5; 3])];
    let discarded = fold_with(&*store, &events, consent_required()).await;
    assert_eq!(discarded, [Folded::Discarded, Folded::Repeated]);
    consent(&*store, 1, true).await;
    let again = [events[0].clone(), emotion(1, 2, MORNING, [0.5; 3])];
    let folded = fold_with(&*store, &again, consent_required()).await;
    assert_eq!(folded, [Folded::Repeated, Folded::Counted]);
    assert_eq!(harness.summary(user(1), day("2026-11-20")).await.unwrap().event_count, 1);
}

/// Withdrawing consent is about what comes after it.
pub async fn what_was_counted_stays_counted_when_consent_is_withdrawn<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let old = emotion(1, 1, MORNING, [0.5; 3]);
    fold(&*store, std::slice::from_ref(&old)).await;
    consent(&*store, 1, false).await;
    let batch = [old, emotion(1, 2, MORNING, [0.5; 3])];
    assert_eq!(fold(&*store, &batch).await, [Folded::Repeated, Folded::Discarded]);
    assert_eq!(harness.summary(user(1), day("2026-11-20")).await.unwrap().event_count, 1);
}

/// An event from before the raw floor lands under its own date, once.
pub async fn an_event_past_its_raw_retention_counts_once<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let old = emotion(1, 1, "2025-08-19T10:00:00Z", [0.5; 3]);
    let batch = [old.clone(), old.clone()];
    assert_eq!(fold(&*store, &batch).await, [Folded::Counted, Folded::Repeated]);
    assert_eq!(fold(&*store, &batch).await, [Folded::Repeated; 2]);
    assert_eq!(harness.summary(user(1), day("2025-08-19")).await.unwrap().event_count, 1);
}

/// A repeat is a repeat whether its first delivery came before or after the floor passed its day, and back.
pub async fn the_floor_may_move_between_two_deliveries<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let later = EmotionRules { raw_floor: day("2026-11-21"), ..rules() };
    let [raw, inbox] = [emotion(1, 1, MORNING, [0.5; 3]), emotion(1, 2, MORNING, [0.5; 3])];
    assert_eq!(fold(&*store, std::slice::from_ref(&raw)).await, [Folded::Counted]);
    let batch = [raw, inbox];
    assert_eq!(fold_with(&*store, &batch, later).await, [Folded::Repeated, Folded::Counted]);
    assert_eq!(fold(&*store, &batch).await, [Folded::Repeated; 2]);
    assert_eq!(harness.summary(user(1), day("2026-11-20")).await.unwrap().event_count, 2);
}

/// The columns that others read are the means of what came.
pub async fn means_derive_from_sums<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let events = [emotion(1, 1, MORNING, [0.25, 0.0, 1.0]), emotion(1, 2, MORNING, [0.75, 0.5, 1.0])];
    fold(&*store, &events).await;
    let row = harness.summary(user(1), day("2026-11-20")).await.unwrap();
    for (mean, expect) in row.means.into_iter().zip([0.5, 0.25, 1.0]) {
        assert!((mean - expect).abs() < 1e-12, "{row:?}");
    }
}

async fn fold(store: &dyn Store, events: &[EmotionEvent]) -> Vec<Folded> {
    fold_with(store, events, rules()).await
}

async fn fold_with(store: &dyn Store, events: &[EmotionEvent], rules: EmotionRules) -> Vec<Folded> {
    store.fold_emotions(events, rules, now()).await.unwrap()
}

async fn consent(store: &dyn Store, of: u128, granted: bool) {
    store.set_consent(user(of), Purpose::EmotionAnalysis, granted.into(), after(0)).await.unwrap();
}
