//! The decision log: what is done to decisions is found, and decisions come out again as they were made.

mod backtest;
mod replay;
mod tampering;

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use ecs_domain::catalogue::Catalogue;
use ecs_domain::decision::{Decision, Outcome};
use ecs_domain::features::{EmotionFeatures, EmotionMeans, Features};
use ecs_domain::offer::{Offer, OfferStatus};
use ecs_domain::policy::{Facts, Verdict};
use ecs_domain::{DecisionId, Money, OfferId, Timestamp, UserId};
use ecs_models::Lineup;
use ecs_store::{NewDecision, NewUser, Store};
use ecs_work::policies::{Written, built_in};
use futures::future::join_all;
use tokio::process::Command;
use uuid::Uuid;

use crate::support::process::{command, run};
use crate::support::{KEYS, TestApp, eventually};

/// `ecs decisions` over a data folder, as operators of the tests' platforms run it: its exit code, and what it printed.
async fn decisions(data: &Path, arguments: &[&str], set: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut ecs: Command = command(&[&["decisions"], arguments].concat());
    ecs.env("ECS_MODE", "testing").env("ECS_DATA_DIR", data).envs(KEYS).envs(set.iter().copied());
    let output = run(ecs).await;
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

/// Makes so many decisions about `people` people, each by the model and the policy that are built in, and keeps them.
async fn decide(app: &TestApp, count: usize, people: usize) -> Vec<UserId> {
    let store = app.platform.storage().store().unwrap();
    let now = app.platform_now();
    let mut numbers = Numbers(0x5eed + count as u64);
    let users: Vec<UserId> = (0..people).map(|_| UserId::new(Uuid::new_v4())).collect();
    for user in &users {
        let email = format!("{user}@example.com").parse().unwrap();
        let new = NewUser { id: *user, email, password_hash: "none".to_owned(), now };
        store.register(new, None).await.unwrap();
    }
    let made: Vec<Decision> = (0..count)
        .map(|number| {
            decision(users[number % people], now + Duration::from_millis(number as u64), &mut numbers)
        })
        .collect();
    // One about each person at a time: what overtakes another about the same person would stand in its place.
    for made in made.chunks(people) {
        join_all(made.iter().map(|decision| keep(store.as_ref(), decision))).await;
    }
    users
}

async fn keep(store: &dyn Store, decision: &Decision) {
    let new = NewDecision { decision: decision.clone(), stands_for: Duration::ZERO, facts: None };
    assert!(!store.record_decision(new, None).await.unwrap().repeated);
}

/// Waits until every entry of the log is sealed. Returns how many batches there are.
async fn sealed(app: &TestApp) -> u64 {
    let store = app.platform.storage().store().unwrap();
    eventually("every decision is sealed", async || {
        let totals = store.decision_totals().await.unwrap().log;
        (totals.unsealed == 0).then(|| totals.newest.map_or(0, |newest| newest.number))
    })
    .await
}

/// The models and policies that are built in.
static LINEUP: LazyLock<Lineup> = LazyLock::new(|| Lineup::built_in().unwrap());
static POLICIES: LazyLock<Vec<Written>> = LazyLock::new(|| built_in().unwrap());

/// What is known with consent of somebody who felt nothing.
const SILENCE: EmotionFeatures =
    EmotionFeatures { means_7d: None, stress_events_7d: 0, stress_events_30d: 0 };

/// A decision as it is made, about somebody with any features and facts, by any of the policies that are built in.
fn decision(user: UserId, at: Timestamp, numbers: &mut Numbers) -> Decision {
    let policy = &POLICIES[usize::try_from(numbers.up_to(2)).unwrap()].policy;
    let means =
        EmotionMeans { positivity: numbers.next(), intensity: numbers.next(), stress: numbers.next() };
    let emotions = EmotionFeatures {
        means_7d: (numbers.next() > 0.2).then_some(means),
        stress_events_7d: numbers.up_to(5),
        stress_events_30d: numbers.up_to(20),
    };
    let features = Features {
        transaction_count_30d: numbers.up_to(60),
        avg_transaction_value_30d: numbers.next() * 3_000.0,
        days_since_last_transaction: (numbers.next() > 0.1).then_some(numbers.next() * 30.0),
        account_age_days: numbers.next() * 2_000.0,
        emotions: match numbers.up_to(8) {
            0..=3 => None,
            4 => Some(SILENCE),
            _ => Some(emotions),
        },
    };
    let hours = numbers.up_to(2_000);
    let facts = Facts {
        exposure: Money::from_minor_units(i64::try_from(numbers.up_to(3_000_000)).unwrap()),
        last_denied_at: (numbers.next() > 0.7).then(|| at - Duration::from_secs(3_600 * hours)),
    };
    let assessment = LINEUP.assess(&features);
    let outcome = match policy.outcome(&features, &assessment, facts, at) {
        Verdict::Denied(denial) => Outcome::Denied(denial),
        Verdict::Approved(terms) => Outcome::Approved(Offer {
            id: OfferId::new(Uuid::new_v4()),
            user,
            status: OfferStatus::Offered,
            terms,
            created_at: at,
            expires_at: at + Duration::from_secs(7 * 24 * 60 * 60),
            accepted_at: None,
            activated_at: None,
        }),
    };
    Decision {
        id: DecisionId::new(Uuid::new_v4()),
        user,
        decided_at: at,
        features,
        approved_without_emotions: policy.approves_without_emotions(&features, &assessment, facts, at),
        assessment,
        facts,
        policy_version: policy.version.clone(),
        policy_digest: policy.digest.clone(),
        outcome,
        catalogue_version: Catalogue::newest(),
    }
}

/// The same numbers between 0 and 1 every time, with every bit that a fraction has.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn up_to(&mut self, most: u64) -> u64 {
        self.next();
        self.0 % (most + 1)
    }
}
