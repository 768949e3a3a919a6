//! The question and the answer of `POST /v1/predict`, as the caller writes and reads them.
//!
//! They carry floats to the last bit: JSON's digits are the shortest that name the float, and both sides read them to the
//! nearest one, so an assessment over HTTP is the very assessment of the same process.

use ecs_domain::features::Features;
use ecs_domain::scorecard::{Assessment, Contribution, Input, Second};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::body::Exact;

/// More than the role takes for a count. What is cut off here makes no difference to any model.
const MOST_COUNT: u64 = 1_000_000_000;

/// Features as the role reads them: what is missing isn't there.
pub(super) struct Question<'a>(&'a Features);

impl<'a> From<&'a Features> for Question<'a> {
    fn from(features: &'a Features) -> Self {
        Self(features)
    }
}

impl Serialize for Question<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for input in Input::ALL {
            match (count(input, self.0), input.of(self.0)) {
                (Some(count), _) => map.serialize_entry(input.as_str(), &count.min(MOST_COUNT))?,
                (None, Some(value)) => map.serialize_entry(input.as_str(), &within(input, value))?,
                (None, None) => {}
            }
        }
        map.end()
    }
}

/// The inputs that are whole numbers.
fn count(input: Input, features: &Features) -> Option<u64> {
    let emotions = features.emotions.as_ref();
    match input {
        Input::TransactionCount30d => Some(features.transaction_count_30d),
        Input::StressEvents7d => emotions.map(|emotions| emotions.stress_events_7d),
        Input::StressEvents30d => emotions.map(|emotions| emotions.stress_events_30d),
        Input::AvgTransactionValue30d
        | Input::DaysSinceLastTransaction
        | Input::AccountAgeDays
        | Input::AvgPositivity7d
        | Input::AvgIntensity7d
        | Input::AvgStress7d => None,
    }
}

/// The value where the role would refuse it otherwise: models hold what is below 0 for 0, such as the age of an
/// account whose clock was ahead.
fn within(input: Input, value: f64) -> f64 {
    value.clamp(0.0, input.most())
}

/// What the role says.
#[derive(Deserialize)]
pub(super) struct Answer {
    risk_score: Exact,
    model_version: String,
    #[serde(default)]
    model_digest: String,
    base_log_odds: Exact,
    contributions: Vec<Term>,
    without_emotions: Option<Other>,
    challenger: Option<Other>,
}

/// What another model says.
#[derive(Deserialize)]
struct Other {
    risk_score: Exact,
    model_version: String,
    model_digest: String,
}

impl From<Other> for Second {
    fn from(other: Other) -> Self {
        let Other { risk_score, model_version, model_digest } = other;
        Self { risk_score: risk_score.0, model_version, model_digest }
    }
}

#[derive(Deserialize)]
struct Term {
    feature: String,
    log_odds: Exact,
}

impl TryFrom<Answer> for Assessment {
    type Error = &'static str;

    /// Fails for an input that this version doesn't know: the roles are of versions that don't fit together.
    fn try_from(answer: Answer) -> Result<Self, &'static str> {
        let known = |name: &str| Input::ALL.into_iter().find(|input| input.as_str() == name);
        let contribution = |term: Term| -> Result<Contribution, &'static str> {
            let input = known(&term.feature).ok_or("its answer names an input that isn't known here")?;
            Ok(Contribution { input, log_odds: term.log_odds.0 })
        };
        let contributions = answer.contributions.into_iter().map(contribution);
        Ok(Self {
            risk_score: answer.risk_score.0,
            model_version: answer.model_version,
            model_digest: answer.model_digest,
            base_log_odds: answer.base_log_odds.0,
            contributions: contributions.collect::<Result<_, _>>()?,
            without_emotions: answer.without_emotions.map(Second::from),
            challenger: answer.challenger.map(Second::from),
        })
    }
}
