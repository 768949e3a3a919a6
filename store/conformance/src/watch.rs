//! The watch over decisions: each batch is counted once, what is told changes once, and nobody is looked at without consent.

use ecs_domain::Day;
use ecs_domain::attributes::Attributes;
use ecs_domain::consent::Purpose;
use ecs_domain::watch::{MISSING, Measure, Standing};
use ecs_store::decision_log::Left;
use ecs_store::watch::{
    Answered, BinCount, DayCount, Days, KeptStanding, StandingChange, StandingOf, Unwatched,
};
use ecs_store::{ErasureRequest, Store};
use futures::future::join_all;

use crate::Harness;
use crate::attributes::{say, told};
use crate::fixtures::{
    after, approval, at, day, decision_id, denial, make_offer, message, new_decision, now, register, user,
};

fn count(on: &str, model: &str, measure: Measure, bin: u8, decisions: u64) -> DayCount {
    DayCount { day: day(on), count: BinCount { model: model.to_owned(), measure, bin, decisions } }
}

async fn watched(store: &dyn Store, from: &str, until: &str) -> Vec<(String, &'static str, u8, u64)> {
    let days: Days = Days { from: day(from), until: day(until) };
    let found = store.watched(days).await.unwrap();
    let mut found: Vec<_> =
        found.into_iter().map(|it| (it.model, it.measure.as_str(), it.bin, it.decisions)).collect();
    found.sort_unstable();
    found
}

async fn seal(store: &dyn Store, most: usize) {
    while store.seal_decisions(after(1), most).await.unwrap().is_some() {}
}

/// Nothing before its seal, each batch in its turn, and what is left of decisions as the log tells it.
pub async fn sealed_decisions_are_watched_in_their_turn<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    assert_eq!(store.unwatched().await.unwrap(), None);
    register(store, 1..=3).await;
    for number in 1..=3 {
        make_offer(store, number, number, after(i64::try_from(number).unwrap())).await;
    }
    assert_eq!(store.unwatched().await.unwrap(), None, "nothing is sealed");
    seal(store, 2).await;
    let request = ErasureRequest { user: user(2), by: user(2), with_credit: true, now: after(5) };
    store.request_erasure(request).await.unwrap();
    let tombstone = ecs_domain::Tombstone { number: 1, user: user(2), at: after(5) };
    while store.erase(tombstone).await.unwrap().more {}
    let Unwatched { batch, decisions } = store.unwatched().await.unwrap().unwrap();
    let ids: Vec<_> = decisions.iter().map(|decision| decision.id).collect();
    assert_eq!((batch, ids), (1, vec![decision_id(1), decision_id(2)]));
    assert!(matches!(&decisions[0].left, Left::Whole(decision) if decision.user == user(1)));
    assert!(!matches!(decisions[1].left, Left::Whole(_)), "{:?}", decisions[1].left);
    assert_eq!(store.unwatched().await.unwrap().unwrap().batch, 1, "looking counts nothing");
    assert!(!store.count_batch(2, Vec::new()).await.unwrap(), "it isn't the next one");
    assert!(store.count_batch(1, Vec::new()).await.unwrap());
    let next = store.unwatched().await.unwrap().unwrap();
    assert_eq!((next.batch, next.decisions.len()), (2, 1));
    assert!(store.count_batch(2, Vec::new()).await.unwrap());
    assert_eq!(store.unwatched().await.unwrap(), None);
}

/// Eight have read the same batch: it is counted once, whoever of them is first.
pub async fn of_those_who_count_a_batch_at_once_one_does<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let counts = || vec![count("2026-11-20", "empathic-7", Measure::Score, 60, 3)];
    for batch in 1..=3 {
        let counted = join_all((0..8).map(|_| store.count_batch(batch, counts()))).await;
        let first = counted.into_iter().filter(|counted| *counted.as_ref().unwrap());
        assert_eq!(first.count(), 1, "batch {batch}");
        let expect = ("empathic-7".to_owned(), "score", 60, batch * 3);
        assert_eq!(watched(&*store, "2026-11-20", "2026-11-21").await, [expect]);
    }
    assert!(!store.count_batch(3, counts()).await.unwrap(), "it is counted");
}

/// By model, measure and bin, from the first day to before the last one.
pub async fn counts_of_days_are_added_up<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    let stress = Measure::ALL[7];
    let counts = vec![
        count("2026-11-01", "a", Measure::Score, 0, 1),
        count("2026-11-02", "a", Measure::Score, 0, 2),
        count("2026-11-03", "a", Measure::Score, 0, 4),
        count("2026-11-03", "a", stress, MISSING, 8),
        count("2026-11-03", "b", Measure::Score, 199, 16),
        count("2026-11-04", "a", Measure::Score, 0, 32),
    ];
    assert!(store.count_batch(1, counts).await.unwrap());
    let rows = |rows: &[(&str, &'static str, u8, u64)]| -> Vec<(String, &'static str, u8, u64)> {
        rows.iter().map(|(model, measure, bin, sum)| ((*model).to_owned(), *measure, *bin, *sum)).collect()
    };
    let middle = rows(&[("a", "avg_stress_7d", 200, 8), ("a", "score", 0, 6), ("b", "score", 199, 16)]);
    assert_eq!(watched(store, "2026-11-02", "2026-11-04").await, middle);
    assert_eq!(watched(store, "2026-11-05", "2026-11-09").await, []);
    let before: Day = day("2026-11-03");
    assert_eq!(store.forget_watched(before).await.unwrap(), 2);
    assert_eq!(store.forget_watched(before).await.unwrap(), 0);
    assert_eq!(watched(store, "2026-10-01", "2026-11-03").await, []);
    assert_eq!(watched(store, "2026-10-01", "2026-11-04").await[1], rows(&[("a", "score", 0, 4)])[0]);
}

fn drift(model: &str) -> StandingOf {
    StandingOf { kind: "drift", model: model.to_owned(), name: "score".to_owned() }
}

/// What is told changes with its message, and of several who saw the same one tells.
pub async fn what_is_told_changes_once<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let tell = |standing, seen, number| {
        let change = StandingChange { of: drift("a"), standing, now: after(60), seen };
        store.change_standing(change, message(1, number))
    };
    let of = |told: Vec<Result<bool, _>>| told.into_iter().filter(|told| *told.as_ref().unwrap()).count();
    assert_eq!(store.standings().await.unwrap(), []);
    assert!(!tell(Standing::Calm, 1, 1).await.unwrap(), "nothing was told");
    assert_eq!(of(join_all((1..=8).map(|number| tell(Standing::Alerted, 0, number))).await), 1);
    let kept = |standing, changes| KeptStanding {
        kind: "drift".to_owned(),
        model: "a".to_owned(),
        name: "score".to_owned(),
        standing,
        since: after(60),
        changes,
    };
    assert_eq!(store.standings().await.unwrap(), [kept(Standing::Alerted, 1)]);
    assert!(store.standings().await.unwrap()[0].is_of(&drift("a")));
    assert!(!store.standings().await.unwrap()[0].is_of(&drift("b")));
    assert_eq!(of(join_all((11..=18).map(|number| tell(Standing::Calm, 1, number))).await), 1);
    assert!(!tell(Standing::Alerted, 0, 21).await.unwrap(), "something was told since");
    assert_eq!(store.standings().await.unwrap(), [kept(Standing::Calm, 2)]);
    assert_eq!(store.outbox_depth().await.unwrap(), 2);
}

async fn answered(store: &dyn Store, most: usize) -> Vec<Answered> {
    let (mut people, mut after) = (Vec::new(), None);
    loop {
        let (from, until) = (at("2026-11-10T00:00:00Z"), at("2026-11-20T00:00:00Z"));
        let page = store.answered_people(from, until, after, most).await.unwrap();
        people.extend(page.people);
        after = page.next;
        if after.is_none() {
            return people;
        }
    }
}

/// Their last answer in the time, each once, in pages; nobody who told nothing, got no answer, or took their consent back.
pub async fn people_count_with_their_last_answer<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, 1..=6).await;
    for number in 1..=5 {
        say(store, number, Purpose::Demographics, true).await;
        let band = if number == 4 { "65+" } else { "25-34" };
        store.put_attributes(user(number), told(band, Some("BR-SP")), now()).await.unwrap().unwrap();
    }
    let decided = [
        // Approved, then denied; and what is outside of the time.
        approval(1, 1, at("2026-11-10T00:00:00Z")),
        denial(1, 2, at("2026-11-19T23:59:59.999999Z")),
        approval(1, 3, at("2026-11-20T00:10:00Z")),
        denial(2, 4, at("2026-11-09T23:59:59.999999Z")),
        denial(3, 5, at("2026-11-12T12:00:00Z")),
        approval(4, 6, at("2026-11-13T12:00:00Z")),
        approval(5, 7, at("2026-11-13T12:00:00Z")),
        approval(6, 8, at("2026-11-13T12:00:00Z")),
    ];
    for decision in decided {
        assert!(!store.record_decision(new_decision(decision), None).await.unwrap().repeated);
    }
    let person = |attributes: Attributes, approved| Answered { attributes, approved };
    let young = told("25-34", Some("BR-SP"));
    let old = told("65+", Some("BR-SP"));
    let all = [person(young, false), person(young, false), person(old, true), person(young, true)];
    for most in [1, 2, 100] {
        assert_eq!(answered(store, most).await, all, "pages of {most}");
    }
    say(store, 3, Purpose::Demographics, false).await;
    assert!(store.delete_attributes(user(5)).await.unwrap());
    assert_eq!(answered(store, 2).await, [all[0], all[2]]);
}
