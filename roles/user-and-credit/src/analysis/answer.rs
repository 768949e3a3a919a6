//! The answer to an analysis.

use ecs_domain::catalogue::Catalogue;
use ecs_domain::consent::Locale;
use ecs_domain::decision::{Decision, Outcome};
use ecs_domain::offer::Offer;
use ecs_domain::scorecard;
use ecs_domain::{DecisionId, Money, OfferId, Rate, Timestamp, UserId};
use ecs_web::openapi::{Id, Instant};
use serde::Serialize;
use utoipa::ToSchema;

use crate::reasons::{self, ReasonView};
use crate::words;

/// The decision with its offer, or with the reason why there is none.
#[derive(Serialize, ToSchema)]
#[schema(as = CreditDecision, examples(json!({
    "user_id": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e", "approved": true, "ml_risk_score": 0.08,
    "offer": {
        "offer_id": "0198c1f4-1a2b-7c3d-8e4f-5a6b7c8d9e0f", "status": "offered", "credit_limit": 5000.00,
        "interest_rate": 19.50, "credit_type": "LONG_TERM", "expires_at": "2026-11-27T14:30:00Z"
    },
    "reason": null, "reasons": [], "catalogue_version": 1, "language": "en",
    "decision_id": "0198c1f4-1a2b-7c3d-8e4f-5a6b7c8d9e10", "decided_at": "2026-11-20T14:30:00Z",
    "model_version": "empathic-1", "policy_version": "policy-3", "repeated": false, "emotion_data_used": true,
    "without_emotions": {"approved": false, "ml_risk_score": 0.17},
    "explanation": [{"feature": "transaction_count_30d", "contribution": -0.12}]
})))]
pub(crate) struct Answer<'a> {
    /// Who asked for credit.
    #[schema(value_type = Id)]
    user_id: UserId,
    /// Whether there is an offer.
    approved: bool,
    /// 0 is no risk, 1 certain default.
    #[schema(minimum = 0, maximum = 1)]
    ml_risk_score: f64,
    /// What is offered; null for a denial.
    #[schema(required)]
    offer: Option<AnswerOffer>,
    /// Why not: the reasons' texts as one; null for an approval.
    #[schema(required)]
    reason: Option<String>,
    /// Why not, the weightiest first, at most four; none for an approval.
    reasons: Vec<ReasonView>,
    /// The version of the texts. What somebody read once can be read again.
    catalogue_version: u32,
    /// The language of the texts.
    language: &'static str,
    /// The decision's id.
    #[schema(value_type = Id)]
    decision_id: DecisionId,
    /// When it was made.
    #[schema(value_type = Instant)]
    decided_at: Timestamp,
    /// Which model scored it.
    model_version: &'a str,
    /// Which policy decided it.
    policy_version: &'a str,
    /// Whether this decision was made for an earlier request and still stands.
    repeated: bool,
    /// Whether the decision looked at any emotion.
    emotion_data_used: bool,
    /// What would have been decided without emotions: the same where nothing is known to be felt; null without consent.
    #[schema(required)]
    without_emotions: Option<WithoutEmotions>,
    /// What each feature added to the risk in log-odds, the weightiest first.
    explanation: Vec<Contribution>,
}

/// What is offered.
#[derive(Serialize, ToSchema)]
#[schema(as = Offer)]
struct AnswerOffer {
    /// Its id.
    #[schema(value_type = Id)]
    offer_id: OfferId,
    /// Where the offer stands by now: a repeated answer may come after its acceptance.
    #[schema(schema_with = words::statuses)]
    status: &'static str,
    /// How much may be drawn.
    #[schema(value_type = words::Money)]
    credit_limit: Money,
    /// Percent per year.
    #[schema(value_type = words::Rate)]
    interest_rate: Rate,
    /// For how long.
    #[schema(schema_with = words::credit_types)]
    credit_type: &'static str,
    /// Until when it can be accepted.
    #[schema(value_type = Instant)]
    expires_at: Timestamp,
}

/// What would have been decided without emotions.
#[derive(Serialize, ToSchema)]
struct WithoutEmotions {
    /// Whether there would have been an offer.
    approved: bool,
    /// The score that it would have been decided by.
    #[schema(minimum = 0, maximum = 1)]
    ml_risk_score: f64,
}

/// What one feature added to the risk.
#[derive(Serialize, ToSchema)]
#[schema(as = RiskContribution)]
struct Contribution {
    /// The feature.
    feature: &'static str,
    /// In log-odds; positive when it raised the risk.
    contribution: f64,
}

impl<'a> Answer<'a> {
    /// What is said at `now` of a decision to whoever has it made.
    pub(super) fn new(decision: &'a Decision, locale: Locale, now: Timestamp) -> Self {
        let catalogue = Catalogue::of(decision.catalogue_version, locale);
        let (offer, denial) = match &decision.outcome {
            Outcome::Approved(offer) => (Some(AnswerOffer::new(offer, now)), None),
            Outcome::Denied(denial) => (None, Some(denial)),
        };
        let assessment = &decision.assessment;
        let without = decision.approved_without_emotions.zip(assessment.without_emotions.as_ref());
        Self {
            user_id: decision.user,
            approved: offer.is_some(),
            ml_risk_score: assessment.risk_score,
            offer,
            reason: denial.map(|denial| reasons::joined(&denial.text, &denial.reasons, catalogue)),
            reasons: denial.map(|denial| reasons::told(&denial.reasons, catalogue)).unwrap_or_default(),
            catalogue_version: catalogue.version(),
            language: locale.as_str(),
            decision_id: decision.id,
            decided_at: decision.decided_at,
            model_version: &assessment.model_version,
            policy_version: &decision.policy_version,
            repeated: false,
            emotion_data_used: decision.features.hold_emotions(),
            without_emotions: without
                .map(|(approved, second)| WithoutEmotions { approved, ml_risk_score: second.risk_score }),
            explanation: Contribution::all(&assessment.contributions),
        }
    }

    /// The same to whoever finds it standing.
    pub(super) fn repeated(self) -> Self {
        Self { repeated: true, ..self }
    }
}

impl AnswerOffer {
    fn new(offer: &Offer, now: Timestamp) -> Self {
        Self {
            offer_id: offer.id,
            status: offer.status.at(now, offer.expires_at).as_str(),
            credit_limit: offer.terms.credit_limit,
            interest_rate: offer.terms.interest_rate,
            credit_type: offer.terms.credit_type.as_str(),
            expires_at: offer.expires_at,
        }
    }
}

impl Contribution {
    /// The weightiest first.
    fn all(terms: &[scorecard::Contribution]) -> Vec<Self> {
        let told = |term: &scorecard::Contribution| Self {
            feature: term.input.as_str(),
            contribution: term.log_odds,
        };
        let mut all: Vec<Self> = terms.iter().map(told).collect();
        all.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
        all
    }
}
