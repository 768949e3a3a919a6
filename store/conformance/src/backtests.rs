//! Backtests of policies, and those who run them.

use std::time::Duration;

use ecs_domain::backtest::{Cause, Direction, Flip, LossGivenDefault, Rule};
use ecs_domain::{BacktestId, DecisionId, Tombstone};
use ecs_store::audit::EntryFilter;
use ecs_store::decision_log::WantedDecisions;
use ecs_store::{BacktestEnd, BacktestHold, BacktestRow, BacktestState, NewBacktest, Progress, Store};
use futures::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Harness;
use crate::fixtures::{after, make_offer, now, register, user};

/// How long a claim lasts, in seconds.
const LEASE: i64 = 60;
/// How long a backtest is kept, in seconds.
const KEPT: i64 = 30 * 86_400;
/// More than any behaviour here asks for.
const MANY: usize = 100;

/// What was asked for is run by whoever claims it, and tells what came of it.
pub async fn a_backtest_goes_from_the_wish_to_its_report<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, 1..=5).await;
    let made = request(store, 1, 0).await;
    let expect = (BacktestState::Pending, now(), Progress::default(), None);
    assert_eq!((made.state, made.requested_at, made.progress, made.report.clone()), expect);
    assert_eq!(store.backtest(made.id).await.unwrap(), Some(made.clone()));
    assert_eq!(store.backtest(backtest_id(2)).await.unwrap(), None);
    let hold = claim(store, 10).await.unwrap();
    let NewBacktest { id, digest, from, until, loss_given_default, .. } = new(1, 0);
    assert_eq!(hold, BacktestHold { id, digest, from, until, loss_given_default, attempt: 1 });
    assert_eq!(claim(store, 69).await, None, "it is in hand");
    let (some, all) = (Progress { done: 3, total: 5 }, Progress { done: 5, total: 5 });
    assert!(store.advance_backtest(&hold, some, flips(1..=3), after(100)).await.unwrap());
    let running = found(store).await;
    assert_eq!((running.state, running.progress), (BacktestState::Running, some));
    assert!(store.advance_backtest(&hold, all, flips(4..=5), after(120)).await.unwrap());
    assert!(store.end_backtest(&hold, finished(130)).await.unwrap());
    let ended = found(store).await;
    assert_eq!((ended.state, ended.progress, ended.failure.as_deref()), (BacktestState::Finished, all, None));
    assert_eq!((ended.finished_at, ended.expires_at), (Some(after(130)), Some(after(130 + KEPT))));
    assert_eq!(ended.report.as_deref(), Some(r#"{"sum":1.10}"#), "to the byte");
    assert_eq!(claim(store, 100_000).await, None);
    for (way, expect) in [(Direction::Lost, vec![1, 3, 5]), (Direction::Gained, vec![2, 4])] {
        let expect: Vec<_> = expect.into_iter().map(decision_id).collect();
        assert_eq!(store.backtest_flips(id, way, None, MANY).await.unwrap(), expect);
        let behind = store.backtest_flips(id, way, Some(expect[0]), 1).await.unwrap();
        assert_eq!(behind, expect[1..2], "pages follow each other");
    }
    let told = store.entries(&EntryFilter::default(), None, MANY).await.unwrap();
    let [entry] = &told[..] else { panic!("{told:?}") };
    assert_eq!((entry.act.as_str(), entry.actor), ("policy.backtested", user(1).uuid()));
    assert_eq!(entry.subject, "policy policy-7");
    let said: Value = serde_json::from_str(&entry.after).unwrap();
    assert_eq!((&said["backtest"], &said["loss_given_default"]), (&json!(id.to_string()), &json!("0.4")));
}

/// Backtests are listed by the policy's text, the newest first, and no more are under way than may be.
pub async fn so_many_backtests_are_under_way<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let asked = join_all((1..=8).map(|number| {
        let second = i64::try_from(number).unwrap();
        store.request_backtest(new(number, second), 3)
    }));
    let made: Vec<_> = asked.await.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(made.len(), 3, "{made:?}");
    assert_eq!(store.entries(&EntryFilter::default(), None, MANY).await.unwrap().len(), 3);
    let hold = claim(&*store, 100).await.unwrap();
    assert_eq!(store.request_backtest(new(9, 100), 3).await.unwrap(), None, "who runs counts, too");
    assert!(store.end_backtest(&hold, finished(110)).await.unwrap());
    let another = NewBacktest { digest: "other".to_owned(), ..new(9, 100) };
    assert!(store.request_backtest(another, 3).await.unwrap().is_some());
    let mut expect: Vec<_> = made.iter().map(|made| (made.requested_at, made.id)).collect();
    expect.sort_by(|a, b| b.cmp(a));
    let listed = store.backtests_of("digest", MANY).await.unwrap();
    assert!(listed.iter().all(|row| row.report.is_none()));
    let told: Vec<_> = listed.iter().map(|row| (row.requested_at, row.id)).collect();
    assert_eq!(told, expect);
    assert_eq!(store.backtests_of("digest", 2).await.unwrap(), listed[..2]);
    assert_eq!(store.backtests_of("nobody's", MANY).await.unwrap(), []);
}

/// Who doesn't put the end of the lease off is taken for dead. Another attempt begins at the beginning, and the first one writes nothing
/// any more.
pub async fn an_attempt_at_a_backtest_that_lost_its_lease_writes_nothing<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, 1..=5).await;
    request(store, 1, 0).await;
    let first = claim(store, 0).await.unwrap();
    let some = Progress { done: 2, total: 9 };
    assert!(store.advance_backtest(&first, some, flips(1..=2), after(100)).await.unwrap());
    let claims = join_all((0..8).map(|_| store.claim_backtest(after(100), lease()))).await;
    let held: Vec<_> = claims.into_iter().filter_map(Result::unwrap).collect();
    let [second] = &held[..] else { panic!("{held:?}") };
    assert_eq!((second.id, second.attempt), (first.id, 2));
    assert_eq!(found(store).await.progress, Progress::default());
    assert_eq!(lost(store).await, [], "it begins at the beginning");
    assert!(!store.advance_backtest(&first, some, flips(3..=3), after(999)).await.unwrap());
    assert!(!store.end_backtest(&first, finished(101)).await.unwrap());
    assert_eq!(lost(store).await, []);
    assert!(store.advance_backtest(second, some, flips(5..=5), after(200)).await.unwrap());
    assert!(store.end_backtest(second, BacktestEnd::Again(after(300))).await.unwrap());
    assert_eq!((found(store).await.state, lost(store).await.len()), (BacktestState::Pending, 0));
    assert_eq!(claim(store, 299).await, None);
    let third = claim(store, 300).await.unwrap();
    assert!(store.advance_backtest(&third, some, flips(5..=5), after(400)).await.unwrap());
    let failed = BacktestEnd::Failed { failure: "internal", at: after(310), expires_at: after(310 + KEPT) };
    assert!(store.end_backtest(&third, failed).await.unwrap());
    let ended = found(store).await;
    assert_eq!((ended.state, ended.failure.as_deref()), (BacktestState::Failed, Some("internal")));
    assert_eq!((ended.report, lost(store).await.len()), (None, 0));
}

/// Whoever had one in hand when the store is opened is dead where only one process may have it open.
pub async fn reopening_keeps_backtests<H: Harness>() {
    let harness = H::start().await;
    request(&*harness.store(), 1, 0).await;
    let first = claim(&*harness.store(), 10).await.unwrap();
    let harness = harness.reopen().await;
    let store = &*harness.store();
    let again = if H::is_shared() { 10 + LEASE } else { 10 };
    assert_eq!(claim(store, again).await.unwrap().attempt, 2);
    assert!(!store.end_backtest(&first, finished(20)).await.unwrap());
}

/// Which decisions flip is forgotten with the people, and with the backtest when its time has come.
pub async fn flips_go_with_their_people_and_with_their_backtest<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, 1..=5).await;
    request(store, 1, 0).await;
    let hold = claim(store, 0).await.unwrap();
    assert!(store.advance_backtest(&hold, Progress::default(), flips(1..=3), after(60)).await.unwrap());
    let tombstone = Tombstone { number: 1, user: user(1), at: after(10) };
    while store.erase(tombstone).await.unwrap().more {}
    assert_eq!(lost(store).await, [decision_id(3)]);
    // The page was read while they were there.
    assert!(store.advance_backtest(&hold, Progress::default(), flips(1..=5), after(60)).await.unwrap());
    assert_eq!(lost(store).await, [3, 5].map(decision_id));
    assert!(store.end_backtest(&hold, finished(20)).await.unwrap());
    for (at, expect) in [(20 + KEPT - 1, 0), (20 + KEPT, 1), (20 + KEPT, 0)] {
        assert_eq!(store.expire_backtests(after(at), 10).await.unwrap(), expect, "at {at}");
    }
    assert_eq!((store.backtest(hold.id).await.unwrap(), lost(store).await.len()), (None, 0));
}

/// Decisions of some days are counted by when they were made, whatever has become of them.
pub async fn decisions_are_counted_by_their_time<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, 1..=4).await;
    for number in 1..=4 {
        let second = i64::try_from(number).unwrap() * 10;
        make_offer(store, number, number, after(second)).await;
    }
    let check = async |from: Option<i64>, until: Option<i64>, expect: u64| {
        let [from, until] = [from, until].map(|second| second.map(after));
        let wanted = WantedDecisions { from, until, user: None };
        assert_eq!(store.count_decisions(&wanted).await.unwrap(), expect, "{from:?} {until:?}");
        assert_eq!(store.logged_decisions(&wanted, 0, MANY).await.unwrap().len() as u64, expect);
    };
    check(None, None, 4).await;
    check(Some(20), Some(40), 2).await;
    check(Some(21), None, 2).await;
    check(None, Some(10), 0).await;
}

/// An attempt goes through the decisions of its days, as whoever reads the log finds them.
pub async fn a_backtest_reads_the_decisions_of_its_days<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, 1..=5).await;
    for number in 1..=5 {
        // The first is too early by a second, and the last too late.
        let second = [-86_401, -86_400, -500, -1, 0][usize::try_from(number).unwrap() - 1];
        make_offer(store, number, number, after(second)).await;
    }
    request(store, 1, 0).await;
    let hold = claim(store, 0).await.unwrap();
    let all = store.logged_decisions(&WantedDecisions::default(), 0, MANY).await.unwrap();
    let first = store.backtest_page(&hold, 0, 2).await.unwrap();
    let rest = store.backtest_page(&hold, first[1].number, 2).await.unwrap();
    assert_eq!([&first[..], &rest[..]].concat(), all[1..4]);
    assert_eq!(store.backtest_page(&hold, rest[0].number, 2).await.unwrap(), []);
}

fn backtest_id(number: u128) -> BacktestId {
    BacktestId::new(Uuid::from_u128(0xbac0_0000_0000_4000_8000_0000_0000_0000 + number))
}

fn decision_id(number: u128) -> DecisionId {
    DecisionId::new(Uuid::from_u128(number))
}

fn new(number: u128, second: i64) -> NewBacktest {
    NewBacktest {
        id: backtest_id(number),
        version: "policy-7".to_owned(),
        digest: "digest".to_owned(),
        from: after(-86_400),
        until: now(),
        loss_given_default: "0.4".parse::<LossGivenDefault>().unwrap(),
        actor: user(1),
        now: after(second),
    }
}

async fn request(store: &dyn Store, number: u128, second: i64) -> BacktestRow {
    store.request_backtest(new(number, second), MANY).await.unwrap().unwrap()
}

fn lease() -> Duration {
    Duration::from_secs(LEASE.unsigned_abs())
}

async fn claim(store: &dyn Store, second: i64) -> Option<BacktestHold> {
    store.claim_backtest(after(second), lease()).await.unwrap()
}

/// A decision about each of these people: those of odd numbers are lost, the others gained.
fn flips(people: std::ops::RangeInclusive<u128>) -> Vec<Flip> {
    let flip = |number: u128| Flip {
        decision: decision_id(number),
        user: user(number),
        direction: if number % 2 == 1 { Direction::Lost } else { Direction::Gained },
        cause: Cause { rule: Rule::CutOff, reason: None },
    };
    people.map(flip).collect()
}

fn finished(second: i64) -> BacktestEnd {
    let report = r#"{"sum":1.10}"#.to_owned();
    BacktestEnd::Finished { report, at: after(second), expires_at: after(second + KEPT) }
}

/// The first backtest.
async fn found(store: &dyn Store) -> BacktestRow {
    store.backtest(backtest_id(1)).await.unwrap().unwrap()
}

/// What is lost in it.
async fn lost(store: &dyn Store) -> Vec<DecisionId> {
    store.backtest_flips(backtest_id(1), Direction::Lost, None, MANY).await.unwrap()
}
