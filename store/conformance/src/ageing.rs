//! What goes for its age, and what stays true when it is gone.

use ecs_domain::Timestamp;
use ecs_domain::dead_letter::DeadLetterState;
use ecs_store::{Aged, Due, Folded, Ledger, LetterFilter, SealedSecrets, Store, WebhookRotation};

use crate::Harness;
use crate::dead_letters::letter;
use crate::fixtures::{
    after, approval, day, denial, emotion, event_id, first_page, make_offer, message, new_decision, now,
    offer_id, register, rules, transaction, user,
};
use crate::webhooks::{self, notification};

const DAY: i64 = 86_400;

async fn drop_before(store: &dyn Store, rows: Aged, before: Timestamp) -> u64 {
    store.drop_aged(Due { rows, before, now: now(), most: 100 }).await.unwrap()
}

/// Days that were over before the time go; the books go on counting what was in them.
pub async fn summaries_go_and_their_events_stay_counted<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    let events = [
        emotion(1, 1, "2025-08-18T08:00:00Z", [0.5; 3]),
        emotion(1, 2, "2025-08-18T09:00:00Z", [0.5; 3]),
        emotion(2, 3, "2025-08-18T08:00:00Z", [0.5; 3]),
        emotion(1, 4, "2025-08-19T23:59:59Z", [0.5; 3]),
    ];
    store.fold_emotions(&events, rules(), now()).await.unwrap();
    let noon = "2025-08-19T12:00:00Z".parse().unwrap();
    assert_eq!(drop_before(&*store, Aged::Summaries, noon).await, 2);
    assert_eq!(drop_before(&*store, Aged::Summaries, noon).await, 0, "and then none are left");
    assert_eq!(harness.summary(user(1), day("2025-08-18")).await, None);
    assert_eq!(harness.summary(user(1), day("2025-08-19")).await.unwrap().event_count, 1);
    let totals = store.ledger_totals(Ledger::Emotions).await.unwrap();
    assert_eq!((totals.in_aggregates, totals.named), (4, 4));
    assert_eq!(store.fold_emotions(&events, rules(), now()).await.unwrap(), [Folded::Repeated; 4]);
    assert_eq!(drop_before(&*store, Aged::Summaries, now()).await, 1);
    assert_eq!(store.ledger_totals(Ledger::Emotions).await.unwrap().in_aggregates, 4);
}

/// A decision goes with its offer, and one that led to a credit not at all.
pub async fn denials_and_expired_offers_go_and_what_was_accepted_stays<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2, 3, 4, 5]).await;
    let long_ago = after(-100 * DAY);
    store.record_decision(new_decision(denial(1, 1, long_ago)), None).await.unwrap();
    store.record_decision(new_decision(denial(2, 2, after(-DAY))), None).await.unwrap();
    for number in [3, 4] {
        make_offer(&*store, number, number, long_ago).await;
    }
    make_offer(&*store, 5, 5, after(-DAY)).await;
    store.accept_offer(user(4), offer_id(4), long_ago, message(4, 4), None).await.unwrap();
    assert_eq!(drop_before(&*store, Aged::Decisions, after(-95 * DAY)).await, 1, "the offer was still open");
    assert_eq!(drop_before(&*store, Aged::Decisions, after(-50 * DAY)).await, 1, "and now it is not");
    assert_eq!(drop_before(&*store, Aged::Decisions, after(-50 * DAY)).await, 0);
    for (number, expect) in [(1, false), (2, true), (3, false), (4, true), (5, true)] {
        let decision = store.standing_decision(user(number), after(-101 * DAY)).await.unwrap();
        assert_eq!(decision.is_some(), expect, "the decision about user {number}");
    }
    for (number, expect) in [(3, false), (4, true), (5, true)] {
        let offer = store.offer(user(number), offer_id(number)).await.unwrap();
        assert_eq!(offer.is_some(), expect, "the offer of user {number}");
    }
    store.record_decision(new_decision(approval(3, 9, now())), None).await.unwrap();
}

/// Whoever follows a user's numbers meets none a second time, and the books take an activation for notified as before.
pub async fn numbers_of_notifications_go_on_behind_those_that_went<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    let long_ago = after(-100 * DAY);
    for (number, days) in [(1, -102), (2, -101)] {
        make_offer(&*store, 1, number, after(days * DAY)).await;
        store.accept_offer(user(1), offer_id(number), long_ago, message(1, number), None).await.unwrap();
    }
    let active = |number, at| store.activate_offer(user(1), offer_id(number), at, message(1, number + 10));
    active(1, long_ago).await.unwrap();
    let told = [notification(1, 1), notification(1, 7), notification(2, 8)];
    store.add_notifications(&told, after(-100 * DAY + 1)).await.unwrap();
    store.add_notifications(&[notification(2, 9)], now()).await.unwrap();
    assert_eq!(drop_before(&*store, Aged::Notifications, after(-50 * DAY)).await, 3);
    assert_eq!(drop_before(&*store, Aged::Notifications, after(-50 * DAY)).await, 0);
    assert_eq!(store.last_sequences(&[user(1), user(2), user(3)]).await.unwrap(), [2, 2, 0]);
    active(2, now()).await.unwrap();
    let books = store.offer_books().await.unwrap();
    assert_eq!((books.active, books.notified, books.unnotified), (2, 1, vec![offer_id(2)]));
    store.add_notifications(&[notification(1, 2), notification(2, 10)], now()).await.unwrap();
    for (number, expect) in [(1, vec![3]), (2, vec![3, 2])] {
        let page = store.notifications(user(number), first_page()).await.unwrap();
        let numbers: Vec<_> = page.items.iter().map(|item| item.sequence).collect();
        assert_eq!(numbers, expect, "user {number}");
    }
}

/// One that arrived lately stays, however long ago it happened: the bus may bring it again.
pub async fn transactions_go_by_their_arrival<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let [old, late] = [1, 2].map(|id| transaction(1, id, "2026-01-01T08:00:00Z", 100));
    store.fold_transactions(std::slice::from_ref(&old), after(-100 * DAY)).await.unwrap();
    store.fold_transactions(std::slice::from_ref(&late), now()).await.unwrap();
    assert_eq!(drop_before(&*store, Aged::Transactions, after(-50 * DAY)).await, 1);
    assert_eq!(drop_before(&*store, Aged::Transactions, after(-50 * DAY)).await, 0);
    let folded = store.fold_transactions(&[late], now()).await.unwrap();
    assert_eq!(folded, [Folded::Repeated]);
    assert_eq!(store.ledger_totals(Ledger::Transactions).await.unwrap().named, 1);
}

/// What nobody looked at goes with what it holds, as if an operator had dropped it, and is forgotten in time.
pub async fn letters_that_waited_too_long_are_dropped<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let mut old = letter(1);
    old.at = after(-100 * DAY);
    store.add_dead_letters(&[old, letter(2)]).await.unwrap();
    assert_eq!(drop_before(&*store, Aged::WaitingLetters, after(-50 * DAY)).await, 1);
    assert_eq!(drop_before(&*store, Aged::WaitingLetters, after(-50 * DAY)).await, 0);
    let letters = store.dead_letters(&LetterFilter::default(), None, 10).await.unwrap();
    let states: Vec<_> = letters.iter().map(|letter| (letter.event, letter.state)).collect();
    assert_eq!(states, [(event_id(2), DeadLetterState::Waiting), (event_id(1), DeadLetterState::Dropped)]);
    assert_eq!(letters[1].state_at, Some(now()));
    assert_eq!(store.dead_letter(letters[1].id).await.unwrap().unwrap().payload, None);
    assert_eq!(store.forget_dead_letters(after(1), 10).await.unwrap(), 1);
}

/// While both hold, both are kept.
pub async fn secrets_go_when_their_overlap_is_over<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    webhooks::add(&*store, 1, 1).await;
    let rotation = WebhookRotation {
        id: webhooks::id(1),
        user: user(1),
        secret: b"second".to_vec(),
        previous_until: after(60),
    };
    store.rotate_webhook(rotation).await.unwrap().unwrap();
    assert_eq!(drop_before(&*store, Aged::ReplacedSecrets, after(60)).await, 0);
    assert_eq!(drop_before(&*store, Aged::ReplacedSecrets, after(61)).await, 1);
    assert_eq!(drop_before(&*store, Aged::ReplacedSecrets, after(61)).await, 0);
    let SealedSecrets { current, previous } = webhooks::find(&*store, 1).await.secrets;
    assert_eq!((current, previous), (b"second".to_vec(), None));
}

/// A call drops about as many as it is asked to, and the last one none.
pub async fn ageing_works_in_pieces<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let long_ago = after(-100 * DAY);
    let old: Vec<_> = (0..25).map(|id| transaction(1, id, "2026-01-01T08:00:00Z", 100)).collect();
    store.fold_transactions(&old, long_ago).await.unwrap();
    let letters: Vec<_> = (0..25).map(|id| ecs_store::DeadLetterRow { at: long_ago, ..letter(id) }).collect();
    store.add_dead_letters(&letters).await.unwrap();
    let told: Vec<_> = (0..25).map(|offer| notification(1, offer)).collect();
    store.add_notifications(&told, long_ago).await.unwrap();
    for rows in [Aged::Transactions, Aged::WaitingLetters, Aged::Notifications] {
        let due = Due { rows, before: now(), now: now(), most: 10 };
        for expect in [10, 10, 5, 0] {
            assert_eq!(store.drop_aged(due).await.unwrap(), expect, "{rows:?}");
        }
    }
}
