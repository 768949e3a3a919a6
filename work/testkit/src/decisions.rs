//! Decisions as tests put them into a store, made when and however they say.

use std::time::Duration;

use ecs_domain::decision::{Decision, Denial, Outcome};
use ecs_domain::features::Features;
use ecs_domain::offer::{Offer, OfferStatus};
use ecs_domain::policy::Facts;
use ecs_domain::reason::Reason;
use ecs_domain::scorecard::Assessment;
use ecs_domain::{DecisionId, OfferId, Timestamp, UserId};
use ecs_store::{NewDecision, Store};
use uuid::Uuid;

use crate::platform::terms;

/// An offer that can be accepted for a week.
#[must_use]
pub fn offer(user: UserId, created_at: Timestamp) -> Offer {
    Offer {
        id: OfferId::new(Uuid::new_v4()),
        user,
        status: OfferStatus::Offered,
        terms: terms(),
        created_at,
        expires_at: created_at + Duration::from_secs(7 * 24 * 3600),
        accepted_at: None,
        activated_at: None,
    }
}

/// A decision by `model`.
#[must_use]
pub fn decision(
    user: UserId,
    decided_at: Timestamp,
    model: &str,
    risk_score: f64,
    approved: bool,
) -> Decision {
    let denial = || Denial::of(vec![Reason::TooLittleKnown]);
    Decision {
        id: DecisionId::new(Uuid::new_v4()),
        user,
        decided_at,
        features: Features {
            transaction_count_30d: 10,
            avg_transaction_value_30d: 500.0,
            days_since_last_transaction: Some(1.0),
            account_age_days: 30.0,
            emotions: None,
        },
        assessment: Assessment::unexplained(model, risk_score),
        facts: Facts::NONE,
        policy_version: "test".to_owned(),
        policy_digest: String::new(),
        outcome: if approved {
            Outcome::Approved(offer(user, decided_at))
        } else {
            Outcome::Denied(denial())
        },
        approved_without_emotions: None,
        catalogue_version: 1,
    }
}

/// Keeps decisions, and seals their log.
///
/// # Panics
/// The store fails, or another decision stands.
pub async fn keep(store: &dyn Store, decisions: impl IntoIterator<Item = Decision>, now: Timestamp) {
    for decision in decisions {
        let new = NewDecision { decision, stands_for: Duration::ZERO, facts: None };
        assert!(!store.record_decision(new, None).await.unwrap().repeated, "another decision stands");
    }
    while store.seal_decisions(now, 1_000).await.unwrap().is_some() {}
}

/// Numbers between 0 and 1 in a row that looks random and is the same every time.
#[expect(clippy::cast_precision_loss, reason = "53 bits are what a float holds")]
pub fn draws(seed: u64) -> impl Iterator<Item = f64> {
    (1_u64..).map(move |number| {
        let mut mixed = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    })
}
