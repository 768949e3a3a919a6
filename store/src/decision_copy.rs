//! A whole decision as one JSON text, for whoever computes it again elsewhere. It holds what somebody was scored by, so it goes to nobody
//! else, and into no log.

use ecs_domain::decision::{Decision, Outcome};
use ecs_domain::offer::{Offer, Terms};
use ecs_domain::{DecisionId, Money, OfferId, Rate, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::decision_record::{DecisionRow, record_text};
use crate::decision_text::{Exact, contributions_text, features_text, unreadable};

/// A row of `decisions` with nothing sealed in it, and its offer.
#[derive(Serialize, Deserialize)]
struct DecisionCopy {
    id: DecisionId,
    user: UserId,
    decided_at: Timestamp,
    outcome: String,
    offer: Option<OfferCopy>,
    reason: Option<String>,
    risk_score: Exact,
    model_version: String,
    model_digest: String,
    policy_version: String,
    policy_digest: String,
    features: String,
    contributions: String,
    record: String,
}

#[derive(Serialize, Deserialize)]
struct OfferCopy {
    id: OfferId,
    status: String,
    credit_limit: Money,
    interest_rate: Rate,
    credit_type: String,
    created_at: Timestamp,
    expires_at: Timestamp,
    accepted_at: Option<Timestamp>,
    activated_at: Option<Timestamp>,
}

/// The text of a whole decision.
///
/// # Errors
/// A float that JSON can't hold.
pub fn decision_text(decision: &Decision) -> Result<String, StoreError> {
    let Decision { id, user, decided_at, features, assessment, outcome, .. } = decision;
    let copy = DecisionCopy {
        id: *id,
        user: *user,
        decided_at: *decided_at,
        outcome: outcome.as_str().to_owned(),
        offer: decision.offer().map(OfferCopy::of),
        reason: match outcome {
            Outcome::Denied(denial) => Some(denial.text.clone()),
            Outcome::Approved(_) => None,
        },
        risk_score: Exact(assessment.risk_score),
        model_version: assessment.model_version.clone(),
        model_digest: assessment.model_digest.clone(),
        policy_version: decision.policy_version.clone(),
        policy_digest: decision.policy_digest.clone(),
        features: features_text(features)?,
        contributions: contributions_text(&assessment.contributions)?,
        record: record_text(decision)?,
    };
    serde_json::to_string(&copy).map_err(|error| unreadable(&error))
}

/// Reads what [`decision_text`] made.
///
/// # Errors
/// The text has another form.
pub fn parse_decision(text: &str) -> Result<Decision, StoreError> {
    let copy: DecisionCopy = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
    let user = copy.user;
    let row = DecisionRow {
        id: copy.id,
        user,
        decided_at: copy.decided_at,
        outcome: copy.outcome,
        offer: copy.offer.map(|offer| offer.to(user)).transpose()?,
        reason: copy.reason,
        risk_score: copy.risk_score.0,
        model_version: copy.model_version,
        model_digest: copy.model_digest,
        policy_version: copy.policy_version,
        policy_digest: copy.policy_digest,
        features: copy.features,
        contributions: copy.contributions,
        record: Some(copy.record),
    };
    row.open(None)
}

impl OfferCopy {
    fn of(offer: &Offer) -> Self {
        Self {
            id: offer.id,
            status: offer.status.as_str().to_owned(),
            credit_limit: offer.terms.credit_limit,
            interest_rate: offer.terms.interest_rate,
            credit_type: offer.terms.credit_type.as_str().to_owned(),
            created_at: offer.created_at,
            expires_at: offer.expires_at,
            accepted_at: offer.accepted_at,
            activated_at: offer.activated_at,
        }
    }

    fn to(self, user: UserId) -> Result<Offer, StoreError> {
        let unknown = |_| StoreError::Corrupt("an offer has an unknown word".to_owned());
        Ok(Offer {
            id: self.id,
            user,
            status: self.status.parse().map_err(unknown)?,
            terms: Terms {
                credit_limit: self.credit_limit,
                interest_rate: self.interest_rate,
                credit_type: self.credit_type.parse().map_err(unknown)?,
            },
            created_at: self.created_at,
            expires_at: self.expires_at,
            accepted_at: self.accepted_at,
            activated_at: self.activated_at,
        })
    }
}
