//! The answer to an analysis.

use ecs_domain::offer::OfferStatus;
use ecs_domain::{DecisionId, Money, OfferId, Rate, Timestamp, UserId};
use ecs_web::{Problem, idempotency};
use http::StatusCode;
use serde::Serialize;

use super::view::{DecisionView, OfferView};

/// The decision with its offer, or with the reason why there is none.
#[derive(Serialize)]
struct Answer {
    user_id: UserId,
    approved: bool,
    /// 0 is no risk, 1 certain default.
    ml_risk_score: f64,
    offer: Option<AnswerOffer>,
    reason: Option<String>,
    decision_id: DecisionId,
    decided_at: Timestamp,
    model_version: String,
    policy_version: String,
    /// Whether this decision was made for an earlier request and still stands.
    repeated: bool,
    /// Whether the decision looked at any emotion.
    emotion_data_used: bool,
    /// What each feature added to the risk in log-odds, the weightiest first.
    explanation: Vec<Contribution>,
}

#[derive(Serialize)]
struct AnswerOffer {
    offer_id: OfferId,
    /// Where the offer stands by now: a repeated answer may come after its acceptance.
    status: &'static str,
    credit_limit: Money,
    interest_rate: Rate,
    credit_type: String,
    expires_at: Timestamp,
}

#[derive(Serialize)]
struct Contribution {
    feature: String,
    contribution: f64,
}

/// The answer to the request that made a decision.
pub(super) fn to_new(user: UserId, view: DecisionView) -> Result<idempotency::Answer, Problem> {
    let status = view.offer.as_ref().map(|_| OfferStatus::Offered);
    idempotency::Answer::json(StatusCode::OK, &Answer::new(user, view, status, false))
}

/// The answer to a request that found a decision standing, whose offer has this status by now.
pub(super) fn to_repeated(
    user: UserId,
    view: DecisionView,
    status: Option<OfferStatus>,
) -> Result<idempotency::Answer, Problem> {
    idempotency::Answer::json(StatusCode::OK, &Answer::new(user, view, status, true))
}

impl Answer {
    /// `status` is that of the view's offer.
    fn new(user: UserId, view: DecisionView, status: Option<OfferStatus>, repeated: bool) -> Self {
        Self {
            user_id: user,
            approved: view.offer.is_some(),
            ml_risk_score: view.risk_score.0,
            offer: view.offer.zip(status).map(|(offer, status)| AnswerOffer::new(offer, status)),
            reason: view.reason,
            decision_id: view.decision_id,
            decided_at: view.decided_at,
            model_version: view.model_version,
            policy_version: view.policy_version,
            repeated,
            emotion_data_used: view.emotion_data_used,
            explanation: view
                .explanation
                .into_iter()
                .map(|(feature, contribution)| Contribution { feature, contribution: contribution.0 })
                .collect(),
        }
    }
}

impl AnswerOffer {
    fn new(offer: OfferView, status: OfferStatus) -> Self {
        Self {
            offer_id: offer.offer_id,
            status: status.as_str(),
            credit_limit: offer.credit_limit,
            interest_rate: offer.interest_rate,
            credit_type: offer.credit_type,
            expires_at: offer.expires_at,
        }
    }
}
