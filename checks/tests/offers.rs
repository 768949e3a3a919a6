//! The life of offers: explored, and held against the real store under concurrent callers.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ecs_checks::offers::life::{Fault, Life};
use ecs_checks::offers::{Answer, Call, OPEN, Offers, STANDS};
use ecs_checks::{breaks, explore};
use ecs_domain::decision::{Decision, Outcome};
use ecs_domain::{EventId, Timestamp};
use ecs_store::{AcceptResult, ActivateResult, Maintenance as _, NewDecision, Store};
use ecs_store_conformance::fixtures::{
    after, approval, event_id, first_page, message, offer_id, register, user,
};
use ecs_store_sqlite::{Options, SqliteStore, Synchronous};
use ecs_vault::Keyring;
use futures::future::join_all;
use proptest::prelude::*;
use stateright::Checker;
use stateright::semantics::{ConsistencyTester as _, LinearizabilityTester, SequentialSpec as _};

#[test]
fn nothing_goes_wrong_with_an_offer_in_any_order() {
    let checker = explore(Life { fault: None });
    checker.assert_properties();
    eprintln!("{} states", checker.unique_state_count());
    assert!(checker.unique_state_count() > 10_000, "only {} states", checker.unique_state_count());
}

#[test]
fn the_exploration_finds_planted_faults() {
    let finds = |fault, property| {
        assert!(breaks(Life { fault: Some(fault) }, property), "{fault:?} should break: {property}");
    };
    finds(Fault::DecidesInTwoSteps, "a decision stands");
    finds(Fault::AcceptsInTwoSteps, "an offer is accepted once");
    finds(Fault::SweepsWhatWasAccepted, "what was accepted stays accepted");
    finds(Fault::NotifiesAfterwards, "one notification for each active offer");
    finds(Fault::NotifiesBeforehand, "one notification for each active offer");
}

/// The user who asks, and the one who never owns anything.
const OWNER: u128 = 1;
const ANOTHER: u128 = 2;
/// Notifications have numbers of their own.
const NOTIFICATION: u128 = 1_000;

fn at(tick: u8) -> Timestamp {
    after(i64::from(tick) * 60)
}

/// The offer is open for so many ticks.
fn decision(number: u8, tick: u8) -> Decision {
    let mut decision = approval(OWNER, number.into(), at(tick));
    if let Outcome::Approved(offer) = &mut decision.outcome {
        offer.expires_at = at(tick + OPEN);
    }
    decision
}

/// Makes the call on the real store.
async fn call(store: &dyn Store, call: Call) -> Answer {
    match call {
        Call::Decide(number, tick) => {
            let stands_for = Duration::from_secs(60) * u32::from(STANDS);
            let new = NewDecision { decision: decision(number, tick), stands_for, facts: None };
            let recorded = store.record_decision(new, None).await.unwrap();
            let offer = recorded.decision.offer().unwrap().id;
            let number = (0..=u8::MAX).find(|number| offer_id((*number).into()) == offer).unwrap();
            Answer::Decided(number, recorded.repeated)
        }
        Call::Accept(number, tick) => accept(store, OWNER, number, tick).await,
        Call::AcceptAsAnother(number, tick) => accept(store, ANOTHER, number, tick).await,
        Call::Activate(number, tick) => {
            let message = message(OWNER, NOTIFICATION + u128::from(number));
            let offer = offer_id(number.into());
            match store.activate_offer(user(OWNER), offer, at(tick), message).await.unwrap() {
                ActivateResult::Activated => Answer::Done,
                ActivateResult::AlreadyActive => Answer::DoneBefore,
                ActivateResult::NotAccepted => Answer::TooEarly,
                ActivateResult::Unknown => Answer::Unknown,
            }
        }
        Call::Expire(tick) => Answer::Expired(store.expire_offers(at(tick)).await.unwrap()),
        Call::Look => look(store).await,
    }
}

async fn accept(store: &dyn Store, who: u128, number: u8, tick: u8) -> Answer {
    let message = message(who, number.into());
    match store.accept_offer(user(who), offer_id(number.into()), at(tick), message, None).await.unwrap() {
        AcceptResult::Accepted(_) => Answer::Done,
        AcceptResult::AlreadyAccepted => Answer::DoneBefore,
        AcceptResult::Expired => Answer::TooLate,
        AcceptResult::Unknown => Answer::Unknown,
    }
}

async fn look(store: &dyn Store) -> Answer {
    let rows = store.claim_outbox(1_000, at(0), Duration::ZERO).await.unwrap();
    let count = |id: EventId| u8::try_from(rows.iter().filter(|row| row.id == id).count()).unwrap();
    let offers = store.offers(user(OWNER), first_page()).await.unwrap().items;
    let mut seen: Vec<_> = (0..=u8::MAX)
        .filter_map(|number| {
            let offer = offers.iter().find(|offer| offer.id == offer_id(number.into()))?;
            let approved = count(event_id(number.into()));
            Some((number, offer.status, approved, count(event_id(NOTIFICATION + u128::from(number)))))
        })
        .collect();
    seen.sort_by_key(|(number, ..)| *number);
    assert_eq!(seen.len(), offers.len());
    Answer::Seen(seen)
}

/// A few calls at the same time, and then again a few; mostly a little later.
fn rounds() -> impl Strategy<Value = Vec<Vec<Call>>> {
    // Numbers are made distinct below; decisions of one number would be one decision.
    let one = prop_oneof![
        2 => Just(Call::Decide(0, 0)),
        4 => (0_u8..3).prop_map(|number| Call::Accept(number, 0)),
        1 => (0_u8..3).prop_map(|number| Call::AcceptAsAnother(number, 0)),
        4 => (0_u8..3).prop_map(|number| Call::Activate(number, 0)),
        2 => Just(Call::Expire(0)),
    ];
    let later = prop_oneof![4 => Just(0_i8), 3 => Just(1), 1 => Just(2), 1 => Just(-1)];
    let round = (later, proptest::collection::vec(one, 1..5));
    proptest::collection::vec(round, 4..16).prop_map(|rounds| {
        let mut tick = 0_u8;
        let mut at_tick = |(later, calls): (i8, Vec<Call>)| {
            tick = tick.saturating_add_signed(later);
            calls.into_iter().map(|call| timed(call, tick)).collect()
        };
        rounds.into_iter().map(&mut at_tick).collect()
    })
}

fn timed(call: Call, tick: u8) -> Call {
    match call {
        Call::Decide(number, _) => Call::Decide(number, tick),
        Call::Accept(number, _) => Call::Accept(number, tick),
        Call::AcceptAsAnother(number, _) => Call::AcceptAsAnother(number, tick),
        Call::Activate(number, _) => Call::Activate(number, tick),
        Call::Expire(_) => Call::Expire(tick),
        Call::Look => Call::Look,
    }
}

/// Decisions make offers 0, 1, 2, … so that the others meet them.
fn numbered(rounds: Vec<Vec<Call>>) -> Vec<Vec<Call>> {
    let mut next = 0;
    let mut number = |call| match call {
        Call::Decide(_, tick) => {
            next += 1;
            Call::Decide(next - 1, tick)
        }
        other => other,
    };
    rounds.into_iter().map(|round| round.into_iter().map(&mut number).collect()).collect()
}

type History = Mutex<LinearizabilityTester<usize, Offers>>;

async fn recorded(history: &History, caller: usize, store: Arc<SqliteStore>, made: Call) {
    history.lock().unwrap().on_invoke(caller, made).unwrap();
    let answer = tokio::spawn(async move { call(&*store, made).await }).await.unwrap();
    history.lock().unwrap().on_return(caller, answer).unwrap();
}

/// Whether there is an order of the calls, each between its beginning and its end, in which the model gives the very
/// answers that the store gave.
async fn is_linearizable(rounds: Vec<Vec<Call>>) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { synchronous: Synchronous::Off, ..Options::default() };
    let store =
        Arc::new(SqliteStore::open(folder.path().join("store.db"), Keyring::in_memory(), options).unwrap());
    register(&*store, [OWNER, ANOTHER]).await;
    let mut model = Offers::default();
    for round in numbered(rounds) {
        let history: History = Mutex::new(LinearizabilityTester::new(model.clone()));
        let calls = round.iter().enumerate();
        join_all(calls.map(|(caller, call)| recorded(&history, caller, Arc::clone(&store), *call))).await;
        recorded(&history, 0, Arc::clone(&store), Call::Look).await;
        let order = history.lock().unwrap().serialized_history();
        let Some(order) = order else {
            return Err(TestCaseError::fail(format!("no order explains {:?}", history.lock().unwrap())));
        };
        for (call, _) in order {
            model.invoke(&call);
        }
    }
    store.close().await.unwrap();
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(48), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_answers_concurrent_calls_as_if_they_came_one_after_the_other(rounds in rounds()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(is_linearizable(rounds))?;
    }
}

/// The history that the test above would meet if two callers could both accept an offer.
#[test]
fn an_offer_that_was_accepted_twice_is_explained_by_no_order() {
    let explained = |answers: [Answer; 2]| {
        let mut model = Offers::default();
        model.invoke(&Call::Decide(0, 0));
        let mut history = LinearizabilityTester::new(model);
        for caller in 0..answers.len() {
            history.on_invoke(caller, Call::Accept(0, 1)).unwrap();
        }
        for (caller, answer) in answers.into_iter().enumerate() {
            history.on_return(caller, answer).unwrap();
        }
        history.is_consistent()
    };
    assert!(explained([Answer::DoneBefore, Answer::Done]));
    assert!(!explained([Answer::Done, Answer::Done]));
    assert!(!explained([Answer::DoneBefore, Answer::DoneBefore]));
}

/// A tenth of `PROPTEST_CASES`, or few: each case opens a file.
fn cases(few: u32) -> u32 {
    std::env::var("PROPTEST_CASES").map_or(few, |cases| cases.parse::<u32>().unwrap().div_ceil(10))
}
