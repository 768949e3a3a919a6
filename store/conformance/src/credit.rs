//! Decisions and offers.

use std::time::Duration;

use ecs_domain::decision::{Decision, Denial, Outcome};
use ecs_domain::offer::OfferStatus;
use ecs_domain::policy::Facts;
use ecs_domain::reason::Reason;
use ecs_domain::{Money, Timestamp};
use ecs_store::{AcceptResult, ActivateResult, NewDecision, PageRequest, Store, StoreError};
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
        let new = NewDecision { stands_for: Duration::ZERO, ..new_decision(denial(1, number, now())) };
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

/// What can still be accepted, is accepted or is active: to the instant at which an offer expires, whether or not its row says so yet.
pub async fn what_somebody_could_owe_is_added_up<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1, 2]).await;
    assert_eq!(store.credit_facts(user(1), now()).await.unwrap(), Facts::NONE);
    for (number, second) in [(1, 0), (2, 600), (3, 1_200)] {
        make_offer(store, 1, number, after(second)).await;
    }
    make_offer(store, 2, 9, now()).await;
    store.accept_offer(user(1), offer_id(1), after(1), message(1, 1), None).await.unwrap();
    let week = 7 * 86_400;
    let check = |second, offers: i64| async move {
        let facts = store.credit_facts(user(1), after(second)).await.unwrap();
        assert_eq!(facts.exposure.minor_units(), offers * 500_001, "{second}");
    };
    check(1_200, 3).await;
    check(week + 599, 3).await;
    check(week + 600, 2).await;
    check(week + 1_200, 1).await;
    store.activate_offer(user(1), offer_id(1), after(2), message(1, 2)).await.unwrap();
    store.expire_offers(after(week + 600)).await.unwrap();
    check(1_200, 2).await;
    check(week + 1_200, 1).await;
}

/// Who asks again and again is denied for the denial that was about them, and it grows older all the same.
pub async fn a_denial_for_an_earlier_one_does_not_count<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1, 2]).await;
    let check = |of, expect: Option<Timestamp>| async move {
        assert_eq!(store.credit_facts(user(of), after(9_000)).await.unwrap().last_denied_at, expect);
    };
    let keep = |made: Decision| async move { store.record_decision(new_decision(made), None).await.unwrap() };
    keep(denial(1, 1, now())).await;
    check(1, Some(now())).await;
    check(2, None).await;
    keep(denied_again(2, after(600), Some(now()))).await;
    check(1, Some(now())).await;
    keep(denied_again(3, after(1_200), Some(now()))).await;
    check(1, Some(now())).await;
    keep(approval(1, 4, after(1_800))).await;
    check(1, Some(now())).await;
    keep(denial(1, 5, after(2_400))).await;
    check(1, Some(after(2_400))).await;
    // Such a denial names what it is for; one that doesn't stands for itself.
    keep(denied_again(6, after(3_000), None)).await;
    check(1, Some(after(3_000))).await;
}

fn denied_again(number: u128, at: Timestamp, last_denied_at: Option<Timestamp>) -> Decision {
    let outcome = Outcome::Denied(Denial { reasons: vec![Reason::DeniedRecently], text: "again".to_owned() });
    let facts = Facts { last_denied_at, ..Facts::NONE };
    Decision { outcome, facts, ..denial(1, number, at) }
}

/// A decision over facts that no longer hold leaves nothing behind.
pub async fn a_decision_over_other_facts_is_refused<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    make_offer(store, 1, 1, now()).await;
    let over = |facts: Facts, number, second| NewDecision {
        facts: Some(facts),
        ..new_decision(approval(1, number, after(second)))
    };
    let read = store.credit_facts(user(1), after(600)).await.unwrap();
    let less = Facts { exposure: Money::from_minor_units(500_000), ..read };
    let denied = Facts { last_denied_at: Some(now()), ..read };
    for (number, facts) in [(2, Facts::NONE), (3, less), (4, denied)] {
        let refused = store.record_decision(over(facts, number, 600), None).await;
        assert!(matches!(refused, Err(StoreError::Stale)), "{number}: {refused:?}");
    }
    assert_eq!(store.offers(user(1), first_page()).await.unwrap().total, 1);
    assert_eq!(store.standing_decision(user(1), after(1)).await.unwrap(), None);
    // What stands is told before it is asked what the other one was made of.
    assert!(store.record_decision(over(Facts::NONE, 5, 10), None).await.unwrap().repeated);
    assert!(!store.record_decision(over(read, 6, 600), None).await.unwrap().repeated);
}

/// Sixteen decisions at once over the same facts, none of which stands in the way of another: one offer is made of them.
pub async fn the_same_room_is_given_once<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    let decisions = (0..16).map(|number| {
        let new = new_decision(approval(1, number, now()));
        store.record_decision(
            NewDecision { stands_for: Duration::ZERO, facts: Some(Facts::NONE), ..new },
            None,
        )
    });
    let all = join_all(decisions).await;
    assert_eq!(all.iter().filter(|recorded| recorded.is_ok()).count(), 1);
    assert_eq!(all.iter().filter(|recorded| matches!(recorded, Err(StoreError::Stale))).count(), 15);
    assert_eq!(store.offers(user(1), first_page()).await.unwrap().total, 1);
}

/// Of many decisions at once each is kept, repeated or refused as if it were alone, and so is it read.
pub async fn decisions_of_many_at_once_are_each_their_own<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, 1..=40).await;
    let first = [denial(1, 101, now()), approval(2, 102, now())];
    for decision in first.clone() {
        store.record_decision(new_decision(decision), None).await.unwrap();
    }
    // The third one's facts are others, the fourth takes another decision's id, and the last is nobody.
    let made = |of: u128| match of {
        4 => denial(4, 101, after(10)),
        _ if of.is_multiple_of(3) => denial(of, of, after(10)),
        _ => approval(of, of, after(10)),
    };
    let others = Facts { exposure: Money::from_minor_units(1), ..Facts::NONE };
    let decide = |of: u128| {
        let facts = if of == 3 { others } else { Facts::NONE };
        store.record_decision(NewDecision { facts: Some(facts), ..new_decision(made(of)) }, None)
    };
    let all = join_all((1..=41).map(decide)).await;
    let read =
        join_all((1..=41).map(|of| store.standing_decision(user(of), after(if of < 3 { -1 } else { 9 }))))
            .await;
    let facts = join_all((1..=41).map(|of| store.credit_facts(user(of), after(10)))).await;
    for (((of, recorded), standing), facts) in (1_u128..).zip(all).zip(read).zip(facts) {
        let (standing, facts) = (standing.unwrap(), facts.unwrap());
        let kept = match (of, recorded) {
            (1 | 2, Ok(recorded)) if recorded.repeated => Some(first[usize::from(of == 2)].clone()),
            (3, Err(StoreError::Stale)) | (4 | 41, Err(StoreError::Corrupt(_))) => None,
            (5..=40, Ok(recorded)) if !recorded.repeated && recorded.decision == made(of) => Some(made(of)),
            (_, recorded) => panic!("{of}: {recorded:?}"),
        };
        let exposure = kept.as_ref().and_then(Decision::offer).map(|offer| offer.terms.credit_limit);
        assert_eq!(facts.exposure, exposure.unwrap_or(Money::from_minor_units(0)), "{of}");
        let denied_at = kept.as_ref().filter(|kept| kept.offer().is_none()).map(|kept| kept.decided_at);
        assert_eq!(facts.last_denied_at, denied_at, "{of}");
        assert_eq!(standing, kept, "{of}");
    }
    let totals = store.decision_totals().await.unwrap();
    assert_eq!((totals.log.unsealed, totals.unlogged, totals.undecided), (38, 0, 0));
}

async fn accepted_offer(store: &dyn Store) {
    register(store, [1]).await;
    make_offer(store, 1, 1, now()).await;
    store.accept_offer(user(1), offer_id(1), after(1), message(1, 1), None).await.unwrap();
}

async fn activate(store: &dyn Store, number: u128) -> ActivateResult {
    store.activate_offer(user(1), offer_id(1), after(2), message(1, number)).await.unwrap()
}
