//! Activates accepted offers, each once.
//!
//! An activation and the notification about it are one write: the notification goes into the outbox in the transaction
//! that makes the offer active, and the relay publishes it after that. So it can neither be lost nor come too early,
//! however often the acceptance is delivered.

mod activate;

use std::sync::Arc;
use std::time::Duration;

use ecs_bus::{Bus, Subject, SubscribeOptions};
use ecs_cache::Cache;
use ecs_domain::Clock;
use ecs_metrics::Metrics;
use ecs_store::{Store, StoreError};
use ecs_work::{ConsumeDeps, Handler, OnFailure, OnStop, Supervisor, Wake, consume, periodic, retention};

/// Activations are one transaction each, so a batch of them has to fit well into its lease.
const MAX_BATCH: usize = 100;
/// How often offers are looked for that nobody accepted in time. Reading an offer goes by the clock, so nobody sees an
/// expired offer as open in between.
const EXPIRY: Duration = Duration::from_secs(60);

/// What the role needs.
#[derive(Clone)]
pub struct Deps {
    /// Where acceptances come from.
    pub bus: Arc<dyn Bus>,
    /// Where offers, the outbox and dead letters are kept.
    pub store: Arc<dyn Store>,
    /// What was cached about a user goes when an offer of theirs becomes active.
    pub cache: Cache,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Wakes the relay once a notification is in the outbox.
    pub outbox: Wake,
    /// How long the bus keeps acceptances; [`retention::OTHERS_ON_BUS`] unless configured otherwise.
    pub bus_retention: Duration,
    /// How often an event may fail before it is a dead letter.
    pub delivery_limit: u32,
    /// Where dead letters are counted.
    pub metrics: Metrics,
}

/// The role.
#[derive(Clone)]
pub struct CreditApplication {
    deps: Deps,
}

impl CreditApplication {
    /// A role that doesn't run yet.
    #[must_use]
    pub fn create(deps: Deps) -> Self {
        Self { deps }
    }

    /// The role's work on a batch, for those who bring their own loop.
    #[must_use]
    pub fn handler(&self) -> Arc<dyn Handler> {
        Arc::new(activate::Activate::new(&self.deps))
    }

    /// Starts activating, expiring and forgetting.
    pub fn start(&self, supervisor: &Supervisor) {
        let Deps { bus, store, clock, delivery_limit, metrics, .. } = self.deps.clone();
        let deps = ConsumeDeps { bus, store, clock, delivery_limit, metrics };
        let options =
            SubscribeOptions { max_batch: MAX_BATCH, linger: Duration::ZERO, ..SubscribeOptions::default() };
        let (handler, token) = (self.handler(), supervisor.token());
        let consumer = consume::run(deps, Subject::OffersApproved, options.into(), handler, token);
        supervisor.spawn("credit-application", OnFailure::StopProcess, OnStop::Wait, consumer);

        let (deps, token) = (self.deps.clone(), supervisor.token());
        supervisor.spawn("credit-application/expiry", OnFailure::Log, OnStop::Abort, async move {
            periodic("credit-application/expiry", EXPIRY, token, || expire(&deps)).await;
            Ok::<(), std::convert::Infallible>(())
        });

        let Deps { bus, clock, bus_retention, .. } = self.deps.clone();
        retention::start_bus_sweep(supervisor, bus, clock, Subject::OffersApproved, bus_retention);
    }
}

async fn expire(deps: &Deps) -> Result<(), StoreError> {
    let offers = deps.store.expire_offers(deps.clock.now()).await?;
    if offers > 0 {
        tracing::info!(offers, "offers expired");
    }
    Ok(())
}
