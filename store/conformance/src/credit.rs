//! Decisions and offers.

use std::time::Duration;

use ecs_domain::offer::OfferStatus;
use ecs_store::{AcceptResult, ActivateResult, NewDecision, PageRequest, Store};
use futures::future::join_all;

use crate::Harness;
use crate::fixtures::{
    after, approval, denial, first_page, make_offer, message, new_decision, now, offer_id, register, user,
};

/// Every feature, term and reason comes back, to the last bit.
pub async fn a_decision_is_read_as_it_was_made<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let made = approval(1, 1, now());
    let recorded = store.record_decision(new_decision(made.clone()), None).await.unwrap();
    assert_eq!((recorded.decision, recorded.repeated), (made.clone(), false));
    assert_eq!(store.standing_decision(user(1), after(-1)).await.unwrap(), Some(made.clone()));
    assert_eq!(store.standing_decision(user(1), now()).await.unwrap(), None);
    assert_eq!(store.offer(user(1), offer_id(1)).await.unwrap().as_ref(), made.offer());
}

/// A denial is a decision like any other, without an offer.
pub async fn a_denial_is_kept<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let made = denial(1, 1, now());
    store.record_decision(new_decision(made.clone()), None).await.unwrap();
    let standing = store.standing_decision(user(1), after(-1)).await.unwrap().unwrap();
    assert_eq!(standing, made);
    assert_eq!(standing.outcome.as_str(), "denied");
    assert_eq!(store.offers(user(1), first_page()).await.unwrap().total, 0);
}

/// For five minutes the first answer is the answer; another user's decision doesn't matter.
pub async fn a_decision_stands_for_a_while<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    let first = approval(1, 1, now());
    store.record_decision(new_decision(first.clone()), None).await.unwrap();
    let repeated = store.record_decision(new_decision(denial(1, 2, after(299))), None).await.unwrap();
    assert_eq!((repeated.decision, repeated.repeated), (first, true));
    assert!(!store.record_decision(new_decision(denial(2, 3, after(1))), None).await.unwrap().repeated);
    let next = store.record_decision(new_decision(denial(1, 4, after(300))), None).await.unwrap();
    assert_eq!((next.decision, next.repeated), (denial(1, 4, after(300)), false));
}

/// Two decisions of the same instant, neither of which stands: each call returns its own.
pub async fn a_decision_that_does_not_stand_is_returned_all_the_same<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    for number in [2, 1, 3] {
        let new = NewDecision { decision: denial(1, number, now()), stands_for: Duration::ZERO };
        let recorded = store.record_decision(new, None).await.unwrap();
        assert_eq!((recorded.decision, recorded.repeated), (denial(1, number, now()), false));
    }
}

/// Sixteen requests at once end in one decision and one offer.
pub async fn decisions_at_the_same_time_are_one<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let decisions =
        (0..16).map(|number| store.record_decision(new_decision(approval(1, number, now())), None));
    let all: Vec<_> = join_all(decisions).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(all.iter().filter(|recorded| !recorded.repeated).count(), 1);
    assert!(all.iter().all(|recorded| recorded.decision == all[0].decision));
    assert_eq!(store.offers(user(1), first_page()).await.unwrap().total, 1);
}

/// All or nothing: the offer of a decision that can't be kept isn't kept either.
pub async fn a_decision_that_fails_leaves_no_offer<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    store.record_decision(new_decision(denial(1, 1, now())), None).await.unwrap();
    // Another user's decision with the id of the first one, among neighbours that succeed.
    let clash = approval(2, 1, now());
    let (clash, accept) = tokio::join!(
        store.record_decision(new_decision(clash), None),
        store.record_decision(new_decision(approval(1, 2, after(600))), None)
    );
    assert!(clash.is_err());
    assert!(!accept.unwrap().repeated);
    assert_eq!(store.offers(user(2), first_page()).await.unwrap().total, 0);
    assert_eq!(store.offer(user(2), offer_id(1)).await.unwrap(), None);
    assert!(
        store.record_decision(new_decision(approval(9, 3, now())), None).await.is_err(),
        "an unknown user"
    );
    assert_eq!(store.offer(user(9), offer_id(3)).await.unwrap(), None);
}

/// Pages are cut from one list.
pub async fn offers_are_listed_newest_first<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    for number in 0..5 {
        make_offer(&*store, 1, number, after(600 * i64::try_from(number).unwrap())).await;
    }
    make_offer(&*store, 2, 9, now()).await;
    for (page, expect) in [(1, vec![4, 3]), (2, vec![2, 1]), (3, vec![0]), (4, vec![])] {
        let found = store.offers(user(1), PageRequest { page, page_size: 2 }).await.unwrap();
        let ids: Vec<_> = found.items.iter().map(|offer| offer.id).collect();
        assert_eq!((found.total, ids), (5, expect.into_iter().map(offer_id).collect()), "page {page}");
    }
}

/// The first accept wins, and puts its message into the outbox.
pub async fn an_offer_is_accepted_once<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    make_offer(&*store, 1, 1, now()).await;
    let terms = store.offer(user(1), offer_id(1)).await.unwrap().unwrap().terms;
    let first = store.accept_offer(user(1), offer_id(1), after(1), message(1, 1), None).await.unwrap();
    assert_eq!(first, AcceptResult::Accepted(terms));
    let again = store.accept_offer(user(1), offer_id(1), after(2), message(1, 2), None).await.unwrap();
    assert_eq!(again, AcceptResult::AlreadyAccepted);
    let offer = store.offer(user(1), offer_id(1)).await.unwrap().unwrap();
    assert_eq!((offer.status, offer.accepted_at), (OfferStatus::Accepted, Some(after(1))));
    assert_eq!(store.outbox_depth().await.unwrap(), 1);
}

/// Sixteen accepts at once: one is accepted, one message waits.
pub async fn accepts_at_the_same_time_are_one<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    make_offer(&*store, 1, 1, now()).await;
    let accepts =
        (0..16).map(|number| store.accept_offer(user(1), offer_id(1), after(1), message(1, number), None));
    let all: Vec<_> = join_all(accepts).await.into_iter().map(Result::unwrap).collect();
    let accepted = all.iter().filter(|result| matches!(result, AcceptResult::Accepted(_)));
    assert_eq!(accepted.count(), 1);
    assert_eq!(all.iter().filter(|result| **result == AcceptResult::AlreadyAccepted).count(), 15);
    assert_eq!(store.outbox_depth().await.unwrap(), 1);
}

/// At the instant of its expiry an offer is gone, whether or not its row says so yet.
pub async fn an_expired_offer_is_not_accepted<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    make_offer(&*store, 1, 1, now()).await;
    let week = after(7 * 86_400);
    for _ in 0..2 {
        let result = store.accept_offer(user(1), offer_id(1), week, message(1, 1), None).await.unwrap();
        assert_eq!(result, AcceptResult::Expired);
        store.expire_offers(week).await.unwrap();
    }
    assert_eq!(store.outbox_depth().await.unwrap(), 0);
}

/// Knowing an id doesn't make it yours.
pub async fn anothers_offer_is_unknown<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1, 2]).await;
    make_offer(&*store, 1, 1, now()).await;
    assert_eq!(store.offer(user(2), offer_id(1)).await.unwrap(), None);
    let accepted = store.accept_offer(user(2), offer_id(1), now(), message(2, 1), None).await.unwrap();
    assert_eq!(accepted, AcceptResult::Unknown);
    let activated = store.activate_offer(user(2), offer_id(1), now(), message(2, 1)).await.unwrap();
    assert_eq!(activated, ActivateResult::Unknown);
    assert_eq!(store.outbox_depth().await.unwrap(), 0);
}

/// However often the event is delivered, at once or in a row: one activation, one message.
pub async fn an_offer_is_activated_once<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    accepted_offer(&*store).await;
    let activations = (2..18).map(|number| activate(&*store, number));
    let all = join_all(activations).await;
    assert_eq!(all.iter().filter(|result| **result == ActivateResult::Activated).count(), 1);
    assert_eq!(all.iter().filter(|result| **result == ActivateResult::AlreadyActive).count(), 15);
    assert_eq!(activate(&*store, 18).await, ActivateResult::AlreadyActive);
    // The message of the accept, and that of the activation.
    assert_eq!(store.outbox_depth().await.unwrap(), 2);
    let offer = store.offer(user(1), offer_id(1)).await.unwrap().unwrap();
    assert_eq!((offer.status, offer.activated_at), (OfferStatus::Active, Some(after(2))));
    let accept = store.accept_offer(user(1), offer_id(1), after(3), message(1, 1), None).await.unwrap();
    assert_eq!(accept, AcceptResult::AlreadyAccepted);
}

/// There is no way from offered to active.
pub async fn an_offer_that_was_not_accepted_is_not_activated<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    make_offer(&*store, 1, 1, now()).await;
    assert_eq!(activate(&*store, 2).await, ActivateResult::NotAccepted);
    assert_eq!(store.outbox_depth().await.unwrap(), 0);
}

/// Only open offers past their time expire, each once.
pub async fn offers_expire<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    accepted_offer(&*store).await;
    register(store.as_ref(), [2, 3]).await;
    make_offer(&*store, 2, 2, now()).await;
    make_offer(&*store, 3, 3, after(60)).await;
    let week = after(7 * 86_400);
    assert_eq!(store.expire_offers(week).await.unwrap(), 1);
    assert_eq!(store.expire_offers(week).await.unwrap(), 0);
    for (number, expect) in [(1, OfferStatus::Accepted), (2, OfferStatus::Expired), (3, OfferStatus::Offered)]
    {
        let offer = store.offer(user(number), offer_id(number)).await.unwrap().unwrap();
        assert_eq!(offer.status, expect, "{number}");
    }
}

async fn accepted_offer(store: &dyn Store) {
    register(store, [1]).await;
    make_offer(store, 1, 1, now()).await;
    store.accept_offer(user(1), offer_id(1), after(1), message(1, 1), None).await.unwrap();
}

async fn activate(store: &dyn Store, number: u128) -> ActivateResult {
    store.activate_offer(user(1), offer_id(1), after(2), message(1, number)).await.unwrap()
}
