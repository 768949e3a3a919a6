//! The decision log: an entry with each decision, batches behind them, and what has become of decisions.

use std::time::Duration;

use ecs_domain::decision::{Decision, Outcome};
use ecs_domain::features::{EmotionFeatures, EmotionMeans, Features};
use ecs_domain::scorecard::{Assessment, Contribution, Input, Second};
use ecs_domain::{DecisionId, Timestamp, Tombstone};
use ecs_store::chain::{Batch, FIRST, digest};
use ecs_store::decision_log::{
    AGED, DecisionTotals, Left, Logged, LoggedDecision, MADE, Standing, WantedDecisions,
};
use ecs_store::{Aged, Due, ErasureRequest, NewDecision, Store};
use futures::future::join_all;
use jiff::ToSpan;
use uuid::Uuid;

use crate::Harness;
use crate::fixtures::{
    after, approval, denial, make_offer, message, new_decision, now, offer_id, register, user,
};

/// More than any behaviour here writes.
const ALL: usize = 1_000;

/// An entry is there with its decision, and with nothing else: not with a repeated answer, not with a decision that failed.
pub async fn every_decision_is_logged_with_it<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1, 2]).await;
    let made = [approval(1, 1, now()), denial(2, 2, after(1))];
    for decision in made.clone() {
        store.record_decision(new_decision(decision), None).await.unwrap();
    }
    assert!(store.record_decision(new_decision(denial(1, 3, after(2))), None).await.unwrap().repeated);
    assert!(store.record_decision(new_decision(approval(2, 1, after(600))), None).await.is_err());
    let logged = store.logged(None).await.unwrap();
    let told: Vec<_> = logged.iter().map(|logged| (logged.entry.decision, logged.entry.at)).collect();
    let expect = made.each_ref().map(|made| (made.id.uuid(), made.decided_at.as_microsecond()));
    assert_eq!(told, expect);
    assert!(logged.iter().all(|logged| logged.entry.act == MADE && is_whole(logged)), "{logged:?}");
    let totals = store.decision_totals().await.unwrap();
    assert_eq!((totals.log.unsealed, totals.unlogged, totals.undecided), (2, 0, 0));
}

/// Batches follow each other, hold every entry once, and can be computed again.
pub async fn batches_chain_every_decision<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    assert_eq!(store.seal_decisions(now(), ALL).await.unwrap(), None);
    assert_eq!(store.decision_totals().await.unwrap(), DecisionTotals::default());
    decide(store, 5).await;
    let mut sealed = Vec::new();
    while let Some(batch) = store.seal_decisions(after(1), 2).await.unwrap() {
        sealed.push(batch);
    }
    assert_eq!(sealed.iter().map(|batch| batch.entries).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(store.decision_batches(1, ALL).await.unwrap(), sealed);
    assert_eq!(store.decision_batches(2, 1).await.unwrap(), sealed[1..2]);
    assert_eq!(store.logged(None).await.unwrap(), []);
    let totals = store.decision_totals().await.unwrap();
    assert_eq!((totals.log.sealed, totals.log.unsealed, totals.log.oldest_unsealed), (5, 0, None));
    assert_eq!(totals.log.newest.as_ref(), sealed.last());
    assert_eq!(chained(store, &sealed).await, 5);
}

/// Eight seal at the same time while decisions are made: one chain, and every decision in it once.
pub async fn of_those_who_seal_decisions_at_once_one_does<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(&*store, 0..8).await;
    let deciding = async {
        for round in 0..5 {
            let at = after(600 * i64::try_from(round).unwrap());
            join_all((0..8).map(|of| make_offer(&*store, of, round * 8 + of, at))).await;
        }
    };
    let sealing = join_all((0..8).map(|_| async {
        let mut sealed = 0;
        for _ in 0..5 {
            sealed += store.seal_decisions(now(), 3).await.unwrap().map_or(0, |batch| batch.entries);
            tokio::task::yield_now().await;
        }
        sealed
    }));
    let ((), sealed) = tokio::join!(deciding, sealing);
    let mut sealed: u64 = sealed.into_iter().sum();
    while let Some(batch) = store.seal_decisions(now(), ALL).await.unwrap() {
        sealed += batch.entries;
    }
    assert_eq!(sealed, 40);
    let batches = store.decision_batches(1, ALL).await.unwrap();
    assert!(batches.iter().map(|batch| batch.number).eq(1..=batches.len() as u64));
    assert_eq!(chained(&*store, &batches).await, 40);
}

/// Each change that somebody makes in the tables is told of its decision and of no other; what becomes of an offer is none.
pub async fn a_change_of_a_decision_is_told<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    let changes = [
        "UPDATE decisions SET risk_score = 0.30000000000000001 WHERE id = '{}'",
        "UPDATE decisions SET model_version = 'empathic-8' WHERE id = '{}'",
        "UPDATE decisions SET model_digest = '' WHERE id = '{}'",
        "UPDATE decisions SET policy_version = 'policy-2' WHERE id = '{}'",
        "UPDATE decisions SET policy_digest = '' WHERE id = '{}'",
        "UPDATE decisions SET features = features || 'A' WHERE id = '{}'",
        "UPDATE decisions SET contributions = '' WHERE id = '{}'",
        "UPDATE decisions SET record = NULL WHERE id = '{}'",
        "UPDATE decisions SET decided_at = '2026-11-20T11:59:59.999999Z' WHERE id = '{}'",
        "UPDATE decisions SET outcome = 'denied', reason = 'none', offer_id = NULL WHERE id = '{}'",
        "UPDATE decisions SET user_id = (SELECT id FROM users WHERE id <> decisions.user_id LIMIT 1) WHERE id = '{}'",
        "UPDATE credit_limits SET credit_type = 'SHORT_TERM' WHERE id = (SELECT offer_id FROM decisions WHERE id = '{}')",
        "UPDATE credit_limits SET expires_at = '2027-11-20T12:00:00.000000Z' WHERE id = (SELECT offer_id FROM decisions WHERE id = '{}')",
    ];
    let decisions = decide(store, changes.len()).await;
    store.accept_offer(user(0), offer_id(0), after(1), message(0, 1), None).await.unwrap();
    store.activate_offer(user(0), offer_id(0), after(2), message(0, 2)).await.unwrap();
    store.expire_offers(after(9 * 86_400)).await.unwrap();
    assert!(store.logged(None).await.unwrap().iter().all(is_whole));
    for (done, (change, decision)) in changes.into_iter().zip(&decisions).enumerate() {
        harness.run(&change.replace("{}", &decision.to_string())).await;
        let logged = store.logged(None).await.unwrap();
        let whole: Vec<_> = logged.iter().map(is_whole).collect();
        let expect: Vec<_> = (0..decisions.len()).map(|number| number > done).collect();
        assert_eq!(whole, expect, "{change}");
    }
}

/// Why a decision isn't there: for its age, with its person, or for no reason that anybody knows of.
pub async fn it_is_told_why_a_decision_is_gone<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, 0..5).await;
    store.record_decision(new_decision(denial(0, 0, now() - 400.hours())), None).await.unwrap();
    make_offer(store, 1, 1, now() - 400.hours()).await;
    for of in 2..5 {
        make_offer(store, of, of, now()).await;
    }
    let due = Due { rows: Aged::Decisions, before: now() - 100.hours(), now: after(7), most: 10 };
    assert_eq!(store.drop_aged(due).await.unwrap(), 2);
    harness.keyring().destroy(user(2), after(8)).await.unwrap();
    erase(store, 2).await;
    let gone = approval(3, 3, now()).id;
    harness.run(&format!("DELETE FROM decisions WHERE id = '{gone}'")).await;
    let logged = store.logged(None).await.unwrap();
    let standing: Vec<_> = logged[..4].iter().map(|logged| logged.standing).collect();
    let expect = [Standing::Aged, Standing::Aged, Standing::Erased, Standing::Gone].map(Some);
    assert_eq!(standing, expect);
    assert!(is_whole(&logged[4]));
    let mut aged: Vec<_> = logged[5..]
        .iter()
        .map(|logged| (logged.entry.act.as_str(), logged.entry.at, logged.entry.user, logged.standing))
        .collect();
    aged.sort_by_key(|(_, _, user, _)| *user);
    let at = after(7).as_microsecond();
    assert_eq!(aged, [(AGED, at, user(0).uuid(), None), (AGED, at, user(1).uuid(), None)]);
    let totals = store.decision_totals().await.unwrap();
    assert_eq!((totals.unlogged, totals.undecided), (0, 1), "the offer of what is gone");
    harness.run(&decision_from_before(Uuid::from_u128(7), approval(4, 4, now()).id)).await;
    assert_eq!(store.decision_totals().await.unwrap().unlogged, 1);
}

/// Decisions from before there was a log have entries without a digest, until those are sealed.
pub async fn decisions_from_before_the_log_are_digested_with_their_seal<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    make_offer(store, 1, 1, now()).await;
    let old = Uuid::from_u128(7);
    harness.run(&decision_from_before(old, approval(1, 1, now()).id)).await;
    let entry = "INSERT INTO decision_log (at, act, decision_id, user_id) SELECT 1, 'made', id, user_id FROM decisions WHERE id = '{}'";
    harness.run(&entry.replace("{}", &old.to_string())).await;
    let batch = store.seal_decisions(after(1), ALL).await.unwrap().unwrap();
    assert!(store.logged(Some(batch.number)).await.unwrap().iter().all(is_whole));
    assert_eq!(chained(store, &[batch]).await, 2);
    assert_eq!(store.decision_totals().await.unwrap().unlogged, 0);
}

/// The chain is over no word of a person, so it holds when nothing of them is left.
pub async fn the_decision_log_outlives_whom_it_is_about<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    make_offer(store, 1, 1, now()).await;
    let first = store.seal_decisions(after(1), ALL).await.unwrap().unwrap();
    make_offer(store, 1, 2, after(600)).await;
    harness.keyring().destroy(user(1), after(3)).await.unwrap();
    erase(store, 1).await;
    let second = store.seal_decisions(after(4), ALL).await.unwrap().unwrap();
    assert_eq!(chained(store, &[first, second]).await, 2);
    for batch in [1, 2] {
        let logged = store.logged(Some(batch)).await.unwrap();
        assert!(logged.iter().all(|logged| logged.standing == Some(Standing::Erased)), "{logged:?}");
    }
}

/// Decisions come in the order of their entries, page by page, all of them or those of a time or a person.
pub async fn logged_decisions_come_in_pages<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [0, 1]).await;
    for number in 0..6 {
        let at = after(600 * i64::try_from(number).unwrap());
        make_offer(store, number % 2, number, at).await;
    }
    let found = async |wanted: WantedDecisions| {
        let found = store.logged_decisions(&wanted, 0, ALL).await.unwrap();
        found.iter().map(|found| found.at).collect::<Vec<_>>()
    };
    let times = |numbers: &[i64]| numbers.iter().map(|number| after(600 * number)).collect::<Vec<_>>();
    let all = WantedDecisions::default();
    assert_eq!(found(all).await, times(&[0, 1, 2, 3, 4, 5]));
    assert_eq!(found(WantedDecisions { user: Some(user(1)), ..all }).await, times(&[1, 3, 5]));
    assert_eq!(found(WantedDecisions { from: Some(after(1_200)), ..all }).await, times(&[2, 3, 4, 5]));
    assert_eq!(found(WantedDecisions { until: Some(after(1_200)), ..all }).await, times(&[0, 1]));
    let both = WantedDecisions { from: Some(after(600)), until: Some(after(3_000)), user: Some(user(0)) };
    assert_eq!(found(both).await, times(&[2, 4]));
    let first = store.logged_decisions(&all, 0, 4).await.unwrap();
    let rest = store.logged_decisions(&all, first[3].number, 4).await.unwrap();
    assert_eq!(rest.iter().map(|found| found.at).collect::<Vec<_>>(), times(&[4, 5]));
    let LoggedDecision { id, user: about, left, .. } = &first[3];
    let made = approval(1, 3, after(1_800));
    assert_eq!((*id, *about, left), (made.id, user(1), &Left::Whole(Box::new(made))));
}

/// What can't be told of one decision hides no other.
pub async fn what_is_left_of_each_decision_is_told<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, 0..4).await;
    for of in 0..4 {
        make_offer(store, of, of, now()).await;
    }
    // The key is gone, and the row not yet.
    harness.keyring().destroy(user(1), after(3)).await.unwrap();
    for (of, sql) in [
        (2, "UPDATE decisions SET features = '~1.AAAA' WHERE id = '{}'"),
        (3, "DELETE FROM decisions WHERE id = '{}'"),
    ] {
        harness.run(&sql.replace("{}", &approval(of, of, now()).id.to_string())).await;
    }
    let found = store.logged_decisions(&WantedDecisions::default(), 0, ALL).await.unwrap();
    let left: Vec<_> = found.into_iter().map(|found| found.left).collect();
    let whole = Left::Whole(Box::new(approval(0, 0, now())));
    assert_eq!(left, [whole, Left::Erased, Left::Unreadable, Left::Gone]);
}

/// Numbers of any bits come back with the same bits, also after the store was opened again.
pub async fn numbers_of_decisions_come_back_to_the_bit<H: Harness>() {
    let harness = H::start().await;
    register(&*harness.store(), 0..10).await;
    let mut bits = Bits(0x5eed);
    let made: Vec<Decision> = (0..500).map(|number| any_decision(number, &mut bits)).collect();
    // One about each person at a time: what overtakes another about the same person would stand in its place.
    for made in made.chunks(10) {
        let store = harness.store();
        let record = async |decision: &Decision| {
            let new = NewDecision { decision: decision.clone(), facts: None, stands_for: Duration::ZERO };
            assert!(!store.record_decision(new, None).await.unwrap().repeated);
        };
        join_all(made.iter().map(record)).await;
    }
    let harness = harness.reopen().await;
    let found = harness.store().logged_decisions(&WantedDecisions::default(), 0, ALL).await.unwrap();
    assert_eq!(found.len(), made.len());
    for LoggedDecision { id, left, .. } in found {
        let made = made.iter().find(|made| made.id == id).unwrap();
        let Left::Whole(kept) = left else { panic!("{id} is not whole: {left:?}") };
        assert_eq!(numbers(&kept), numbers(made), "{id}");
        assert!(*kept == *made, "{id}");
    }
}

/// Approvals of `count` people, one each, in this order. Returns their ids.
async fn decide(store: &dyn Store, count: usize) -> Vec<DecisionId> {
    let count = u128::try_from(count).unwrap();
    register(store, 0..count).await;
    for of in 0..count {
        make_offer(store, of, of, now()).await;
    }
    (0..count).map(|of| approval(of, of, now()).id).collect()
}

/// Whether the decision of a [`MADE`] entry stands as it was logged.
fn is_whole(logged: &Logged) -> bool {
    logged.standing.is_some() && logged.standing == logged.entry.digest.map(Standing::There)
}

/// Computes the chain again. Returns how many entries it holds.
async fn chained(store: &dyn Store, batches: &[Batch]) -> usize {
    let (mut previous, mut count) = (FIRST, 0);
    for batch in batches {
        let logged = store.logged(Some(batch.number)).await.unwrap();
        let entries: Vec<_> = logged.into_iter().map(|logged| logged.entry).collect();
        assert_eq!(entries.len() as u64, batch.entries);
        assert_eq!(digest(batch.number, &previous, &entries), batch.digest, "batch {}", batch.number);
        (previous, count) = (batch.digest, count + entries.len());
    }
    count
}

/// Writes a denial behind the store's back, as there are some from before there was a log; all but its id is another decision's.
fn decision_from_before(id: Uuid, like: DecisionId) -> String {
    format!(
        "INSERT INTO decisions (id, user_id, decided_at, outcome, reason, risk_score, model_version, policy_version, features, contributions)
         SELECT '{id}', user_id, decided_at, 'denied', 'none', risk_score, model_version, policy_version, features, contributions
         FROM decisions WHERE id = '{like}'"
    )
}

async fn erase(store: &dyn Store, of: u128) {
    let request = ErasureRequest { user: user(of), by: user(of), with_credit: true, now: after(5) };
    store.request_erasure(request).await.unwrap();
    let tombstone = Tombstone { number: 1, user: user(of), at: after(5) };
    while store.erase(tombstone).await.unwrap().more {}
}

/// The same numbers every time.
struct Bits(u64);

impl Bits {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Any number but an infinite one and none: tiny, huge, negative and the negative zero.
    fn float(&mut self) -> f64 {
        loop {
            let bits = self.next();
            let float = if bits.is_multiple_of(16) { -0.0 } else { f64::from_bits(bits) };
            if float.is_finite() {
                return float;
            }
        }
    }
}

fn any_decision(number: u128, bits: &mut Bits) -> Decision {
    let at: Timestamp = after(i64::try_from(number).unwrap());
    let second = |bits: &mut Bits| Second {
        risk_score: bits.float(),
        model_version: "financial-7".to_owned(),
        model_digest: "ef".repeat(32),
    };
    let contributions = Input::ALL.map(|input| Contribution { input, log_odds: bits.float() }).to_vec();
    let means = EmotionMeans { positivity: bits.float(), intensity: bits.float(), stress: bits.float() };
    let emotions = EmotionFeatures { means_7d: Some(means), stress_events_7d: 1, stress_events_30d: 2 };
    let base = if bits.next().is_multiple_of(2) {
        approval(number % 10, number, at)
    } else {
        denial(number % 10, number, at)
    };
    Decision {
        features: Features {
            avg_transaction_value_30d: bits.float(),
            days_since_last_transaction: Some(bits.float()),
            account_age_days: bits.float(),
            emotions: Some(emotions),
            ..base.features
        },
        assessment: Assessment {
            // A probability is never the negative zero, which SQLite keeps as a plain one.
            risk_score: bits.float().abs(),
            base_log_odds: bits.float(),
            contributions,
            without_emotions: Some(second(bits)),
            challenger: Some(second(bits)),
            ..base.assessment.clone()
        },
        ..base
    }
}

/// Every float of a decision, in a fixed order, by its bits.
fn numbers(decision: &Decision) -> Vec<u64> {
    let Decision { features, assessment, outcome, .. } = decision;
    let means = features.emotions.and_then(|emotions| emotions.means_7d).unwrap();
    let mut numbers = vec![
        features.avg_transaction_value_30d,
        features.days_since_last_transaction.unwrap(),
        features.account_age_days,
        means.positivity,
        means.intensity,
        means.stress,
        assessment.risk_score,
        assessment.base_log_odds,
    ];
    numbers.extend(assessment.contributions.iter().map(|term| term.log_odds));
    numbers.extend(
        assessment.without_emotions.iter().chain(&assessment.challenger).map(|second| second.risk_score),
    );
    let approved = matches!(outcome, Outcome::Approved(_));
    numbers.into_iter().map(f64::to_bits).chain([u64::from(approved)]).collect()
}
