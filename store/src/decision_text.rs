//! Features and contributions as the JSON columns of `decisions` keep them, in every engine alike.
//!
//! Floats are written with as many digits as they need and read back by the standard library, so a decision that is
//! read is the decision that was made, to the last bit.

use ecs_domain::features::{EmotionFeatures, EmotionMeans, Features};
use ecs_domain::scorecard::{Contribution, Input};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::StoreError;

/// The column `features`.
#[derive(Serialize, Deserialize)]
struct FeaturesRecord {
    transaction_count_30d: u64,
    avg_transaction_value_30d: Exact,
    days_since_last_transaction: Option<Exact>,
    account_age_days: Exact,
    emotions: Option<EmotionsRecord>,
}

#[derive(Serialize, Deserialize)]
struct EmotionsRecord {
    means_7d: Option<MeansRecord>,
    stress_events_7d: u64,
    stress_events_30d: u64,
}

#[derive(Serialize, Deserialize)]
struct MeansRecord {
    positivity: Exact,
    intensity: Exact,
    stress: Exact,
}

/// One item of the column `contributions`.
#[derive(Serialize, Deserialize)]
struct ContributionRecord {
    feature: String,
    log_odds: Exact,
}

/// A float that is read from its digits: `serde_json` itself may be off by the last bit.
#[derive(Clone, Copy)]
pub(crate) struct Exact(pub(crate) f64);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = <&RawValue>::deserialize(deserializer)?;
        digits.get().parse().map(Self).map_err(D::Error::custom)
    }
}

impl From<&Features> for FeaturesRecord {
    fn from(features: &Features) -> Self {
        Self {
            transaction_count_30d: features.transaction_count_30d,
            avg_transaction_value_30d: Exact(features.avg_transaction_value_30d),
            days_since_last_transaction: features.days_since_last_transaction.map(Exact),
            account_age_days: Exact(features.account_age_days),
            emotions: features.emotions.map(|emotions| EmotionsRecord {
                means_7d: emotions.means_7d.map(|means| MeansRecord {
                    positivity: Exact(means.positivity),
                    intensity: Exact(means.intensity),
                    stress: Exact(means.stress),
                }),
                stress_events_7d: emotions.stress_events_7d,
                stress_events_30d: emotions.stress_events_30d,
            }),
        }
    }
}

impl From<FeaturesRecord> for Features {
    fn from(record: FeaturesRecord) -> Self {
        Self {
            transaction_count_30d: record.transaction_count_30d,
            avg_transaction_value_30d: record.avg_transaction_value_30d.0,
            days_since_last_transaction: record.days_since_last_transaction.map(|days| days.0),
            account_age_days: record.account_age_days.0,
            emotions: record.emotions.map(|emotions| EmotionFeatures {
                means_7d: emotions.means_7d.map(|means| EmotionMeans {
                    positivity: means.positivity.0,
                    intensity: means.intensity.0,
                    stress: means.stress.0,
                }),
                stress_events_7d: emotions.stress_events_7d,
                stress_events_30d: emotions.stress_events_30d,
            }),
        }
    }
}

/// The text of the column `features`.
///
/// # Errors
/// A float that JSON can't hold.
pub fn features_text(features: &Features) -> Result<String, StoreError> {
    serde_json::to_string(&FeaturesRecord::from(features)).map_err(|error| unreadable(&error))
}

/// Reads the column `features`.
///
/// # Errors
/// The text has another form.
pub fn parse_features(text: &str) -> Result<Features, StoreError> {
    serde_json::from_str::<FeaturesRecord>(text).map(Into::into).map_err(|error| unreadable(&error))
}

/// The text of the column `contributions`.
///
/// # Errors
/// A float that JSON can't hold.
pub fn contributions_text(contributions: &[Contribution]) -> Result<String, StoreError> {
    let record = |term: &Contribution| ContributionRecord {
        feature: term.input.as_str().to_owned(),
        log_odds: Exact(term.log_odds),
    };
    let records: Vec<_> = contributions.iter().map(record).collect();
    serde_json::to_string(&records).map_err(|error| unreadable(&error))
}

/// Reads the column `contributions`.
///
/// # Errors
/// The text has another form, or names a feature that there is none of.
pub fn parse_contributions(text: &str) -> Result<Vec<Contribution>, StoreError> {
    let records: Vec<ContributionRecord> = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
    let contribution = |record: ContributionRecord| {
        let input = Input::ALL.into_iter().find(|input| input.as_str() == record.feature);
        let input =
            input.ok_or_else(|| StoreError::Corrupt("a decision names an unknown feature".to_owned()))?;
        Ok(Contribution { input, log_odds: record.log_odds.0 })
    };
    records.into_iter().map(contribution).collect()
}

/// Says where, never what: the text holds what somebody was scored by.
pub(crate) fn unreadable(error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt(format!(
        "a decision's JSON is off at line {}, column {}",
        error.line(),
        error.column()
    ))
}
