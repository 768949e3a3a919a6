//! Keeps transactions, each exactly once.
//!
//! A transaction of a user without an account becomes a dead letter. Transactions are history and stay in the store; the
//! bus's copies go after their retention.

mod keep;

use std::sync::Arc;
use std::time::Duration;

use ecs_bus::{Bus, Subject};
use ecs_domain::Clock;
use ecs_metrics::Metrics;
use ecs_store::Store;
use ecs_work::{ConsumeDeps, Handler, OnFailure, OnStop, Supervisor, consume, retention};

/// What the role needs.
#[derive(Clone)]
pub struct Deps {
    /// Where transactions come from.
    pub bus: Arc<dyn Bus>,
    /// Where transactions and dead letters are kept.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How long the bus keeps transactions; [`retention::OTHERS_ON_BUS`] unless configured otherwise.
    pub bus_retention: Duration,
    /// How often an event may fail before it is a dead letter.
    pub delivery_limit: u32,
    /// Where dead letters are counted.
    pub metrics: Metrics,
}

/// The role.
#[derive(Clone)]
pub struct TransactionProcessing {
    deps: Deps,
}

impl TransactionProcessing {
    /// A role that doesn't run yet.
    #[must_use]
    pub fn create(deps: Deps) -> Self {
        Self { deps }
    }

    /// The role's work on a batch, for those who bring their own loop.
    #[must_use]
    pub fn handler(&self) -> Arc<dyn Handler> {
        Arc::new(keep::Keep::new(&self.deps))
    }

    /// Starts consuming and forgetting.
    pub fn start(&self, supervisor: &Supervisor) {
        let Deps { bus, store, clock, delivery_limit, metrics, .. } = self.deps.clone();
        let deps = ConsumeDeps { bus, store, clock, delivery_limit, metrics };
        let (handler, token) = (self.handler(), supervisor.token());
        let consumer = consume::run(deps, Subject::Transactions, consume::Options::default(), handler, token);
        supervisor.spawn("transaction-processing", OnFailure::StopProcess, OnStop::Wait, consumer);

        let Deps { bus, clock, bus_retention, .. } = self.deps.clone();
        retention::start_bus_sweep(supervisor, bus, clock, Subject::Transactions, bus_retention);
    }
}
