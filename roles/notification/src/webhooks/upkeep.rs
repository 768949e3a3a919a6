//! What keeps webhooks fit: old deliveries go, and secrets are put under the key of today.

use std::sync::Arc;
use std::time::Duration;

use ecs_domain::Clock;
use ecs_store::{StoreError, Webhooks};
use ecs_work::retention;

use super::secrets::Secrets;

/// For how long deliveries that came to an end are listed, counted from when they were made.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How many rows are worked on at once.
const PIECE: usize = 1_000;

/// Looks after webhooks.
#[derive(Clone)]
pub(crate) struct Upkeep {
    pub(crate) store: Arc<dyn Webhooks>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) secrets: Arc<Secrets>,
}

impl Upkeep {
    /// Does what there is to do.
    pub(crate) async fn run(self) -> Result<(), StoreError> {
        self.forget().await?;
        self.reseal().await
    }

    async fn forget(&self) -> Result<(), StoreError> {
        let since = retention::before(self.clock.now(), KEPT);
        loop {
            let deliveries = self.store.forget_deliveries(since, PIECE).await?;
            if deliveries == 0 {
                return Ok(());
            }
            tracing::info!(deliveries, "deliveries of webhooks past their retention went");
        }
    }

    /// A key that was replaced is accepted for a day; what is sealed under it is sealed anew long before that.
    async fn reseal(&self) -> Result<(), StoreError> {
        loop {
            let found = self.store.webhooks_sealed_otherwise(self.secrets.current(), PIECE).await?;
            let mut resealed = 0;
            for webhook in &found {
                let Some(secrets) = self.secrets.reseal(webhook, self.clock.now()) else {
                    tracing::error!(webhook = %webhook.id, "the secret of a webhook can't be opened: was SECRET_KEY replaced?");
                    continue;
                };
                let done = self.store.reseal_webhook(webhook.id, &webhook.secrets, &secrets).await?;
                resealed += usize::from(done);
            }
            // What can't be opened comes again each time, so a round that does nothing is the last.
            if resealed == 0 || found.len() < PIECE {
                return Ok(());
            }
        }
    }
}
