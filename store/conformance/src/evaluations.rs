//! Evaluations that nobody asked for.

use std::time::Duration;

use ecs_domain::consent::Purpose;
use ecs_domain::decision::Outcome;
use ecs_domain::features::Features;
use ecs_domain::{EvaluationId, Timestamp};
use ecs_store::{Concluded, Evaluated, LookEnd, LookedAt, Store};
use uuid::Uuid;

use crate::Harness;
use crate::attributes::say;
use crate::fixtures::{
    after, approval, denial, emotion, first_page, make_offer, message, new_decision, now, offer_id, register,
    rules, transaction, user,
};

const LEASE: Duration = Duration::from_secs(30);

fn evaluation(number: u128) -> EvaluationId {
    EvaluationId::new(Uuid::from_u128(0xe7a1_0000_0000_4000_8000_0000_0000_0000 + number))
}

/// Users who said yes, and bought something.
async fn changed(store: &dyn Store, numbers: impl IntoIterator<Item = u128>) {
    for number in numbers {
        say(store, number, Purpose::PreApproval, true).await;
        buy(store, number, number).await;
    }
}

async fn buy(store: &dyn Store, of: u128, id: u128) {
    let bought = transaction(of, id, "2026-11-20T11:00:00Z", 1_000);
    store.fold_transactions(&[bought], now()).await.unwrap();
}

async fn claim(store: &dyn Store, at: Timestamp) -> Vec<LookedAt> {
    store.claim_changed(10, at, LEASE).await.unwrap()
}

/// Asks for an evaluation of whoever is looked at.
async fn ask(store: &dyn Store, looked_at: &LookedAt, number: u128, features: Features) -> bool {
    let asked = message(1, 900 + number);
    let again_at = after(86_400);
    let end = LookEnd::Evaluate { evaluation: evaluation(number), features, again_at, message: asked };
    store.end_look(looked_at, end).await.unwrap()
}

/// Of both kinds of events, also when they are repeated; and of nobody who hasn't said yes.
pub async fn a_fold_notes_a_change_of_those_who_said_yes<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let store = store.as_ref();
    register(store, 1..=4).await;
    say(store, 1, Purpose::PreApproval, true).await;
    say(store, 2, Purpose::PreApproval, false).await;
    say(store, 3, Purpose::Research, true).await;
    assert!(claim(store, now()).await.is_empty());
    for number in 1..=4 {
        buy(store, number, number).await;
    }
    let looked_at = claim(store, now()).await;
    let expect = LookedAt { user: user(1), until: after(30), before: None };
    assert_eq!(looked_at, std::slice::from_ref(&expect));
    assert!(store.end_look(&expect, LookEnd::LetBe(now())).await.unwrap());
    assert!(claim(store, now()).await.is_empty(), "nothing has changed since");
    let felt = [emotion(1, 1, "2026-11-20T11:00:00Z", [0.5; 3])];
    for _ in 0..2 {
        store.fold_emotions(&felt, rules(), now()).await.unwrap();
        let [looked_at] = claim(store, now()).await.try_into().unwrap();
        assert_eq!(looked_at.user, user(1));
        assert!(store.end_look(&looked_at, LookEnd::LetBe(now())).await.unwrap());
    }
}

/// What is noted while somebody looks is another change, and nobody looks before it is time.
pub async fn a_change_during_a_look_is_another_one<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let store = store.as_ref();
    register(store, [1]).await;
    changed(store, [1]).await;
    let [looked_at] = claim(store, now()).await.try_into().unwrap();
    assert!(claim(store, now()).await.is_empty(), "somebody else looks");
    buy(store, 1, 2).await;
    assert!(claim(store, now()).await.is_empty(), "somebody else still looks");
    assert!(store.end_look(&looked_at, LookEnd::LetBe(after(60))).await.unwrap());
    assert!(!store.end_look(&looked_at, LookEnd::LetBe(now())).await.unwrap(), "a look ends once");
    assert!(claim(store, after(59)).await.is_empty(), "it isn't time");
    assert_eq!(claim(store, after(60)).await.len(), 1);
}

/// Whoever looks and dies is followed by another, and has no say any more.
pub async fn a_look_that_takes_too_long_is_anothers<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let store = store.as_ref();
    register(store, [1]).await;
    changed(store, [1]).await;
    let [dead] = claim(store, now()).await.try_into().unwrap();
    assert!(claim(store, after(29)).await.is_empty());
    let [next] = claim(store, after(31)).await.try_into().unwrap();
    assert!(!ask(store, &dead, 1, denial(1, 1, now()).features).await);
    assert!(ask(store, &next, 2, denial(1, 1, now()).features).await);
    // A clock that was a day ahead doesn't keep anybody waiting.
    buy(store, 1, 2).await;
    assert!(claim(store, after(86_399)).await.is_empty());
    let before_all = now().saturating_sub(Duration::from_secs(7_200)).unwrap();
    assert_eq!(claim(store, before_all).await.len(), 1);
}

/// What is published, what the next look compares with, and when it may be.
pub async fn an_evaluation_is_asked_for_over_the_outbox<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let store = store.as_ref();
    register(store, [1]).await;
    changed(store, [1]).await;
    let [looked_at] = claim(store, now()).await.try_into().unwrap();
    let features = denial(1, 1, now()).features;
    assert!(ask(store, &looked_at, 1, features).await);
    assert_eq!(store.outbox_depth().await.unwrap(), 1);
    buy(store, 1, 2).await;
    assert!(claim(store, after(86_399)).await.is_empty(), "at most once a day");
    let [looked_at] = claim(store, after(86_400)).await.try_into().unwrap();
    assert_eq!(looked_at.before, Some(features));
}

/// Once, however often it is delivered; and with the notification, or not at all.
pub async fn an_evaluation_makes_one_offer<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let store = store.as_ref();
    register(store, [1]).await;
    changed(store, [1]).await;
    let [looked_at] = claim(store, now()).await.try_into().unwrap();
    assert!(ask(store, &looked_at, 1, denial(1, 1, now()).features).await);
    let offer = |number| {
        Concluded::Offer(Box::new(new_decision(approval(1, number, after(5)))), message(1, 700 + number))
    };
    let record = async |number, concluded| {
        store.record_evaluation(evaluation(number), user(1), concluded, after(5)).await.unwrap()
    };
    assert_eq!(record(2, offer(1)).await, Evaluated::NotAwaited, "another evaluation");
    assert_eq!(record(1, offer(1)).await, Evaluated::Offered);
    assert_eq!(record(1, offer(2)).await, Evaluated::NotAwaited);
    assert_eq!(record(1, Concluded::NoOffer).await, Evaluated::NotAwaited);
    let page = store.offers(user(1), first_page()).await.unwrap();
    assert_eq!((page.total, page.items[0].id), (1, offer_id(1)));
    assert_eq!(store.outbox_depth().await.unwrap(), 2, "the request and the notification");
    let decision = store.standing_decision(user(1), now()).await.unwrap().unwrap();
    assert!(matches!(decision.outcome, Outcome::Approved(_)));
}

/// An offer that waits for its answer comes first, and a bad result leaves nothing.
pub async fn an_evaluation_adds_nothing_to_an_offer<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let store = store.as_ref();
    register(store, [1, 2]).await;
    changed(store, [1, 2]).await;
    make_offer(store, 1, 50, now()).await;
    for looked_at in claim(store, now()).await {
        let number = if looked_at.user == user(1) { 1 } else { 2 };
        assert!(ask(store, &looked_at, number, denial(1, 1, now()).features).await);
    }
    let offer = Concluded::Offer(Box::new(new_decision(approval(1, 1, after(600)))), message(1, 700));
    let evaluated = store.record_evaluation(evaluation(1), user(1), offer, after(600)).await.unwrap();
    assert_eq!(evaluated, Evaluated::AnotherStands);
    let evaluated =
        store.record_evaluation(evaluation(2), user(2), Concluded::NoOffer, after(600)).await.unwrap();
    assert_eq!(evaluated, Evaluated::NotOffered);
    assert_eq!(store.offers(user(1), first_page()).await.unwrap().total, 1);
    assert_eq!(store.standing_decision(user(2), after(-86_400)).await.unwrap(), None);
    assert_eq!(store.outbox_depth().await.unwrap(), 2, "the two requests");
}

/// With the yes goes what was noted, and no offer is made; but not the time before which there is no other look.
pub async fn whoever_takes_their_yes_back_is_left_alone<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let store = store.as_ref();
    register(store, [1, 2]).await;
    changed(store, [1, 2]).await;
    let looked_at = claim(store, now()).await;
    let [first, second] = looked_at.as_slice() else { panic!("two are looked at") };
    assert!(ask(store, first, 1, denial(1, 1, now()).features).await);
    for number in [1, 2] {
        say(store, number, Purpose::PreApproval, false).await;
        buy(store, number, 10 + number).await;
    }
    assert!(!ask(store, second, 2, denial(2, 1, now()).features).await);
    let of_first = u128::from(first.user == user(2)) + 1;
    let offer = Concluded::Offer(Box::new(new_decision(approval(of_first, 1, after(5)))), message(1, 700));
    let evaluated = store.record_evaluation(evaluation(1), first.user, offer, after(5)).await.unwrap();
    assert_eq!(evaluated, Evaluated::NotAwaited);
    assert_eq!(store.offers(first.user, first_page()).await.unwrap().total, 0);
    assert!(claim(store, after(86_500)).await.is_empty());
    say(store, of_first, Purpose::PreApproval, true).await;
    buy(store, of_first, 20).await;
    assert!(claim(store, after(86_399)).await.is_empty(), "still at most once a day");
    let [again] = claim(store, after(86_400)).await.try_into().unwrap();
    assert_eq!(again.before, None);
}
