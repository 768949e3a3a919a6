//! Requests with a key: one effect and one answer each, whatever crashes or dawdles.

use std::time::Duration;

use bytes::Bytes;
use ecs_domain::Timestamp;
use ecs_store::{
    AcceptResult, Begun, Claim, Fingerprint, KeptAnswer, Provision, Retained, Retention, Store, StoreError,
    StoredAnswer,
};
use futures::future::join_all;
use uuid::Uuid;

use crate::Harness;
use crate::fixtures::{
    after, approval, day, make_offer, message, new_decision, new_user, now, offer_id, register, user,
};

const LEASE: Duration = Duration::from_secs(60);
const SAME: Fingerprint = [1; 32];
const OTHER: Fingerprint = [2; 32];

/// Whoever asks second hears that the request is under way.
pub async fn a_key_is_claimed_once<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    assert_eq!(begin(&*store, 1, now()).await, Begun::Claimed);
    assert_eq!(begin(&*store, 2, now()).await, Begun::UnderWay);
    assert_eq!(begin(&*store, 3, after(59)).await, Begun::UnderWay);
}

/// Sixteen requests with one key at the same time: one of them is worked on.
pub async fn requests_at_the_same_time_are_one<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let all = join_all((1..=16).map(|holder| begin(&*store, holder, now()))).await;
    assert_eq!(all.iter().filter(|begun| **begun == Begun::Claimed).count(), 1);
    assert_eq!(all.iter().filter(|begun| **begun == Begun::UnderWay).count(), 15);
}

/// An answer comes back as it was given, and as long as it is kept.
pub async fn an_answer_is_replayed_to_the_byte<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    begin(&*store, 1, now()).await;
    let body = Bytes::from((0..=255).collect::<Vec<u8>>());
    let answer = StoredAnswer { status: 409, body };
    store.finish_request(KeptAnswer { claim: claim(1), answer: answer.clone() }).await.unwrap();
    for at in [now(), after(61), after(-86_400), after(86_400)] {
        assert_eq!(begin(&*store, 2, at).await, Begun::Answered(answer.clone()));
    }
}

/// A key that was used for something else says so, under way as well as answered.
pub async fn another_request_is_told_from_the_same_one<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    begin(&*store, 1, now()).await;
    let other = async || store.begin_request(&claim(2), OTHER, now(), LEASE).await.unwrap();
    assert_eq!(other().await, Begun::OtherRequest);
    store.finish_request(kept(1)).await.unwrap();
    assert_eq!(other().await, Begun::OtherRequest);
    assert_eq!(begin(&*store, 2, now()).await, answered(1), "the first one is as it was");
}

/// The same key of another caller, and another key of the same one, are other requests.
pub async fn scopes_do_not_meet<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    begin(&*store, 1, now()).await;
    for claim in [
        Claim { scope: "another".to_owned(), ..claim(2) },
        Claim { key: "another".to_owned(), ..claim(3) },
        Claim { key: "KEY".to_owned(), ..claim(4) },
    ] {
        assert_eq!(store.begin_request(&claim, OTHER, now(), LEASE).await.unwrap(), Begun::Claimed);
    }
}

/// Whoever gave up makes room; whoever comes late with it takes nothing from anybody.
pub async fn a_released_key_is_free<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    begin(&*store, 1, now()).await;
    store.release_request(&claim(1)).await.unwrap();
    let another = store.begin_request(&claim(2), OTHER, now(), LEASE).await.unwrap();
    assert_eq!(another, Begun::Claimed, "not even its fingerprint is left");
    store.release_request(&claim(1)).await.unwrap();
    assert_eq!(begin(&*store, 3, now()).await, Begun::OtherRequest, "the second claim stands");
    store.finish_request(kept(2)).await.unwrap();
    store.release_request(&claim(2)).await.unwrap();
    let answered = store.begin_request(&claim(3), OTHER, now(), LEASE).await.unwrap();
    assert_eq!(answered, Begun::Answered(kept(2).answer), "an answer is not released");
}

/// A process that died answers nobody: after the lease, somebody else may.
pub async fn a_claim_runs_out<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    begin(&*store, 1, now()).await;
    assert_eq!(begin(&*store, 2, after(60)).await, Begun::Claimed);
    assert_eq!(begin(&*store, 3, after(119)).await, Begun::UnderWay);
    store.finish_request(kept(2)).await.unwrap();
    assert_eq!(begin(&*store, 4, after(120)).await, answered(2));
}

/// A claim of the future is no claim: whoever made it had another clock.
pub async fn a_claim_of_the_future_is_none<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    begin(&*store, 1, after(3_600)).await;
    assert_eq!(begin(&*store, 2, now()).await, Begun::Claimed);
    assert_eq!(begin(&*store, 3, after(-20)).await, Begun::UnderWay, "clocks that differ a little");
}

/// The account is there, and so is the answer; or neither.
pub async fn a_registration_and_its_answer_are_one<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    begin(&*store, 1, now()).await;
    let new = new_user(1, "ana@example.com");
    let made = store.register(new.clone(), Some(kept(1))).await.unwrap();
    assert_eq!(made, new.user());
    assert_eq!(begin(&*store, 2, after(3_600)).await, answered(1));
    let lost = store.register(new_user(2, "bia@example.com"), Some(kept(1))).await.unwrap_err();
    assert!(matches!(lost, StoreError::ClaimLost), "it was answered: {lost}");
    assert_eq!(store.user(user(2)).await.unwrap(), None);
}

/// The same for an account without a password.
pub async fn a_provision_and_its_answer_are_one<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let partners = |number| Provision {
        id: user(number),
        external_id: Some(format!("partner-{number}")),
        email: None,
        now: now(),
    };
    begin(&*store, 1, now()).await;
    let made = store.provision(partners(1), Some(kept(1))).await.unwrap();
    assert!(made.created);
    assert_eq!(made.user, partners(1).user());
    assert_eq!(begin(&*store, 2, after(3_600)).await, answered(1));
    assert!(matches!(store.provision(partners(2), Some(kept(1))).await, Err(StoreError::ClaimLost)));
    assert_eq!(store.user(user(2)).await.unwrap(), None);
}

/// The same for a decision with its offer.
pub async fn a_decision_and_its_answer_are_one<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(&*store, [1, 2]).await;
    begin(&*store, 1, now()).await;
    let recorded = store.record_decision(new_decision(approval(1, 1, now())), Some(kept(1))).await.unwrap();
    assert_eq!((recorded.repeated, recorded.decision), (false, approval(1, 1, now())));
    assert_eq!(begin(&*store, 2, after(3_600)).await, answered(1));
    let again = store.record_decision(new_decision(approval(2, 2, now())), Some(kept(1))).await;
    assert!(matches!(again, Err(StoreError::ClaimLost)));
    assert!(store.standing_decision(user(2), after(-1)).await.unwrap().is_none());
    assert_eq!(store.offer(user(2), offer_id(2)).await.unwrap(), None);
}

/// The same for an acceptance with its message.
pub async fn an_acceptance_and_its_answer_are_one<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(&*store, [1, 2]).await;
    make_offer(&*store, 1, 1, now()).await;
    make_offer(&*store, 2, 2, now()).await;
    begin(&*store, 1, now()).await;
    assert!(matches!(accept(&*store, 1, Some(kept(1))).await.unwrap(), AcceptResult::Accepted(_)));
    assert_eq!(begin(&*store, 2, after(3_600)).await, answered(1));
    assert!(matches!(accept(&*store, 2, Some(kept(1))).await, Err(StoreError::ClaimLost)));
    assert_eq!(store.outbox_depth().await.unwrap(), 1, "the second offer is as it was");
    assert!(matches!(accept(&*store, 2, None).await.unwrap(), AcceptResult::Accepted(_)));
}

/// What changed nothing keeps nothing by itself: the answer would tell of something that wasn't.
pub async fn without_an_effect_no_answer_is_kept<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(&*store, [1]).await;
    make_offer(&*store, 1, 1, now()).await;
    accept(&*store, 1, None).await.unwrap();
    begin(&*store, 1, now()).await;
    let taken = store.register(new_user(2, "user1@example.com"), Some(kept(1))).await.unwrap_err();
    assert!(matches!(taken, StoreError::Taken("email")), "{taken}");
    let known = || Provision { id: user(3), external_id: Some("p".to_owned()), email: None, now: now() };
    store.provision(known(), None).await.unwrap();
    assert!(!store.provision(known(), Some(kept(1))).await.unwrap().created);
    let standing = new_decision(approval(1, 2, after(1)));
    assert!(store.record_decision(standing, Some(kept(1))).await.unwrap().repeated);
    assert_eq!(accept(&*store, 1, Some(kept(1))).await.unwrap(), AcceptResult::AlreadyAccepted);
    assert_eq!(begin(&*store, 2, now()).await, Begun::UnderWay, "the claim is still held");
    store.finish_request(kept(1)).await.unwrap();
    assert_eq!(begin(&*store, 2, now()).await, answered(1));
}

/// A request that outlived its claim must not have an effect beside that of its repetition.
pub async fn whoever_lost_the_claim_changes_nothing<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    begin(&*store, 1, now()).await;
    assert_eq!(begin(&*store, 2, after(60)).await, Begun::Claimed);
    let late = store.register(new_user(1, "ana@example.com"), Some(kept(1))).await.unwrap_err();
    assert!(matches!(late, StoreError::ClaimLost), "{late}");
    assert_eq!(store.user(user(1)).await.unwrap(), None);
    store.register(new_user(2, "ana@example.com"), Some(kept(2))).await.unwrap();
    assert_eq!(begin(&*store, 3, after(61)).await, answered(2));
}

/// Nor may it put an answer in the place of another's, while its claim was only taken over as well as after.
pub async fn whoever_lost_the_claim_says_nothing<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    begin(&*store, 1, now()).await;
    begin(&*store, 2, after(60)).await;
    assert!(matches!(store.finish_request(kept(1)).await, Err(StoreError::ClaimLost)));
    store.finish_request(kept(2)).await.unwrap();
    assert!(matches!(store.finish_request(kept(1)).await, Err(StoreError::ClaimLost)));
    assert_eq!(begin(&*store, 3, after(61)).await, answered(2));
    // Nobody has heard of this one.
    let stranger = KeptAnswer { claim: Claim { key: "another".to_owned(), ..claim(4) }, ..kept(4) };
    assert!(matches!(store.finish_request(stranger).await, Err(StoreError::ClaimLost)));
}

/// A restart forgets no answer. It leaves no request under way either, where nobody else can be at work: elsewhere a claim
/// runs out.
pub async fn reopening_frees_claims_and_keeps_answers<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    begin(&*store, 1, now()).await;
    store.register(new_user(1, "ana@example.com"), Some(kept(1))).await.unwrap();
    let dead = Claim { key: "another".to_owned(), ..claim(2) };
    store.begin_request(&dead, SAME, now(), LEASE).await.unwrap();
    drop(store);
    let harness = harness.reopen().await;
    let store = harness.store();
    assert_eq!(begin(&*store, 3, now()).await, answered(1));
    let next = Claim { holder: claim(3).holder, ..dead };
    if H::is_shared() {
        let met = store.begin_request(&next, OTHER, now(), LEASE).await.unwrap();
        assert_eq!(met, Begun::OtherRequest, "somebody else may be at work on it");
    }
    let later = if H::is_shared() { after(60) } else { now() };
    assert_eq!(store.begin_request(&next, OTHER, later, LEASE).await.unwrap(), Begun::Claimed);
}

/// Answers hold what customers were told, so they are kept for a bounded time.
pub async fn old_answers_go<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    begin(&*store, 1, now()).await;
    store.finish_request(kept(1)).await.unwrap();
    let keep_from = |answers_since| Retention {
        raw_floor: day("2026-10-22"),
        ids_since: after(-86_400),
        answers_since,
        now: now(),
    };
    let dropped = |answers| Retained { answers, ..Retained::default() };
    assert_eq!(store.retain(keep_from(now())).await.unwrap(), dropped(0));
    assert_eq!(begin(&*store, 2, after(86_400)).await, answered(1));
    assert_eq!(store.retain(keep_from(after(1))).await.unwrap(), dropped(1));
    assert_eq!(begin(&*store, 3, after(86_400)).await, Begun::Claimed);
}

fn claim(holder: u128) -> Claim {
    Claim { scope: "ana POST /v1/users".to_owned(), key: "key".to_owned(), holder: Uuid::from_u128(holder) }
}

/// An answer that names its holder.
fn kept(holder: u128) -> KeptAnswer {
    let body = Bytes::from(format!("{{\"holder\":{holder}}}"));
    KeptAnswer { claim: claim(holder), answer: StoredAnswer { status: 201, body } }
}

fn answered(holder: u128) -> Begun {
    Begun::Answered(kept(holder).answer)
}

async fn begin(store: &dyn Store, holder: u128, at: Timestamp) -> Begun {
    store.begin_request(&claim(holder), SAME, at, LEASE).await.unwrap()
}

async fn accept(
    store: &dyn Store,
    number: u128,
    answer: Option<KeptAnswer>,
) -> Result<AcceptResult, StoreError> {
    let message = message(number, number);
    store.accept_offer(user(number), offer_id(number), after(1), message, answer).await
}
