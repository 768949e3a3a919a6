//! People, events and offers that the behaviours are told with.

use std::time::Duration;

use bytes::Bytes;
use ecs_domain::consent::ConsentRule;
use ecs_domain::decision::{Decision, Denial, Outcome};
use ecs_domain::emotion::{EmotionEvent, EmotionKind, Metrics, StressThreshold, Unit};
use ecs_domain::features::{EmotionFeatures, EmotionMeans, Features};
use ecs_domain::offer::{CreditType, Offer, OfferStatus, Terms};
use ecs_domain::policy::Facts;
use ecs_domain::reason::Reason;
use ecs_domain::scorecard::{Assessment, Contribution, Input, Second};
use ecs_domain::transaction::Transaction;
use ecs_domain::{
    Day, DecisionId, EventId, Money, OfferId, Rate, ReviewId, Timestamp, TransactionId, UserId,
};
use ecs_store::{EmotionRules, NewDecision, NewUser, OutboxMessage, PageRequest, Store};
use jiff::ToSpan;
use uuid::Uuid;

/// The instant at which most behaviours play.
#[must_use]
pub fn now() -> Timestamp {
    at("2026-11-20T12:00:00Z")
}

/// An instant from its text.
#[must_use]
pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A day from its text.
#[must_use]
pub fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// `now` and some seconds.
#[must_use]
pub fn after(seconds: i64) -> Timestamp {
    now() + seconds.seconds()
}

/// A user's id, by number.
#[must_use]
pub fn user(number: u128) -> UserId {
    UserId::new(Uuid::from_u128(0x5eed_0000_0000_4000_8000_0000_0000_0000 + number))
}

/// An event's id, by number.
#[must_use]
pub fn event_id(number: u128) -> EventId {
    EventId::new(Uuid::from_u128(0xe0e0_0000_0000_4000_8000_0000_0000_0000 + number))
}

/// The `number`th session's id.
#[must_use]
pub fn session_id(number: u128) -> Uuid {
    Uuid::from_u128(0x5e55_0000_0000_4000_8000_0000_0000_0000 + number)
}

/// Registers users by number, an hour before `now`.
pub async fn register(store: &dyn Store, numbers: impl IntoIterator<Item = u128> + Send) {
    let numbers: Vec<u128> = numbers.into_iter().collect();
    for number in numbers {
        store.register(new_user(number, &format!("user{number}@example.com")), None).await.unwrap();
    }
}

/// A user to be registered.
#[must_use]
pub fn new_user(number: u128, email: &str) -> NewUser {
    NewUser {
        id: user(number),
        email: email.parse().unwrap(),
        password_hash: format!("hash of {number}"),
        now: now() - 1.hours(),
    }
}

/// An emotion event; metrics are positivity, intensity and stress.
#[must_use]
pub fn emotion(of: u128, id: u128, occurred_at: &str, metrics: [f64; 3]) -> EmotionEvent {
    let [positivity, intensity, stress] = metrics.map(|metric| Unit::new(metric).unwrap());
    EmotionEvent {
        id: event_id(id),
        user: user(of),
        occurred_at: at(occurred_at),
        kind: EmotionKind::new("calm".to_owned()).unwrap(),
        metrics: Metrics { positivity, intensity, stress },
    }
}

/// The rules of most folds: consent is assumed, stress starts at 0.7, raw rows are kept from 2026-10-22 on.
#[must_use]
pub fn rules() -> EmotionRules {
    EmotionRules {
        consent: ConsentRule::Assumed,
        stress: StressThreshold(Unit::new(0.7).unwrap()),
        raw_floor: day("2026-10-22"),
    }
}

/// The same, but silence about consent is a no.
#[must_use]
pub fn consent_required() -> EmotionRules {
    EmotionRules { consent: ConsentRule::Required, ..rules() }
}

/// A transaction over some cents.
#[must_use]
pub fn transaction(of: u128, id: u128, occurred_at: &str, cents: i64) -> Transaction {
    Transaction {
        id: TransactionId::from(event_id(id)),
        user: user(of),
        amount: Money::from_minor_units(cents),
        currency: "BRL".parse().unwrap(),
        occurred_at: at(occurred_at),
        merchant: Some("Padaria".to_owned()),
        category: None,
        channel: Some("pos".to_owned()),
        client_id: Some(format!("client {id}")),
    }
}

/// An offer's id, by number.
#[must_use]
pub fn offer_id(number: u128) -> OfferId {
    OfferId::new(Uuid::from_u128(0x0ffe_0000_0000_4000_8000_0000_0000_0000 + number))
}

/// A decision's id, by number.
#[must_use]
pub fn decision_id(number: u128) -> DecisionId {
    DecisionId::new(Uuid::from_u128(0xdec1_0000_0000_4000_8000_0000_0000_0000 + number))
}

/// A review's id, by number.
#[must_use]
pub fn review_id(number: u128) -> ReviewId {
    ReviewId::new(Uuid::from_u128(0x4e71_0000_0000_4000_8000_0000_0000_0000 + number))
}

/// An approval made at `decided_at`, whose offer of the same number is open for seven days.
#[must_use]
pub fn approval(of: u128, number: u128, decided_at: Timestamp) -> Decision {
    let offer = Offer {
        id: offer_id(number),
        user: user(of),
        status: OfferStatus::Offered,
        terms: Terms {
            credit_limit: Money::from_minor_units(500_001),
            interest_rate: Rate::from_basis_points(1_425),
            credit_type: CreditType::LongTerm,
        },
        created_at: decided_at,
        expires_at: decided_at + 168.hours(),
        accepted_at: None,
        activated_at: None,
    };
    Decision { outcome: Outcome::Approved(offer), ..denial(of, number, decided_at) }
}

/// A denial. Its numbers have digits that only an exact way of keeping them brings back.
#[must_use]
pub fn denial(of: u128, number: u128, decided_at: Timestamp) -> Decision {
    let contribution = |input, log_odds| Contribution { input, log_odds };
    Decision {
        id: decision_id(number),
        user: user(of),
        decided_at,
        features: features(),
        assessment: Assessment {
            risk_score: 0.1 + 0.2,
            model_version: "empathic-7".to_owned(),
            model_digest: "ab".repeat(32),
            base_log_odds: -1.0 / 3.0,
            without_emotions: Some(second("financial-7", 0.7 / 3.0)),
            challenger: Some(second("empathic-8", f64::MIN_POSITIVE)),
            contributions: vec![
                contribution(Input::TransactionCount30d, 1.0 / 3.0),
                contribution(Input::AvgStress7d, -2.225_073_858_507_201e-308),
            ],
        },
        facts: Facts {
            exposure: Money::from_minor_units(1_234_567),
            last_denied_at: Some(decided_at - 49.hours()),
        },
        policy_version: "policy-1".to_owned(),
        policy_digest: "cd".repeat(32),
        outcome: Outcome::Denied(Denial {
            reasons: vec![Reason::NoRecentTransaction, Reason::StressEvents],
            text: "no recent transaction".to_owned(),
        }),
        approved_without_emotions: Some(true),
        catalogue_version: 1,
    }
}

fn second(version: &str, risk_score: f64) -> Second {
    Second { risk_score, model_version: version.to_owned(), model_digest: "ef".repeat(32) }
}

fn features() -> Features {
    Features {
        transaction_count_30d: 3,
        avg_transaction_value_30d: 1_000.0 / 3.0,
        days_since_last_transaction: Some(0.1 + 0.7),
        account_age_days: std::f64::consts::PI,
        emotions: Some(EmotionFeatures {
            means_7d: Some(EmotionMeans { positivity: 2.0 / 3.0, intensity: 0.1, stress: 1e-9 }),
            stress_events_7d: 1,
            stress_events_30d: 2,
        }),
    }
}

/// A decision that stands for five minutes.
#[must_use]
pub fn new_decision(decision: Decision) -> NewDecision {
    NewDecision { decision, stands_for: Duration::from_secs(300), facts: None }
}

/// Makes an offer.
pub async fn make_offer(store: &dyn Store, of: u128, number: u128, decided_at: Timestamp) {
    let recorded = store.record_decision(new_decision(approval(of, number, decided_at)), None).await.unwrap();
    assert!(!recorded.repeated);
}

/// A message for the outbox.
#[must_use]
pub fn message(of: u128, number: u128) -> OutboxMessage {
    OutboxMessage {
        id: event_id(number),
        subject: "credit.offers.approved",
        key: user(of),
        payload: Bytes::from(format!("{{\"number\":{number}}}")),
        schema_version: 1,
        request_id: Some("request-1".to_owned()),
        traceparent: None,
    }
}

/// The first page of a list, large enough for every behaviour.
#[must_use]
pub fn first_page() -> PageRequest {
    PageRequest { page: 1, page_size: 100 }
}

/// Puts items into an order that `seed` decides, the same one every time.
pub fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for end in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        items.swap(end, usize::try_from(state >> 33).unwrap() % (end + 1));
    }
}
