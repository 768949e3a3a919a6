//! `POST /v1/predict`: the models over HTTP, for callers with the service key.

use std::sync::Arc;

use axum::Json;
use axum::extract::FromRef;
use ecs_domain::Violations;
use ecs_domain::features::{EmotionFeatures, EmotionMeans, Features};
use ecs_domain::permission::held::ModelScore;
use ecs_domain::scorecard::Input;
use ecs_models::Lineup;
use ecs_web::Auth;
use ecs_web::auth::policy::Service;
use ecs_web::body::{Exact, JsonBody};
use ecs_web::openapi::tag;
use ecs_web::problem::Problem;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::Prediction;
use crate::in_charge::InCharge;

/// The largest count that is taken for one.
const MAX_COUNT: u64 = 1_000_000_000;
/// The largest number of days, and the largest mean value, that is taken for one.
const MAX_VALUE: f64 = 1e12;

#[derive(Clone)]
pub(crate) struct State {
    pub(crate) auth: Arc<Auth>,
    pub(crate) models: Arc<InCharge>,
}

impl FromRef<State> for Arc<Auth> {
    fn from_ref(state: &State) -> Self {
        Self::clone(&state.auth)
    }
}

/// What the model looks at. What is missing or null adds nothing to the score; a field that is no input is refused.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ModelInputs, examples(json!({
    "transaction_count_30d": 24, "avg_transaction_value_30d": 118.5, "days_since_last_transaction": 1.5,
    "account_age_days": 210, "avg_positivity_7d": 0.62, "avg_intensity_7d": 0.4, "avg_stress_7d": 0.21,
    "stress_events_7d": 1, "stress_events_30d": 3
})))]
pub(crate) struct Body {
    /// Transactions in the last 30 days.
    #[schema(value_type = u64, maximum = 1_000_000_000)]
    transaction_count_30d: Option<u64>,
    /// Their mean amount, in the deployment's currency.
    #[schema(value_type = f64, minimum = 0, maximum = 1_000_000_000_000_f64)]
    avg_transaction_value_30d: Option<Exact>,
    /// Days since the last one.
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1_000_000_000_000_f64)]
    days_since_last_transaction: Option<Exact>,
    /// Days since the user registered.
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1_000_000_000_000_f64)]
    account_age_days: Option<Exact>,
    /// Mean positivity of the last 7 days.
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1)]
    avg_positivity_7d: Option<Exact>,
    /// Mean intensity of the last 7 days.
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1)]
    avg_intensity_7d: Option<Exact>,
    /// Mean stress level of the last 7 days.
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1)]
    avg_stress_7d: Option<Exact>,
    /// Stress events in the last 7 days.
    #[schema(maximum = 1_000_000_000)]
    stress_events_7d: Option<u64>,
    /// Stress events in the last 30 days.
    #[schema(maximum = 1_000_000_000)]
    stress_events_30d: Option<u64>,
}

/// Score a feature vector
///
/// The models alone, without a user: what they are given goes in, a score with its exact explanation comes out. Where anything
/// about emotions is given, the empathic model answers, and beside it stands what the financial one says without them. Where all that
/// is given is that there was no stress, nothing was felt, and the financial model answers: then both are the same. Nothing is
/// kept. What a score leads to is the credit policy's matter; see the credit analysis.
#[utoipa::path(
    post, path = "/v1/predict", operation_id = "predict", tag = tag::CREDIT,
    request_body = Body,
    responses((status = OK, description = "The score.", body = Prediction)),
)]
pub(crate) async fn predict(
    _: Service<ModelScore>,
    axum::extract::State(state): axum::extract::State<State>,
    JsonBody(body): JsonBody<Body>,
) -> Result<Json<Prediction>, Problem> {
    let models = state.models.now();
    let features = body.features(&models).map_err(Problem::invalid)?;
    Ok(Json(models.assess(&features).into()))
}

impl Body {
    fn features(&self, models: &Lineup) -> Result<Features, Violations> {
        let mut violations = Violations::none();
        violations.require(Input::TransactionCount30d.as_str(), self.transaction_count_30d);
        violations.require(Input::AvgTransactionValue30d.as_str(), self.avg_transaction_value_30d);
        self.check_ranges(&mut violations);
        if !violations.is_empty() {
            return Err(violations);
        }
        let felt = self.tells_of_emotions();
        let neutral = |input| models.neutral(felt, input);
        Ok(Features {
            transaction_count_30d: self.transaction_count_30d.unwrap_or_default(),
            avg_transaction_value_30d: self.avg_transaction_value_30d.map_or(0.0, float),
            days_since_last_transaction: self.days_since_last_transaction.map(float),
            account_age_days: self.account_age_days.map_or_else(|| neutral(Input::AccountAgeDays), float),
            emotions: self.has_emotions().then(|| self.emotions(neutral)),
        })
    }

    fn has_emotions(&self) -> bool {
        let means = [self.avg_positivity_7d, self.avg_intensity_7d, self.avg_stress_7d];
        means.iter().any(Option::is_some) || self.stress_events_7d.or(self.stress_events_30d).is_some()
    }

    /// Whether anything was felt: that there was no stress, and nothing else, is what silence looks like.
    fn tells_of_emotions(&self) -> bool {
        let means = [self.avg_positivity_7d, self.avg_intensity_7d, self.avg_stress_7d];
        let counts = [self.stress_events_7d, self.stress_events_30d];
        means.iter().any(Option::is_some) || counts.into_iter().flatten().any(|count| count > 0)
    }

    /// The emotions; what is missing beside others is neutral.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "neutral counts are small and whole"
    )]
    fn emotions(&self, neutral: impl Fn(Input) -> f64) -> EmotionFeatures {
        let means = [self.avg_positivity_7d, self.avg_intensity_7d, self.avg_stress_7d];
        let any_mean = means.iter().any(Option::is_some);
        let mean = |value: Option<Exact>, input| value.map_or_else(|| neutral(input), float);
        let count = |value: Option<u64>, input| value.unwrap_or_else(|| neutral(input).round() as u64);
        EmotionFeatures {
            means_7d: any_mean.then(|| EmotionMeans {
                positivity: mean(self.avg_positivity_7d, Input::AvgPositivity7d),
                intensity: mean(self.avg_intensity_7d, Input::AvgIntensity7d),
                stress: mean(self.avg_stress_7d, Input::AvgStress7d),
            }),
            stress_events_7d: count(self.stress_events_7d, Input::StressEvents7d),
            stress_events_30d: count(self.stress_events_30d, Input::StressEvents30d),
        }
    }

    fn check_ranges(&self, violations: &mut Violations) {
        let mut number = |input: Input, value: Option<Exact>, max: f64, message: &'static str| {
            // More digits than a float holds are infinite, which is in no range, so that is refused here as well.
            if value.is_some_and(|Exact(value)| !(0.0..=max).contains(&value)) {
                violations.push(input.as_str(), message);
            }
        };
        const SIZE: &str = "must be between 0 and 1000000000000";
        number(Input::AvgTransactionValue30d, self.avg_transaction_value_30d, MAX_VALUE, SIZE);
        number(Input::DaysSinceLastTransaction, self.days_since_last_transaction, MAX_VALUE, SIZE);
        number(Input::AccountAgeDays, self.account_age_days, MAX_VALUE, SIZE);
        const UNIT: &str = "must be between 0 and 1";
        number(Input::AvgPositivity7d, self.avg_positivity_7d, 1.0, UNIT);
        number(Input::AvgIntensity7d, self.avg_intensity_7d, 1.0, UNIT);
        number(Input::AvgStress7d, self.avg_stress_7d, 1.0, UNIT);
        let mut count = |input: Input, value: Option<u64>| {
            if value.is_some_and(|value| value > MAX_COUNT) {
                violations.push(input.as_str(), "must be at most 1000000000");
            }
        };
        count(Input::TransactionCount30d, self.transaction_count_30d);
        count(Input::StressEvents7d, self.stress_events_7d);
        count(Input::StressEvents30d, self.stress_events_30d);
    }
}

fn float(Exact(value): Exact) -> f64 {
    value
}
