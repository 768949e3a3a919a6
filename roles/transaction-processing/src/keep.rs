//! What is done with a batch of transactions.

use std::sync::Arc;

use async_trait::async_trait;
use ecs_bus::payload::TransactionPayload;
use ecs_bus::{Delivery, Outcome};
use ecs_domain::{Clock, Timestamp};
use ecs_store::{Folded, Folds};
use ecs_work::{Decoded, Failure, Handler, arrival, decoded};

use crate::Deps;

/// Decodes and keeps.
pub(crate) struct Keep {
    store: Arc<dyn Folds>,
    clock: Arc<dyn Clock>,
}

impl Keep {
    pub(crate) fn new(deps: &Deps) -> Self {
        Self { store: Arc::clone(&deps.store) as Arc<dyn Folds>, clock: Arc::clone(&deps.clock) }
    }
}

#[async_trait]
impl Handler for Keep {
    async fn handle(&self, batch: &[Delivery]) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes = Vec::with_capacity(batch.len());
        for (run, arrived_at) in arrival::runs(batch, self.clock.now()) {
            outcomes.extend(self.keep(run, arrived_at).await?);
        }
        Ok(outcomes)
    }
}

impl Keep {
    /// Keeps what arrived together.
    async fn keep(&self, run: &[Delivery], arrived_at: Timestamp) -> Result<Vec<Outcome>, Failure> {
        let decoded = Decoded::of(run, TransactionPayload::decode);
        if decoded.items().is_empty() {
            return Ok(decoded.outcomes([]));
        }
        let fates = self.store.fold_transactions(decoded.items(), arrived_at).await?;
        Ok(decoded.outcomes(fates.into_iter().map(outcome)))
    }
}

fn outcome(fate: Folded) -> Outcome {
    match fate {
        Folded::Counted | Folded::Repeated | Folded::Discarded => Outcome::Ack,
        Folded::UnknownUser => decoded::unknown_user(),
    }
}
