//! The features of a decision: aggregates through the cache, consent straight from the store.

use std::time::Duration;

use ecs_domain::consent::Purpose;
use ecs_domain::features::{EmotionFeatures, EmotionMeans, Features};
use ecs_domain::{Timestamp, UserId};
use ecs_web::Problem;
use serde::{Deserialize, Serialize};

use crate::exact::Exact;
use crate::problems;
use crate::state::{State, key};

/// How long features stay cached. The workers drop them with every event they fold; where a worker can't reach this
/// cache, this is how old they get.
const TTL: Duration = Duration::from_secs(60);

/// What a decision about the user may look at now: no emotions without consent. 404 for an unknown user.
pub(crate) async fn allowed(state: &State, user: UserId, now: Timestamp) -> Result<Features, Problem> {
    let said =
        async { state.store.consent(user, Purpose::EmotionAnalysis).await.map_err(problems::of_store) };
    let (said, features) = tokio::try_join!(said, all(state, user, now))?;
    let allowed = state.consent.allows(said.map(|consent| consent.granted));
    Ok(if allowed { features } else { features.without_emotions() })
}

async fn all(state: &State, user: UserId, now: Timestamp) -> Result<Features, Problem> {
    let load = || async {
        let found = state.store.features(user, now).await.map_err(problems::of_store)?;
        found.map(|source| View::from(source.features)).ok_or_else(problems::unknown_user)
    };
    state.cache.get_or_load(key(user, "features"), TTL, load).await.map(Features::from)
}

/// Features as the cache keeps them.
#[derive(Serialize, Deserialize)]
struct View {
    transaction_count_30d: u64,
    avg_transaction_value_30d: Exact,
    days_since_last_transaction: Option<Exact>,
    account_age_days: Exact,
    emotions: Option<EmotionsView>,
}

#[derive(Serialize, Deserialize)]
struct EmotionsView {
    /// Positivity, intensity, stress.
    means_7d: Option<[Exact; 3]>,
    stress_events_7d: u64,
    stress_events_30d: u64,
}

impl From<Features> for View {
    fn from(features: Features) -> Self {
        Self {
            transaction_count_30d: features.transaction_count_30d,
            avg_transaction_value_30d: Exact(features.avg_transaction_value_30d),
            days_since_last_transaction: features.days_since_last_transaction.map(Exact),
            account_age_days: Exact(features.account_age_days),
            emotions: features.emotions.map(|emotions| EmotionsView {
                means_7d: emotions
                    .means_7d
                    .map(|means| [Exact(means.positivity), Exact(means.intensity), Exact(means.stress)]),
                stress_events_7d: emotions.stress_events_7d,
                stress_events_30d: emotions.stress_events_30d,
            }),
        }
    }
}

impl From<View> for Features {
    fn from(view: View) -> Self {
        Self {
            transaction_count_30d: view.transaction_count_30d,
            avg_transaction_value_30d: view.avg_transaction_value_30d.0,
            days_since_last_transaction: view.days_since_last_transaction.map(|days| days.0),
            account_age_days: view.account_age_days.0,
            emotions: view.emotions.map(|emotions| EmotionFeatures {
                means_7d: emotions.means_7d.map(|[positivity, intensity, stress]| EmotionMeans {
                    positivity: positivity.0,
                    intensity: intensity.0,
                    stress: stress.0,
                }),
                stress_events_7d: emotions.stress_events_7d,
                stress_events_30d: emotions.stress_events_30d,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_come_out_of_the_cache_as_they_went_in() {
        let full = Features {
            transaction_count_30d: 3,
            avg_transaction_value_30d: 0.1 + 0.2,
            days_since_last_transaction: Some(1.0 / 3.0),
            account_age_days: 2.0 / 3.0,
            emotions: Some(EmotionFeatures {
                means_7d: Some(EmotionMeans { positivity: 0.1, intensity: 0.2, stress: 0.3 }),
                stress_events_7d: 4,
                stress_events_30d: 5,
            }),
        };
        let no_means = EmotionFeatures { means_7d: None, stress_events_7d: 0, stress_events_30d: 1 };
        let sparse = Features { days_since_last_transaction: None, emotions: Some(no_means), ..full };
        for features in [full, sparse, full.without_emotions()] {
            let text = serde_json::to_string(&View::from(features)).unwrap();
            assert_eq!(Features::from(serde_json::from_str::<View>(&text).unwrap()), features);
        }
    }
}
