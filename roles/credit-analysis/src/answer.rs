//! What `POST /v1/predict` answers.

use ecs_domain::scorecard::{Assessment, Second};
use serde::Serialize;
use utoipa::ToSchema;

/// The score with its explanation: `base_log_odds` and the contributions sum to the score's log-odds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "risk_score": 0.08, "model_version": "empathic-1",
    "model_digest": "c0a7d2b6a1f2f0d3c4e5968778695a4b3c2d1e0ff0e1d2c3b4a5968778695a4b", "base_log_odds": -3.4,
    "contributions": [{"feature": "transaction_count_30d", "log_odds": -0.12}],
    "without_emotions": {
        "risk_score": 0.17, "model_version": "financial-1",
        "model_digest": "c0a7d2b6a1f2f0d3c4e5968778695a4b3c2d1e0ff0e1d2c3b4a5968778695a4b"
    }
})))]
pub(crate) struct Prediction {
    /// The probability of default: 0 is no risk, 1 certain default.
    #[schema(minimum = 0, maximum = 1)]
    risk_score: f64,
    /// Which model it was.
    model_version: String,
    /// SHA-256 of its artefact, in hexadecimal.
    model_digest: String,
    /// Where every score starts: the log-odds of whoever the contributions compare with.
    base_log_odds: f64,
    /// What each input added, in the model's order. Positive ones raised the risk.
    contributions: Vec<FeatureContribution>,
    /// What the financial model says of the same without emotions; only where anything about them is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    without_emotions: Option<OtherScore>,
    /// What a challenger says, which nothing is done with; only where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    challenger: Option<OtherScore>,
}

/// What another model says of the same.
#[derive(Debug, Serialize, ToSchema)]
struct OtherScore {
    /// The probability of default.
    #[schema(minimum = 0, maximum = 1)]
    risk_score: f64,
    /// Which model it is.
    model_version: String,
    /// SHA-256 of its artefact, in hexadecimal.
    model_digest: String,
}

/// What one input added to the score.
#[derive(Debug, Serialize, ToSchema)]
struct FeatureContribution {
    /// The input.
    feature: &'static str,
    /// Positive when it raised the risk.
    log_odds: f64,
}

impl From<Assessment> for Prediction {
    fn from(assessment: Assessment) -> Self {
        let contributions = assessment
            .contributions
            .iter()
            .map(|term| FeatureContribution { feature: term.input.as_str(), log_odds: term.log_odds })
            .collect();
        Self {
            risk_score: assessment.risk_score,
            model_version: assessment.model_version,
            model_digest: assessment.model_digest,
            base_log_odds: assessment.base_log_odds,
            contributions,
            without_emotions: assessment.without_emotions.map(OtherScore::from),
            challenger: assessment.challenger.map(OtherScore::from),
        }
    }
}

impl From<Second> for OtherScore {
    fn from(second: Second) -> Self {
        let Second { risk_score, model_version, model_digest } = second;
        Self { risk_score, model_version, model_digest }
    }
}
