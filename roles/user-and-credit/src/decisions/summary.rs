//! A decision in a list.

use ecs_domain::catalogue::Catalogue;
use ecs_domain::consent::Locale;
use ecs_domain::decision::{Decision, Outcome};
use ecs_domain::{DecisionId, OfferId, Timestamp};
use ecs_web::openapi::{Id, Instant};
use serde::Serialize;
use utoipa::ToSchema;

use crate::reasons::{self, ReasonView};

/// A page of decisions.
#[derive(Serialize, ToSchema)]
#[schema(as = DecisionPage, examples(json!({
    "total": 1, "page": 1, "page_size": 10, "language": "en",
    "items": [{
        "decision_id": "0198c1f4-1a2b-7c3d-8e4f-5a6b7c8d9e10", "decided_at": "2026-11-20T14:30:00Z", "approved": false,
        "ml_risk_score": 0.31,
        "reasons": [{"code": "NEW_ACCOUNT", "text": "Your account is still new. This weighs less with every week that passes, without anything you need to do."}],
        "catalogue_version": 1, "offer_id": null, "model_version": "financial-1", "policy_version": "policy-3",
        "emotion_data_used": false
    }]
})))]
pub(crate) struct Decisions {
    /// How many there are in all.
    pub(super) total: u64,
    /// Which page this is, from 1.
    pub(super) page: u32,
    /// How many items a page has.
    pub(super) page_size: u32,
    /// The decisions of this page, the newest first.
    pub(super) items: Vec<Summary>,
    /// The language of the texts.
    pub(super) language: &'static str,
}

/// A decision in short.
#[derive(Serialize, ToSchema)]
#[schema(as = DecisionSummary)]
pub(crate) struct Summary {
    /// Its id.
    #[schema(value_type = Id)]
    decision_id: DecisionId,
    /// When it was made.
    #[schema(value_type = Instant)]
    decided_at: Timestamp,
    /// Whether there was an offer.
    approved: bool,
    /// 0 is no risk, 1 certain default.
    #[schema(minimum = 0, maximum = 1)]
    ml_risk_score: f64,
    /// Why not, the weightiest first, at most four; none for an approval.
    reasons: Vec<ReasonView>,
    /// The version of the texts.
    catalogue_version: u32,
    /// What was offered; null for a denial.
    #[schema(required, value_type = Option<Id>)]
    offer_id: Option<OfferId>,
    /// Which model scored it.
    model_version: String,
    /// Which policy decided it.
    policy_version: String,
    /// Whether the decision looked at any emotion.
    emotion_data_used: bool,
}

impl Summary {
    pub(super) fn new(decision: Decision, locale: Locale) -> Self {
        let catalogue = Catalogue::of(decision.catalogue_version, locale);
        let reasons = match &decision.outcome {
            Outcome::Approved(_) => Vec::new(),
            Outcome::Denied(denial) => reasons::told(&denial.reasons, catalogue),
        };
        Self {
            decision_id: decision.id,
            decided_at: decision.decided_at,
            approved: decision.offer().is_some(),
            ml_risk_score: decision.assessment.risk_score,
            reasons,
            catalogue_version: catalogue.version(),
            offer_id: decision.offer().map(|offer| offer.id),
            emotion_data_used: decision.features.hold_emotions(),
            model_version: decision.assessment.model_version,
            policy_version: decision.policy_version,
        }
    }
}
