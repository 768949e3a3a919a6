//! Retention of raw emotion rows and of ids.

use ecs_domain::consent::Purpose;
use ecs_domain::emotion::EmotionEvent;
use ecs_store::{EmotionRules, EventKey, Fate, Folded, Ledger, Retained, Retention, Store};

use crate::Harness;
use crate::fixtures::{after, day, emotion, now, register, rules, user};

const MORNING: &str = "2026-11-20T08:00:00Z";
const DAY: i64 = 86_400;

/// Everything before 2026-11-21 goes; ids stay for seven days after their arrival, answers for a day.
fn next_day() -> Retention {
    Retention {
        raw_floor: day("2026-11-21"),
        ids_since: after(-7 * DAY),
        answers_since: after(-DAY),
        now: now(),
    }
}

fn floored_rules() -> EmotionRules {
    EmotionRules { raw_floor: day("2026-11-21"), ..rules() }
}

/// The summary is what people look at, and it stays.
pub async fn raw_rows_go_and_aggregates_stay<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let events = [emotion(1, 1, MORNING, [0.5; 3]), emotion(1, 2, "2026-11-21T08:00:00Z", [0.5; 3])];
    store.fold_emotions(&events, rules(), now()).await.unwrap();
    let before = harness.summary(user(1), day("2026-11-20")).await;
    let dropped = store.retain(next_day()).await.unwrap();
    assert_eq!(dropped, Retained { raw_rows: 1, ids: 0, ..Retained::default() });
    assert_eq!(harness.summary(user(1), day("2026-11-20")).await, before);
    let totals = store.ledger_totals(Ledger::Emotions).await.unwrap();
    assert_eq!((totals.in_aggregates, totals.named), (2, 2));
    let nothing_left = store.retain(next_day()).await.unwrap();
    assert_eq!(nothing_left, Retained::default());
}

/// Where rows are gone, there is nothing to compare the summary with, also when more days are to be kept since.
pub async fn days_without_their_raw_rows_are_not_compared<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    fold_at(&*store, &[emotion(1, 1, MORNING, [0.5; 3])], after(-8 * DAY)).await;
    fold_at(&*store, &[emotion(1, 2, "2026-11-21T08:00:00Z", [0.5; 3])], now()).await;
    assert_eq!(
        store.retain(next_day()).await.unwrap(),
        Retained { raw_rows: 1, ids: 0, ..Retained::default() }
    );
    assert_eq!(store.summary_mismatches(day("2026-11-01"), 10).await.unwrap(), []);
    harness.tamper_with_count(user(1), day("2026-11-21"), 1).await;
    assert_eq!(store.summary_mismatches(day("2026-11-01"), 10).await.unwrap().len(), 1, "the others are");
}

/// The raw row is gone, the id is not.
pub async fn a_late_redelivery_after_retention_counts_once<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let event = [emotion(1, 1, MORNING, [0.5; 3])];
    store.fold_emotions(&event, rules(), now()).await.unwrap();
    store.retain(next_day()).await.unwrap();
    // By the rules of then, and by those of a worker that hasn't heard of the new floor.
    for rules in [floored_rules(), rules()] {
        assert_eq!(store.fold_emotions(&event, rules, after(60)).await.unwrap(), [Folded::Repeated]);
    }
    assert_eq!(harness.summary(user(1), day("2026-11-20")).await.unwrap().event_count, 1);
    let key = EventKey { day: day("2026-11-20"), user: user(1), id: event[0].id };
    assert_eq!(store.fates(Ledger::Emotions, &[key]).await.unwrap(), [Fate::Counted]);
}

/// An id that arrived before the bus's retention can't be redelivered: it goes with its raw row, or later.
pub async fn old_ids_go<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    fold_at(&*store, &[emotion(1, 1, MORNING, [0.5; 3])], after(-8 * DAY)).await;
    fold_at(&*store, &[emotion(1, 2, MORNING, [0.5; 3])], now()).await;
    // An old event counts through its id alone, from the start.
    fold_at(&*store, &[emotion(1, 3, "2025-08-19T08:00:00Z", [0.5; 3])], after(-8 * DAY)).await;
    let dropped = store.retain(next_day()).await.unwrap();
    assert_eq!(dropped, Retained { raw_rows: 2, ids: 1, ..Retained::default() });
    assert_eq!(store.ledger_totals(Ledger::Emotions).await.unwrap().named, 1);
    let week_later = Retention { ids_since: after(1), ..next_day() };
    assert_eq!(
        store.retain(week_later).await.unwrap(),
        Retained { raw_rows: 0, ids: 1, ..Retained::default() }
    );
    let totals = store.ledger_totals(Ledger::Emotions).await.unwrap();
    assert_eq!((totals.in_aggregates, totals.named), (3, 0));
}

/// Ids live as long after the last delivery of their event as the bus may deliver that one again. Ids of events
/// with a raw row, without one, and of discarded ones are alike in this.
pub async fn a_repeat_renews_the_id<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2, 3]).await;
    let (purpose, long_ago) = (Purpose::EmotionAnalysis, after(-8 * DAY));
    store.set_consent(user(2), purpose, false.into(), long_ago).await.unwrap();
    let events = [
        emotion(1, 1, MORNING, [0.5; 3]),
        emotion(1, 2, "2025-08-19T08:00:00Z", [0.5; 3]),
        emotion(2, 3, MORNING, [0.5; 3]),
        emotion(3, 4, MORNING, [0.5; 3]),
    ];
    use Fate::{Counted, Discarded, Unknown};
    let first = store.fold_emotions(&events, rules(), long_ago).await.unwrap();
    assert_eq!(first, [Folded::Counted, Folded::Counted, Folded::Discarded, Folded::Counted]);
    store.set_consent(user(3), purpose, false.into(), now()).await.unwrap();
    assert_eq!(store.fold_emotions(&events, rules(), now()).await.unwrap(), [Folded::Repeated; 4]);

    let dates = ["2026-11-20", "2025-08-19", "2026-11-20", "2026-11-20"];
    let key =
        |(event, date): (&EmotionEvent, &str)| EventKey { day: day(date), user: event.user, id: event.id };
    let keys: Vec<_> = events.iter().zip(dates).map(key).collect();
    let fates = async || store.fates(Ledger::Emotions, &keys).await.unwrap();
    let dropped = store.retain(next_day()).await.unwrap();
    assert_eq!(dropped, Retained { raw_rows: 2, ids: 0, ..Retained::default() });
    assert_eq!(fates().await, [Counted, Counted, Discarded, Counted]);
    assert_eq!(
        store.fold_emotions(&events, floored_rules(), after(60)).await.unwrap(),
        [Folded::Repeated; 4]
    );
    store.retain(Retention { ids_since: after(1), ..next_day() }).await.unwrap();
    assert_eq!(fates().await, [Unknown; 4], "and then they go");
}

/// A call does a bounded piece and says that there is more; in the end all of it is done.
pub async fn retention_works_in_pieces<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    let events: Vec<_> = (0..30_000).map(|id| emotion(id % 2 + 1, id, MORNING, [0.5; 3])).collect();
    fold_at(&*store, &events, now()).await;
    let mut dropped = 0;
    for _ in 0..1_000 {
        let piece = store.retain(next_day()).await.unwrap();
        assert!(piece.raw_rows < 30_000, "one piece");
        dropped += piece.raw_rows;
        assert_eq!(store.ledger_totals(Ledger::Emotions).await.unwrap().named, 30_000);
        if !piece.more {
            break;
        }
    }
    assert_eq!(dropped, 30_000);
}

async fn fold_at(store: &dyn Store, events: &[EmotionEvent], now: ecs_domain::Timestamp) {
    let folded = store.fold_emotions(events, rules(), now).await.unwrap();
    assert!(folded.iter().all(|folded| *folded == Folded::Counted));
}
