//! What is done with a batch of emotion events.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use ecs_bus::payload::EmotionPayload;
use ecs_bus::{Delivery, Outcome};
use ecs_cache::{Cache, Scope};
use ecs_domain::emotion::EmotionEvent;
use ecs_domain::{Clock, Day, Timestamp};
use ecs_store::{EmotionRules, Folded, Folds};
use ecs_work::{Decoded, Failure, Handler, arrival, decoded, retention};

use crate::{Deps, Rules};

/// Decodes, folds, and lets go of what was cached about those whose aggregates changed.
pub(crate) struct Fold {
    store: Arc<dyn Folds>,
    cache: Cache,
    clock: Arc<dyn Clock>,
    rules: Rules,
    raw_retention_days: u16,
}

impl Fold {
    pub(crate) fn new(deps: &Deps) -> Self {
        Self {
            store: Arc::clone(&deps.store) as Arc<dyn Folds>,
            cache: deps.cache.clone(),
            clock: Arc::clone(&deps.clock),
            rules: deps.rules,
            raw_retention_days: deps.raw_retention_days,
        }
    }

    async fn forget_cached(&self, events: &[EmotionEvent], fates: &[Folded]) {
        let users: BTreeSet<_> = events
            .iter()
            .zip(fates)
            .filter(|(_, fate)| touches_aggregates(**fate))
            .map(|(event, _)| event.user)
            .collect();
        self.cache.invalidate(users.into_iter().map(Scope::User)).await;
    }
}

#[async_trait]
impl Handler for Fold {
    async fn handle(&self, batch: &[Delivery]) -> Result<Vec<Outcome>, Failure> {
        let now = self.clock.now();
        let raw_floor = retention::raw_floor(now, self.raw_retention_days);
        let mut outcomes = Vec::with_capacity(batch.len());
        for (run, arrived_at) in arrival::runs(batch, now) {
            outcomes.extend(self.fold(run, raw_floor, arrived_at).await?);
        }
        Ok(outcomes)
    }
}

impl Fold {
    /// Folds what arrived together.
    async fn fold(
        &self,
        run: &[Delivery],
        raw_floor: Day,
        arrived_at: Timestamp,
    ) -> Result<Vec<Outcome>, Failure> {
        let decoded = Decoded::of(run, EmotionPayload::decode);
        if decoded.items().is_empty() {
            return Ok(decoded.outcomes([]));
        }
        let Rules { consent, stress } = self.rules;
        let rules = EmotionRules { consent, stress, raw_floor };
        let fates = self.store.fold_emotions(decoded.items(), rules, arrived_at).await?;
        self.forget_cached(decoded.items(), &fates).await;
        Ok(decoded.outcomes(fates.into_iter().map(outcome)))
    }
}

/// A repeated event touches them too: whoever counted it may have died before it let go of what was cached.
fn touches_aggregates(fate: Folded) -> bool {
    match fate {
        Folded::Counted | Folded::Repeated => true,
        Folded::Discarded | Folded::UnknownUser => false,
    }
}

fn outcome(fate: Folded) -> Outcome {
    match fate {
        Folded::Counted | Folded::Repeated | Folded::Discarded => Outcome::Ack,
        Folded::UnknownUser => decoded::unknown_user(),
    }
}
