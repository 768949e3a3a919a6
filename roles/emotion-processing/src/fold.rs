//! What is done with a batch of emotion events.

use std::sync::Arc;

use async_trait::async_trait;
use ecs_bus::payload::EmotionPayload;
use ecs_bus::{Delivery, Outcome};
use ecs_domain::{Clock, Day, Timestamp};
use ecs_store::{EmotionRules, Folded, Folds};
use ecs_work::{Decoded, Failure, Handler, arrival, decoded, retention};

use crate::{Deps, Rules};

/// Decodes and folds.
pub(crate) struct Fold {
    store: Arc<dyn Folds>,
    clock: Arc<dyn Clock>,
    rules: Rules,
    raw_retention_days: u16,
}

impl Fold {
    pub(crate) fn new(deps: &Deps) -> Self {
        Self {
            store: Arc::clone(&deps.store) as Arc<dyn Folds>,
            clock: Arc::clone(&deps.clock),
            rules: deps.rules,
            raw_retention_days: deps.raw_retention_days,
        }
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
        Ok(decoded.outcomes(fates.into_iter().map(outcome)))
    }
}

fn outcome(fate: Folded) -> Outcome {
    match fate {
        Folded::Counted | Folded::Repeated | Folded::Discarded => Outcome::Ack,
        Folded::UnknownUser => decoded::unknown_user(),
    }
}
