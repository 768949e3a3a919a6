//! A decision with everything that led to it.

use ecs_domain::catalogue::Catalogue;
use ecs_domain::decision::{Decision, Outcome};
use ecs_domain::features::Features;
use ecs_domain::policy::Facts;
use ecs_domain::review::Review;
use ecs_domain::scorecard::{Assessment, Contribution, Input, Second};
use ecs_domain::{DecisionId, Money, Timestamp, UserId};
use ecs_web::openapi::{Id, Instant};
use serde::Serialize;
use utoipa::ToSchema;

use crate::offers::ListedOffer;
use crate::reasons::{self, ReasonView};
use crate::reviews::ReviewView;
use crate::words;

/// A decision with everything that led to it.
#[derive(Serialize, ToSchema)]
#[schema(as = Decision, examples(json!({
    "decision_id": "0198c1f4-1a2b-7c3d-8e4f-5a6b7c8d9e10", "user_id": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e",
    "decided_at": "2026-11-20T14:30:00Z", "approved": false, "ml_risk_score": 0.31,
    "reason": "Your account is still new. This weighs less with every week that passes, without anything you need to do.",
    "reasons": [{"code": "NEW_ACCOUNT", "text": "Your account is still new. This weighs less with every week that passes, without anything you need to do."}],
    "helped_most": {"feature": "transaction_count_30d", "text": "How often you bought and sold in the last 30 days spoke most for you."},
    "catalogue_version": 1, "language": "en", "model": {"version": "financial-1", "digest": "9f86d081884c7d65"},
    "policy": {"version": "policy-3", "digest": "60303ae22b998861"}, "emotion_data_used": false, "base_log_odds": -3.2,
    "inputs": [{"feature": "account_age_days", "name": "Age of the account in days", "value": 3.5}],
    "contributions": [{"feature": "account_age_days", "name": "Age of the account in days", "contribution": 2.4}],
    "facts": {"exposure": 0.00, "last_denied_at": null}, "without_emotions": null, "offer": null, "review": null
})))]
pub(crate) struct Detail {
    /// Its id.
    #[schema(value_type = Id)]
    decision_id: DecisionId,
    /// About whom.
    #[schema(value_type = Id)]
    user_id: UserId,
    /// When it was made.
    #[schema(value_type = Instant)]
    decided_at: Timestamp,
    /// Whether there was an offer.
    approved: bool,
    /// 0 is no risk, 1 certain default.
    #[schema(minimum = 0, maximum = 1)]
    ml_risk_score: f64,
    /// Why not: the reasons' texts as one; null for an approval.
    #[schema(required)]
    reason: Option<String>,
    /// Why not, the weightiest first, at most four; none for an approval.
    reasons: Vec<ReasonView>,
    /// What spoke most for the person; null where nothing lowered the risk.
    #[schema(required)]
    helped_most: Option<Helped>,
    /// The version of the texts.
    catalogue_version: u32,
    /// The language of the texts.
    language: &'static str,
    /// Which model scored it.
    model: Artefact,
    /// Which policy decided it.
    policy: Artefact,
    /// Whether the decision looked at any emotion.
    emotion_data_used: bool,
    /// Where every score starts, in log-odds. With the contributions it sums to those of the score.
    base_log_odds: f64,
    /// What was looked at.
    inputs: Vec<InputView>,
    /// What each input added to the risk, the weightiest first.
    contributions: Vec<ContributionView>,
    /// What the policy read besides.
    facts: FactsView,
    /// What would have been decided without emotions; null where none were looked at.
    #[schema(required)]
    without_emotions: Option<Alternative>,
    /// What was offered, as it stands now; null for a denial.
    #[schema(required)]
    offer: Option<ListedOffer>,
    /// Its last review by a person; null where nobody asked for one.
    #[schema(required)]
    review: Option<ReviewView>,
}

/// What spoke most for somebody.
#[derive(Serialize, ToSchema)]
#[schema(as = HelpedMost)]
struct Helped {
    /// The feature.
    feature: &'static str,
    /// What to tell of it.
    text: &'static str,
}

/// A model or a policy.
#[derive(Serialize, ToSchema)]
#[schema(as = DecidedBy)]
struct Artefact {
    /// What it is called.
    version: String,
    /// SHA-256 of its file in hexadecimal: exactly what was meant by the version. Empty in decisions from before it was kept.
    digest: String,
}

/// What was looked at.
#[derive(Serialize, ToSchema)]
#[schema(as = DecisionInput)]
struct InputView {
    /// The feature.
    feature: &'static str,
    /// What it is called.
    name: &'static str,
    /// Null where nothing was known, or might be looked at.
    #[schema(required)]
    value: Option<f64>,
}

/// What an input added to the risk.
#[derive(Serialize, ToSchema)]
#[schema(as = NamedContribution)]
struct ContributionView {
    /// The feature.
    feature: &'static str,
    /// What it is called.
    name: &'static str,
    /// In log-odds; positive when it raised the risk.
    contribution: f64,
}

/// What a policy read besides.
#[derive(Serialize, ToSchema)]
#[schema(as = PolicyFacts)]
struct FactsView {
    /// What the user could owe by what they were offered or have.
    #[schema(value_type = words::Money)]
    exposure: Money,
    /// When they were last denied before.
    #[schema(required, value_type = Option<Instant>)]
    last_denied_at: Option<Timestamp>,
}

/// What would have been decided otherwise.
#[derive(Serialize, ToSchema)]
#[schema(as = AlternativeDecision)]
struct Alternative {
    /// Whether there would have been an offer.
    approved: bool,
    /// The score that it would have been decided by.
    #[schema(minimum = 0, maximum = 1)]
    ml_risk_score: f64,
    /// Which model says so.
    model: Artefact,
}

impl Detail {
    pub(super) fn new(
        decision: Decision,
        review: Option<Review>,
        catalogue: Catalogue,
        now: Timestamp,
    ) -> Self {
        let offer = decision.offer().map(|offer| ListedOffer::new(offer, now));
        let Decision { assessment, outcome, facts, features, .. } = decision;
        let (approved, text, reasons) = match outcome {
            Outcome::Approved(_) => (true, None, Vec::new()),
            Outcome::Denied(denial) => (false, Some(denial.text), denial.reasons),
        };
        let without = assessment.without_emotions.clone().zip(decision.approved_without_emotions);
        Self {
            decision_id: decision.id,
            user_id: decision.user,
            decided_at: decision.decided_at,
            approved,
            ml_risk_score: assessment.risk_score,
            reason: text.map(|text| reasons::joined(&text, &reasons, catalogue)),
            reasons: reasons::told(&reasons, catalogue),
            helped_most: helped_most(&assessment, catalogue),
            catalogue_version: catalogue.version(),
            language: catalogue.locale().as_str(),
            emotion_data_used: features.hold_emotions(),
            base_log_odds: assessment.base_log_odds,
            inputs: inputs(&features, catalogue),
            contributions: contributions(&assessment, catalogue),
            facts: facts.into(),
            without_emotions: without.map(Alternative::from),
            offer,
            review: review.map(|review| ReviewView::for_its_person(review, now)),
            model: Artefact { version: assessment.model_version, digest: assessment.model_digest },
            policy: Artefact { version: decision.policy_version, digest: decision.policy_digest },
        }
    }
}

impl From<Facts> for FactsView {
    fn from(Facts { exposure, last_denied_at }: Facts) -> Self {
        Self { exposure, last_denied_at }
    }
}

impl From<(Second, bool)> for Alternative {
    fn from((second, approved): (Second, bool)) -> Self {
        let Second { risk_score, model_version, model_digest } = second;
        let model = Artefact { version: model_version, digest: model_digest };
        Self { approved, ml_risk_score: risk_score, model }
    }
}

fn helped_most(assessment: &Assessment, catalogue: Catalogue) -> Option<Helped> {
    let lowered = assessment.contributions.iter().filter(|term| term.log_odds < 0.0);
    let most = lowered.min_by(|a, b| a.log_odds.total_cmp(&b.log_odds))?;
    Some(Helped { feature: most.input.as_str(), text: catalogue.helps(most.input) })
}

fn inputs(features: &Features, catalogue: Catalogue) -> Vec<InputView> {
    let view = |input: &Input| InputView {
        feature: input.as_str(),
        name: catalogue.feature(*input),
        value: input.of(features),
    };
    Input::ALL.iter().map(view).collect()
}

fn contributions(assessment: &Assessment, catalogue: Catalogue) -> Vec<ContributionView> {
    let mut terms: Vec<&Contribution> = assessment.contributions.iter().collect();
    terms.sort_by(|a, b| b.log_odds.abs().total_cmp(&a.log_odds.abs()));
    let view = |term: &Contribution| ContributionView {
        feature: term.input.as_str(),
        name: catalogue.feature(term.input),
        contribution: term.log_odds,
    };
    terms.into_iter().map(view).collect()
}
