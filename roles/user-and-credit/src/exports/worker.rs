//! The worker: claims exports, builds their archives one after the other, and notes what came of it.

use std::sync::Arc;
use std::time::Duration;

use ecs_domain::Clock;
use ecs_domain::clock::later;
use ecs_metrics::Metrics;
use ecs_store::{ExportEnd, ExportHold, Store, StoreError};
use ecs_work::{Wake, rounds};
use tokio_util::sync::CancellationToken;

use super::build::{self, Built, LEASE, Stop};

/// How long an archive is kept.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How many attempts are made at an archive. More than that were cut off by something that will do so again.
const ATTEMPTS: u32 = 5;
/// How long an attempt waits that met an outage of the store.
const OUTAGE: Duration = Duration::from_secs(5);

/// Builds archives.
pub(super) struct Archivist {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Metrics,
    /// Is woken when somebody asked for an archive here.
    pub(super) wake: Wake,
}

impl Archivist {
    /// Works until `token` is cancelled. What is under way then is given back, for whoever comes next.
    pub(super) async fn run(self, token: CancellationToken) {
        rounds("exports wait", &self.wake, &token, || self.next(&token)).await;
    }

    /// Builds the one whose turn it is. Returns whether there was one.
    async fn next(&self, token: &CancellationToken) -> Result<bool, StoreError> {
        let claimed = self.store.claim_export(self.clock.now(), LEASE).await?;
        if let Some(hold) = claimed {
            self.attempt(hold, token).await;
        }
        Ok(claimed.is_some())
    }

    async fn attempt(&self, hold: ExportHold, token: &CancellationToken) {
        let end = match hold.attempt {
            0..=ATTEMPTS => tokio::select! {
                built = build::build(self.store.as_ref(), self.clock.as_ref(), hold) => self.end_of(hold, built),
                () = token.cancelled() => Some(ExportEnd::Again(self.clock.now())),
            },
            _ => {
                tracing::error!(export_id = %hold.id, user_id = %hold.user, "an archive was begun too often and is given up");
                Some(ExportEnd::Failed { failure: "interrupted", at: self.clock.now() })
            }
        };
        let Some(end) = end else { return self.metrics.export_attempted("lost") };
        match self.store.end_export(hold, end).await {
            Ok(true) => self.metrics.export_attempted(word(end)),
            Ok(false) => {
                tracing::info!(export_id = %hold.id, "an export was taken away before its end");
                self.metrics.export_attempted("lost");
            }
            // It is begun again when the lease ends.
            Err(error) => {
                tracing::warn!(export_id = %hold.id, %error, "what became of an export can't be noted")
            }
        }
    }

    /// What is noted of an attempt; `None` when it is no longer this one's to tell.
    fn end_of(&self, hold: ExportHold, built: Result<Built, Stop>) -> Option<ExportEnd> {
        let (export_id, user_id, now) = (hold.id, hold.user, self.clock.now());
        match built {
            Ok(Built { progress, bytes }) => {
                tracing::info!(%export_id, %user_id, rows = progress.done, bytes, "an archive was built");
                Some(ExportEnd::Ready { progress, bytes, at: now, expires_at: later(now, KEPT) })
            }
            Err(Stop::Lost) => {
                tracing::info!(%export_id, "an export was taken away while it was built");
                None
            }
            Err(Stop::Store(error)) if error.is_retryable() => {
                tracing::warn!(%export_id, %error, "an archive waits for the store");
                Some(ExportEnd::Again(later(now, OUTAGE)))
            }
            Err(error) => {
                tracing::error!(%export_id, %user_id, %error, "an archive can't be built");
                Some(ExportEnd::Failed { failure: "internal", at: now })
            }
        }
    }
}

fn word(end: ExportEnd) -> &'static str {
    match end {
        ExportEnd::Ready { .. } => "ready",
        ExportEnd::Failed { .. } => "failed",
        ExportEnd::Again(_) => "again",
    }
}
