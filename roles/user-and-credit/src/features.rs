//! The features of a decision, straight from the store, as is consent.
//!
//! They aren't cached: a decision stands for longer than anybody would let features be old, so a cache of them would be asked in vain.

use ecs_domain::consent::{Consent, Purpose};
use ecs_domain::features::Features;
use ecs_domain::{Timestamp, UserId};
use ecs_store::FeatureSource;
use ecs_web::Problem;

use crate::problems;
use crate::state::State;

/// What a decision about the user may look at now: no emotions without consent. 404 for an unknown user.
pub(crate) async fn allowed(state: &State, user: UserId, now: Timestamp) -> Result<Features, Problem> {
    let said = state.store.consent(user, Purpose::EmotionAnalysis);
    let (said, found) =
        tokio::try_join!(said, state.store.features(user, now)).map_err(problems::of_store)?;
    of(state, found, said)
}

/// The same of what was read.
pub(crate) fn of(
    state: &State,
    found: Option<FeatureSource>,
    said: Option<Consent>,
) -> Result<Features, Problem> {
    let features = found.ok_or_else(problems::unknown_user)?.features;
    let allowed = state.consent.allows(said.map(|consent| consent.granted));
    Ok(if allowed { features } else { features.without_emotions() })
}
