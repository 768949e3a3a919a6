//! Reviews of decisions by people.

use std::time::Duration;

use ecs_domain::offer::{Offer, OfferStatus};
use ecs_domain::review::{Claim, DUE_AFTER, Refusal, Review, ReviewOutcome, ReviewState, ReviewText};
use ecs_store::audit::EntryFilter;
use ecs_store::decision_log::Standing;
use ecs_store::{
    Aged, Begun, Due, ErasureRequest, KeptAnswer, NewReview, PageRequest, ReviewBacklog, ReviewChange,
    ReviewRequested, Store, StoreError, StoredAnswer, Verdict,
};
use futures::future::join_all;
use jiff::ToSpan;
use uuid::Uuid;

use crate::Harness;
use crate::fixtures::{
    after, approval, decision_id, denial, first_page, make_offer, message, new_decision, now, offer_id,
    register, review_id, user,
};

const OFFICER: u128 = 8;
const OTHER: u128 = 9;

/// Each step shows in what is read, and nothing is lost on the way.
pub async fn a_review_goes_from_the_wish_to_the_conclusion<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    denied(store, [1]).await;
    let made = requested(store, 1, 1, 0).await;
    let expect = Review {
        id: review_id(1),
        decision: decision_id(1),
        user: user(1),
        requested_at: now(),
        due_at: now() + 360.hours(),
        comment: Some(text("please look again")),
        claim: None,
        conclusion: None,
    };
    assert_eq!((&made, made.state()), (&expect, ReviewState::Open));
    assert_eq!(store.review(review_id(1)).await.unwrap(), Some(made));
    let claim = Some(Claim { by: user(OFFICER), at: after(5) });
    let claimed = done(store.claim_review(review_id(1), user(OFFICER), after(5)).await.unwrap());
    assert_eq!(claimed, Review { claim, ..expect });
    let again = done(store.claim_review(review_id(1), user(OFFICER), after(6)).await.unwrap());
    assert_eq!(again, claimed, "who has it keeps it, since then");
    let concluded = done(store.conclude_review(verdict(1, 1, 7)).await.unwrap());
    let conclusion = concluded.conclusion.clone().unwrap();
    assert_eq!(
        (conclusion.at, conclusion.outcome, conclusion.offer),
        (after(7), ReviewOutcome::Upheld, None)
    );
    assert_eq!(conclusion.explanation, text("seen and judged"));
    assert_eq!(store.review_of(user(1), decision_id(1)).await.unwrap(), Some(concluded));
    assert_eq!(store.outbox_depth().await.unwrap(), 1, "the person is told");
    assert_eq!(store.review(review_id(2)).await.unwrap(), None);
}

/// While it isn't concluded no other is made; afterwards one may be, and is the last.
pub async fn a_decision_has_one_review_at_a_time<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    denied(store, [1, 2]).await;
    requested(store, 1, 1, 0).await;
    let second = || store.request_review(wish(1, 2, 5), None);
    assert_eq!(second().await.unwrap(), ReviewRequested::UnderWay);
    store.claim_review(review_id(1), user(OFFICER), after(6)).await.unwrap();
    assert_eq!(second().await.unwrap(), ReviewRequested::UnderWay);
    requested(store, 2, 9, 6).await;
    done(store.conclude_review(verdict(1, 1, 7)).await.unwrap());
    assert!(matches!(second().await.unwrap(), ReviewRequested::Made(_)));
    assert_eq!(store.review_of(user(1), decision_id(1)).await.unwrap().unwrap().id, review_id(2));
}

/// Sixteen wishes at once make one review.
pub async fn of_many_wishes_at_once_one_is_first<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    denied(store, [1]).await;
    let all = join_all((0..16).map(|number| store.request_review(wish(1, number, 0), None))).await;
    let all: Vec<_> = all.into_iter().map(Result::unwrap).collect();
    assert_eq!(all.iter().filter(|one| matches!(one, ReviewRequested::Made(_))).count(), 1);
    assert_eq!(all.iter().filter(|one| **one == ReviewRequested::UnderWay).count(), 15);
    assert_eq!(page(store, ReviewState::Open).await.len(), 1);
}

/// Only whoever a decision is about asks for its review, and nobody who is being erased.
pub async fn anothers_decision_is_not_reviewed<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    denied(store, [1, 2]).await;
    let others = NewReview { user: user(2), ..wish(1, 1, 0) };
    assert_eq!(store.request_review(others, None).await.unwrap(), ReviewRequested::Unknown);
    let nobodys = NewReview { decision: decision_id(7), ..wish(1, 1, 0) };
    assert_eq!(store.request_review(nobodys, None).await.unwrap(), ReviewRequested::Unknown);
    requested(store, 1, 1, 0).await;
    assert_eq!(store.review_of(user(2), decision_id(1)).await.unwrap(), None);
    for of in 1..=2 {
        let request = ErasureRequest { user: user(of), by: user(of), with_credit: false, now: after(1) };
        store.request_erasure(request).await.unwrap();
    }
    assert_eq!(store.request_review(wish(2, 2, 2), None).await.unwrap(), ReviewRequested::Unknown);
    store.claim_review(review_id(1), user(OFFICER), after(2)).await.unwrap();
    assert_eq!(store.conclude_review(verdict(1, 1, 3)).await.unwrap(), ReviewChange::Unknown);
    harness.keyring().destroy(user(1), after(4)).await.unwrap();
    assert_eq!(store.review(review_id(1)).await.unwrap(), None);
    assert_eq!(page(store, ReviewState::Claimed).await, []);
}

/// The answer is kept with the review, or neither is there.
pub async fn a_wish_and_its_answer_are_one<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    denied(store, [1]).await;
    let answer = StoredAnswer { status: 201, body: "made".into() };
    let scope = format!("{} POST /v1/decisions/{{decision_id}}/review", user(1));
    let claim = ecs_store::Claim { scope, key: "once".to_owned(), holder: Uuid::from_u128(1) };
    let kept = KeptAnswer { claim: claim.clone(), answer: answer.clone() };
    let unclaimed = store.request_review(wish(1, 1, 0), Some(kept.clone())).await;
    assert!(matches!(unclaimed, Err(StoreError::ClaimLost)), "{unclaimed:?}");
    assert_eq!(page(store, ReviewState::Open).await, []);
    let lease = Duration::from_secs(60);
    store.begin_request(&claim, [1; 32], now(), lease).await.unwrap();
    assert!(matches!(
        store.request_review(wish(1, 1, 0), Some(kept)).await.unwrap(),
        ReviewRequested::Made(_)
    ));
    let again = store.begin_request(&claim, [1; 32], after(1), lease).await.unwrap();
    assert_eq!(again, Begun::Answered(answer));
}

/// Two officers reach for the same review: one has it, the other hears so.
pub async fn of_officers_who_claim_at_once_one_does<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    denied(store, [1]).await;
    requested(store, 1, 1, 0).await;
    let claims = (20..36).map(|officer| store.claim_review(review_id(1), user(officer), after(1)));
    let all: Vec<_> = join_all(claims).await.into_iter().map(Result::unwrap).collect();
    let winners: Vec<_> = all.iter().filter(|one| matches!(one, ReviewChange::Done(_))).collect();
    assert_eq!(winners, [&ReviewChange::Done(store.review(review_id(1)).await.unwrap().unwrap())]);
    assert_eq!(all.iter().filter(|one| **one == ReviewChange::Refused(Refusal::Taken)).count(), 15);
}

/// A day later somebody else may, and the first one no more.
pub async fn a_claim_that_leads_to_nothing_is_taken_over<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    denied(store, [1]).await;
    requested(store, 1, 1, 0).await;
    let claim = |officer, seconds| store.claim_review(review_id(1), user(officer), after(seconds));
    done(claim(OFFICER, 1).await.unwrap());
    assert_eq!(claim(OTHER, 86_400).await.unwrap(), ReviewChange::Refused(Refusal::Taken));
    done(claim(OTHER, 86_401).await.unwrap());
    let late = store.conclude_review(verdict(1, 1, 86_402)).await.unwrap();
    assert_eq!(late, ReviewChange::Refused(Refusal::Taken));
}

/// Whoever asked neither claims nor concludes.
pub async fn nobody_reviews_their_own_affairs<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    denied(store, [1]).await;
    requested(store, 1, 1, 0).await;
    let own = || ReviewChange::Refused(Refusal::Own);
    assert_eq!(store.claim_review(review_id(1), user(1), after(1)).await.unwrap(), own());
    let verdict = Verdict { officer: user(1), ..verdict(1, 1, 2) };
    assert_eq!(store.conclude_review(verdict).await.unwrap(), own());
    assert_eq!(
        store.claim_review(review_id(2), user(OFFICER), after(1)).await.unwrap(),
        ReviewChange::Unknown
    );
}

/// A conclusion needs its claim, and comes once.
pub async fn who_concludes_has_claimed<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    denied(store, [1]).await;
    requested(store, 1, 1, 0).await;
    let conclude = |seconds| store.conclude_review(verdict(1, 1, seconds));
    assert_eq!(conclude(1).await.unwrap(), ReviewChange::Refused(Refusal::NotClaimed));
    store.claim_review(review_id(1), user(OFFICER), after(2)).await.unwrap();
    let both = join_all([conclude(3), conclude(3)]).await;
    assert_eq!(both.iter().filter(|one| matches!(one, Ok(ReviewChange::Done(_)))).count(), 1);
    let over = || ReviewChange::Refused(Refusal::Concluded);
    assert_eq!(both.into_iter().filter(|one| *one.as_ref().unwrap() == over()).count(), 1);
    assert_eq!(store.claim_review(review_id(1), user(OFFICER), after(4)).await.unwrap(), over());
    assert_eq!(store.outbox_depth().await.unwrap(), 1);
}

/// What an officer offers is an offer like any other, and takes the place of what was open.
pub async fn an_overturned_decision_makes_an_offer<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    store.record_decision(new_decision(approval(1, 1, now())), None).await.unwrap();
    requested(store, 1, 1, 0).await;
    store.claim_review(review_id(1), user(OFFICER), after(1)).await.unwrap();
    let concluded = done(store.conclude_review(overturning(1, 1, 2)).await.unwrap());
    assert_eq!(concluded.conclusion.unwrap().offer, Some(offer_id(2)));
    assert_eq!(store.offer(user(1), offer_id(2)).await.unwrap(), overturning(1, 1, 2).offer);
    assert_eq!(store.offer(user(1), offer_id(1)).await.unwrap().unwrap().status, OfferStatus::Expired);
    store.accept_offer(user(1), offer_id(2), after(3), message(1, 3), None).await.unwrap();
    assert_eq!(store.offer(user(1), offer_id(2)).await.unwrap().unwrap().status, OfferStatus::Accepted);
}

/// All or nothing: an offer that can't be kept takes its review along.
pub async fn a_conclusion_that_fails_leaves_nothing<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    denied(store, [1]).await;
    register(store, [2]).await;
    make_offer(store, 2, 2, now()).await;
    requested(store, 1, 1, 0).await;
    store.claim_review(review_id(1), user(OFFICER), after(1)).await.unwrap();
    assert!(store.conclude_review(overturning(1, 1, 2)).await.is_err(), "the offer's id is another's");
    assert_eq!(store.review(review_id(1)).await.unwrap().unwrap().state(), ReviewState::Claimed);
    assert_eq!(
        (store.outbox_depth().await.unwrap(), store.offer(user(1), offer_id(2)).await.unwrap()),
        (0, None)
    );
}

/// Who asked first waits least; of what is over the youngest comes first.
pub async fn reviews_are_listed_by_when_they_are_due<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    denied(store, 1..=5).await;
    for (of, seconds) in [(3, 30), (1, 10), (2, 20), (4, 40), (5, 50)] {
        requested(store, of, of, seconds).await;
    }
    assert_eq!(page(store, ReviewState::Open).await, [1, 2, 3, 4, 5]);
    let second = store.reviews(ReviewState::Open, PageRequest { page: 2, page_size: 2 }).await.unwrap();
    let ids: Vec<_> = second.items.iter().map(|review| review.id).collect();
    assert_eq!((second.total, ids), (5, vec![review_id(3), review_id(4)]));
    for of in [2, 4] {
        store.claim_review(review_id(of), user(OFFICER), after(60)).await.unwrap();
        assert_eq!(page(store, ReviewState::Claimed).await, [of]);
        done(store.conclude_review(verdict(of, of, 61)).await.unwrap());
    }
    assert_eq!(page(store, ReviewState::Open).await, [1, 3, 5]);
    assert_eq!(page(store, ReviewState::Concluded).await, [4, 2]);
}

/// What is claimed waits as well.
pub async fn the_backlog_is_counted<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    denied(store, [1, 2]).await;
    assert_eq!(store.review_backlog().await.unwrap(), ReviewBacklog::default());
    requested(store, 1, 1, 10).await;
    requested(store, 2, 2, 20).await;
    store.claim_review(review_id(1), user(OFFICER), after(30)).await.unwrap();
    let both = ReviewBacklog { waiting: 2, oldest: Some(after(10)) };
    assert_eq!(store.review_backlog().await.unwrap(), both);
    done(store.conclude_review(verdict(1, 1, 31)).await.unwrap());
    let one = ReviewBacklog { waiting: 1, oldest: Some(after(20)) };
    assert_eq!(store.review_backlog().await.unwrap(), one);
}

/// Neither side's words are in any table.
pub async fn what_is_written_about_a_review_stands_sealed<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    denied(store, [1]).await;
    concluded(store, 1, 1).await;
    for (table, text) in harness.everything().await {
        for words in ["look again", "seen and judged"] {
            assert!(!text.contains(words), "{table} holds {words}");
        }
    }
    let review = store.review(review_id(1)).await.unwrap().unwrap();
    assert_eq!(review.comment, Some(text("please look again")));
}

/// Each step stands there once, with who took it.
pub async fn steps_of_a_review_are_audited<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    denied(store, [1]).await;
    concluded(store, 1, 1).await;
    let told = store.entries(&EntryFilter::default(), None, 10).await.unwrap();
    let acts: Vec<_> = told.iter().map(|entry| (entry.act.as_str(), entry.actor)).collect();
    let (person, officer) = (user(1).uuid(), user(OFFICER).uuid());
    let expect = [("review.concluded", officer), ("review.claimed", officer), ("review.requested", person)];
    assert_eq!(acts, expect);
    assert!(told.iter().all(|entry| entry.subject == user(1).to_string()));
    assert!(told[0].after.contains("overturned") && !told[0].after.contains("judged"), "{:?}", told[0]);
}

/// A decision, its review and what that has offered go together, and stay while anything of it may be a credit.
pub async fn reviews_go_with_their_decision<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    denied(store, [1, 3]).await;
    register(store, [5]).await;
    store.record_decision(new_decision(approval(5, 5, now())), None).await.unwrap();
    for of in [1, 3, 5] {
        concluded(store, of, of).await;
    }
    store.accept_offer(user(3), offer_id(4), after(3), message(3, 3), None).await.unwrap();
    let drop = async |days: i64| {
        let before = after(days * 86_400);
        store.drop_aged(Due { rows: Aged::Decisions, before, now: before, most: 10 }).await.unwrap()
    };
    assert_eq!(drop(1).await, 0, "all of the offers may be accepted");
    assert_eq!(drop(60).await, 2, "the first denial and the approval");
    for of in [1, 5] {
        assert_eq!(store.review(review_id(of)).await.unwrap(), None);
        assert_eq!(store.offer(user(of), offer_id(of + 1)).await.unwrap(), None);
    }
    assert_eq!(store.offer(user(5), offer_id(5)).await.unwrap(), None);
    assert!(store.review(review_id(3)).await.unwrap().is_some(), "it has made a credit");
    let logged = store.logged(None).await.unwrap();
    let gone = logged.iter().filter(|logged| logged.standing == Some(Standing::Aged));
    assert_eq!((gone.count(), logged.iter().filter(|logged| logged.standing.is_none()).count()), (4, 4));
    let totals = store.decision_totals().await.unwrap();
    assert_eq!((totals.unlogged, totals.undecided), (0, 0));
}

/// Asks for a review of a user's decision of this number, and has it overturned.
pub(crate) async fn concluded(store: &dyn Store, of: u128, number: u128) {
    let new = NewReview { decision: decision_id(number), ..wish(of, number, 0) };
    store.request_review(new, None).await.unwrap();
    store.claim_review(review_id(number), user(OFFICER), after(1)).await.unwrap();
    done(store.conclude_review(overturning(of, number, 2)).await.unwrap());
}

/// Registers users, whose decisions of the same numbers are denials.
async fn denied(store: &dyn Store, numbers: impl IntoIterator<Item = u128>) {
    for number in numbers {
        register(store, [number]).await;
        store.record_decision(new_decision(denial(number, number, now())), None).await.unwrap();
    }
}

async fn requested(store: &dyn Store, of: u128, number: u128, seconds: i64) -> Review {
    match store.request_review(wish(of, number, seconds), None).await.unwrap() {
        ReviewRequested::Made(review) => review,
        other => panic!("not made: {other:?}"),
    }
}

/// The wish of a user to have the decision of their own number reviewed.
fn wish(of: u128, number: u128, seconds: i64) -> NewReview {
    NewReview {
        id: review_id(number),
        decision: decision_id(of),
        user: user(of),
        comment: Some(text("please look again")),
        now: after(seconds),
        due_at: after(seconds).saturating_add(DUE_AFTER).unwrap(),
    }
}

fn verdict(of: u128, number: u128, seconds: i64) -> Verdict {
    Verdict {
        id: review_id(number),
        officer: user(OFFICER),
        now: after(seconds),
        outcome: ReviewOutcome::Upheld,
        explanation: text("seen and judged"),
        offer: None,
        message: message(of, 900 + number),
    }
}

/// With the offer of the next number.
fn overturning(of: u128, number: u128, seconds: i64) -> Verdict {
    let offered: Offer = approval(of, number + 1, after(seconds)).offer().unwrap().clone();
    // The biography has offers of these numbers already.
    let offered = if number < 100 { offered } else { Offer { id: offer_id(number + 70), ..offered } };
    Verdict { outcome: ReviewOutcome::Overturned, offer: Some(offered), ..verdict(of, number, seconds) }
}

fn done(change: ReviewChange) -> Review {
    match change {
        ReviewChange::Done(review) => review,
        other => panic!("not done: {other:?}"),
    }
}

fn text(words: &str) -> ReviewText {
    ReviewText::new(words.to_owned()).unwrap()
}

/// The numbers of the reviews that stand like this.
async fn page(store: &dyn Store, state: ReviewState) -> Vec<u128> {
    let found = store.reviews(state, first_page()).await.unwrap();
    assert!(found.items.iter().all(|review| review.state() == state));
    found.items.iter().map(|review| review.id.uuid().as_u128() - review_id(0).uuid().as_u128()).collect()
}
