//! What has to be asked for to be known: how far groups are behind, what waits in the outbox, and who waits for a review.
//!
//! Every process that works on a subject asks, and all get the same answer. While the bus or the store is away, the last
//! answer stands.

use std::sync::Arc;
use std::time::Duration;

use ecs_bus::{Bus, Subject};
use ecs_domain::{Clock, Timestamp};
use ecs_metrics::Metrics;
use ecs_store::{Outbox, Reviews};
use tokio_util::sync::CancellationToken;

use crate::{OnFailure, OnStop, Supervisor, periodic};

/// How often is asked: a few times for each scrape.
const INTERVAL: Duration = Duration::from_secs(5);
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// Asks, and says it to the metrics.
#[derive(Clone)]
pub struct Gauges {
    /// Where it is said.
    pub metrics: Metrics,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl Gauges {
    /// Watches how far the subject's group is behind, as a task of `supervisor`.
    pub fn watch_backlog(&self, supervisor: &Supervisor, bus: Arc<dyn Bus>, subject: Subject) {
        let (gauges, token) = (self.clone(), supervisor.token());
        let name = format!("{}/backlog", subject.group());
        supervisor.spawn(name, OnFailure::Log, OnStop::Abort, async move {
            every(token, || gauges.ask_backlog(bus.as_ref(), subject)).await;
            Ok::<(), std::convert::Infallible>(())
        });
    }

    /// Watches what waits in the outbox, as a task of `supervisor`.
    pub fn watch_outbox(&self, supervisor: &Supervisor, store: Arc<dyn Outbox>) {
        let (gauges, token) = (self.clone(), supervisor.token());
        supervisor.spawn("outbox-depth", OnFailure::Log, OnStop::Abort, async move {
            every(token, || gauges.ask_outbox(store.as_ref())).await;
            Ok::<(), std::convert::Infallible>(())
        });
    }

    /// Watches how long people have waited for a review, as a task of `supervisor`.
    pub fn watch_reviews(&self, supervisor: &Supervisor, store: Arc<dyn Reviews>) {
        let (gauges, token) = (self.clone(), supervisor.token());
        supervisor.spawn("review-backlog", OnFailure::Log, OnStop::Abort, async move {
            every(token, || gauges.ask_reviews(store.as_ref())).await;
            Ok::<(), std::convert::Infallible>(())
        });
    }

    async fn ask_backlog(&self, bus: &dyn Bus, subject: Subject) {
        match bus.backlog(subject, subject.group()).await {
            Ok(backlog) => {
                self.metrics.bus_backlog(subject.as_str(), backlog.pending, self.age(backlog.oldest));
            }
            Err(error) => tracing::debug!(%subject, %error, "the backlog is not known"),
        }
    }

    async fn ask_outbox(&self, store: &dyn Outbox) {
        match store.outbox_depth().await {
            Ok(depth) => self.metrics.outbox_depth(depth),
            Err(error) => tracing::debug!(%error, "the outbox's depth is not known"),
        }
    }

    async fn ask_reviews(&self, store: &dyn Reviews) {
        match store.review_backlog().await {
            Ok(backlog) => self.metrics.review_backlog(backlog.waiting, self.age(backlog.oldest)),
            Err(error) => tracing::debug!(%error, "how many reviews wait is not known"),
        }
    }

    /// How long ago that was. A clock that is ahead of ours makes no age below zero.
    fn age(&self, oldest: Option<Timestamp>) -> Duration {
        let age = oldest.map(|oldest| self.clock.now().duration_since(oldest));
        age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default()
    }
}

/// Asks again and again. No answer in time is no answer.
async fn every<F: Future<Output = ()>>(token: CancellationToken, mut ask: impl FnMut() -> F) {
    let ask = || {
        let asked = tokio::time::timeout(PATIENCE, ask());
        async move {
            let _ = asked.await;
            Ok::<(), std::convert::Infallible>(())
        }
    };
    periodic("gauges", INTERVAL, token, ask).await;
}
