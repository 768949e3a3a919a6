//! The books.

use bytes::Bytes;
use ecs_domain::consent::Purpose;
use ecs_domain::dead_letter::DeadLetterKind;
use ecs_domain::notification::Notification;
use ecs_store::{DeadLetterRow, EventKey, Fate, Ledger, LedgerTotals, OfferBooks, Store, SummaryMismatch};

use crate::Harness;
use crate::fixtures::{
    after, day, emotion, event_id, make_offer, message, now, offer_id, register, rules, transaction, user,
};

const MORNING: &str = "2026-11-20T08:00:00Z";
const LONG_AGO: &str = "2025-08-19T08:00:00Z";

/// Counted with and without a raw row, discarded, dead-lettered, never heard of.
pub async fn fates_say_what_became_of_events<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    settle_some(&*store).await;
    let rows = [
        (1, 1, "2026-11-20", Fate::Counted),
        (1, 2, "2025-08-19", Fate::Counted),
        (2, 3, "2026-11-20", Fate::Discarded),
        (9, 4, "2026-11-20", Fate::DeadLettered),
        (1, 1, "2026-11-19", Fate::Unknown),
        (2, 1, "2026-11-20", Fate::Unknown),
        (1, 77, "2026-11-20", Fate::Unknown),
    ];
    let keys: Vec<_> = rows.iter().map(|(of, id, date, _)| key(*of, *id, date)).collect();
    let expect: Vec<_> = rows.iter().map(|row| row.3).collect();
    assert_eq!(store.fates(Ledger::Emotions, &keys).await.unwrap(), expect);

    store.fold_transactions(&[transaction(1, 5, MORNING, 100)], now()).await.unwrap();
    store.add_dead_letters(&[letter(9, 6, "transactions.topic")]).await.unwrap();
    // The day of a transaction's key is not looked at.
    let keys = [key(1, 5, "2001-01-01"), key(9, 6, "2026-11-20"), key(9, 4, "2026-11-20")];
    let fates = store.fates(Ledger::Transactions, &keys).await.unwrap();
    assert_eq!(fates, [Fate::Counted, Fate::DeadLettered, Fate::Unknown]);
}

/// Raw rows and ids together, by rising key, no event twice and none left out.
pub async fn counted_events_come_in_pages<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2, 3]).await;
    // Discarded ones stand between the others and take no place on a page.
    store.set_consent(user(3), Purpose::EmotionAnalysis, false.into(), now()).await.unwrap();
    let dates = ["2025-08-19T08:00:00Z", "2026-11-19T08:00:00Z", MORNING];
    let mut events = Vec::new();
    for id in 0..30_u128 {
        events.push(emotion(id % 3 + 1, id, dates[usize::try_from(id).unwrap() / 3 % 3], [0.5; 3]));
    }
    store.fold_emotions(&events, rules(), now()).await.unwrap();
    let counted = events.iter().filter(|event| event.user != user(3));
    let mut expect: Vec<_> = counted.map(key_of).collect();
    expect.sort_unstable();
    assert_eq!(read_pages(&*store, Ledger::Emotions).await, expect);
}

/// Transactions go by their ids.
pub async fn counted_transactions_come_in_pages<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    let all: Vec<_> = (0..15_u128).rev().map(|id| transaction(id % 2 + 1, id, MORNING, 100)).collect();
    store.fold_transactions(&all, now()).await.unwrap();
    let expect: Vec<_> = (0..15_u128).map(|id| key(id % 2 + 1, id, "2026-11-20")).collect();
    assert_eq!(read_pages(&*store, Ledger::Transactions).await, expect);
}

/// Every page of the ledger, four events each: only the last one may have fewer.
async fn read_pages(store: &dyn Store, ledger: Ledger) -> Vec<EventKey> {
    let mut keys: Vec<EventKey> = Vec::new();
    let mut at_end = false;
    loop {
        let page = store.counted(ledger, keys.last().copied(), 4).await.unwrap();
        assert!(page.events.len() <= 4);
        assert!(page.events.iter().all(|(_, arrived_at)| *arrived_at == now()));
        assert!(!at_end || page.events.is_empty(), "a page that wasn't full was not the last one");
        at_end = page.events.len() < 4;
        if page.events.is_empty() {
            return keys;
        }
        keys.extend(page.events.iter().map(|(key, _)| *key));
    }
}

/// Aggregates and named events agree, and the rest is accounted for.
pub async fn totals_add_up<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    assert_eq!(store.ledger_totals(Ledger::Emotions).await.unwrap(), LedgerTotals::default());
    settle_some(&*store).await;
    let expect = LedgerTotals { in_aggregates: 2, named: 2, discarded: 1, dead_lettered: 1 };
    assert_eq!(store.ledger_totals(Ledger::Emotions).await.unwrap(), expect);
    store.fold_transactions(&[transaction(1, 5, MORNING, 100)], now()).await.unwrap();
    let expect = LedgerTotals { in_aggregates: 1, named: 1, discarded: 0, dead_lettered: 0 };
    assert_eq!(store.ledger_totals(Ledger::Transactions).await.unwrap(), expect);
}

/// A row that somebody changed, in its count or in its sums, is named; days before the floor are not looked at.
pub async fn a_summary_that_is_off_is_found<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    settle_some(&*store).await;
    let events = [emotion(2, 10, "2026-11-18T08:00:00Z", [0.5; 3]), emotion(1, 11, MORNING, [0.5; 3])];
    store.set_consent(user(2), Purpose::EmotionAnalysis, true.into(), now()).await.unwrap();
    store.fold_emotions(&events, rules(), now()).await.unwrap();
    let floor = day("2026-10-22");
    assert_eq!(store.summary_mismatches(floor, 10).await.unwrap(), []);
    assert_eq!(store.summary_mismatches(day("2000-01-01"), 10).await.unwrap(), []);

    let (today, earlier) = (day("2026-11-20"), day("2026-11-18"));
    harness.tamper_with_count(user(1), today, 1).await;
    let count_is_off = SummaryMismatch { user: user(1), day: today, named: 2, summarised: 3 };
    assert_eq!(store.summary_mismatches(floor, 10).await.unwrap(), [count_is_off]);
    harness.tamper_with_sum(user(2), earlier, 1).await;
    let sum_is_off = SummaryMismatch { user: user(2), day: earlier, named: 1, summarised: 1 };
    assert_eq!(store.summary_mismatches(floor, 10).await.unwrap(), [sum_is_off, count_is_off]);
    assert_eq!(store.summary_mismatches(floor, 1).await.unwrap(), [sum_is_off]);
    assert_eq!(store.summary_mismatches(day("2026-11-21"), 10).await.unwrap(), []);
}

/// Offers, activations and notifications in every state.
pub async fn offers_are_accounted_for<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    assert_eq!(store.offer_books().await.unwrap(), OfferBooks::default());
    register(store.as_ref(), 1..=4).await;
    for number in 1..=4_u128 {
        make_offer(&*store, number, number, now()).await;
        if number > 1 {
            store
                .accept_offer(user(number), offer_id(number), now(), message(number, number), None)
                .await
                .unwrap();
        }
        if number > 2 {
            let told = message(number, 10 + number);
            store.activate_offer(user(number), offer_id(number), after(1), told).await.unwrap();
        }
    }
    let offer = store.offer(user(4), offer_id(4)).await.unwrap().unwrap();
    let (limit, rate) = (offer.terms.credit_limit, offer.terms.interest_rate);
    let told = Notification::of_activation(user(4), offer_id(4), limit, rate, after(2));
    store.add_notifications(&[told], after(2)).await.unwrap();
    let expect = OfferBooks {
        accepted: 3,
        pending: 1,
        given_up: 0,
        active: 2,
        notified: 1,
        unnotified: vec![offer_id(3)],
        outbox: 5,
    };
    assert_eq!(store.offer_books().await.unwrap(), expect);
}

/// One event counted with and one without a raw row, one discarded, one given up,
/// and one counted after it had been given up.
async fn settle_some(store: &dyn Store) {
    register(store, [1, 2]).await;
    store.set_consent(user(2), Purpose::EmotionAnalysis, false.into(), now()).await.unwrap();
    let events = [
        emotion(1, 1, MORNING, [0.5; 3]),
        emotion(1, 2, LONG_AGO, [0.5; 3]),
        emotion(2, 3, MORNING, [0.5; 3]),
    ];
    store.fold_emotions(&events, rules(), now()).await.unwrap();
    store.add_dead_letters(&[letter(9, 4, "user.emotions.topic")]).await.unwrap();
}

fn key(of: u128, id: u128, date: &str) -> EventKey {
    EventKey { day: day(date), user: user(of), id: event_id(id) }
}

fn key_of(event: &ecs_domain::emotion::EmotionEvent) -> EventKey {
    EventKey { day: ecs_domain::utc_day(event.occurred_at), user: event.user, id: event.id }
}

fn letter(of: u128, id: u128, subject: &str) -> DeadLetterRow {
    DeadLetterRow {
        subject: subject.to_owned(),
        group: "workers".to_owned(),
        id: event_id(id),
        key: user(of),
        kind: DeadLetterKind::UnknownUser,
        reason: "the user is unknown".to_owned(),
        history: Vec::new(),
        payload: Bytes::from_static(b"{}"),
        schema_version: 1,
        request_id: None,
        traceparent: None,
        at: now(),
    }
}
