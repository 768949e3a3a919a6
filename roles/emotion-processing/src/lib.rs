//! Folds emotion events into per-user daily aggregates, each exactly once.
//!
//! An event of a user without an account becomes a dead letter; one of a user without consent leaves its id and nothing
//! else. The role also forgets: raw rows and ids past their retention, and the bus's own copies of emotion events.

mod fold;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use ecs_bus::{Bus, Subject, SubscribeOptions};
use ecs_domain::Clock;
use ecs_domain::consent::ConsentRule;
use ecs_domain::emotion::StressThreshold;
use ecs_metrics::Metrics;
use ecs_store::Store;
use ecs_work::{ConsumeDeps, Handler, OnFailure, OnStop, Supervisor, consume, periodic, retention};

/// Larger batches than other roles take. What a fold costs is the pages it writes, and events of a larger batch have more
/// of them in common: so the further the role is behind, the faster it folds. The wait for more stays short, and while
/// the role keeps up its batches do too.
const BATCHES: SubscribeOptions =
    SubscribeOptions { max_batch: 20_000, linger: Duration::from_millis(20), lease: Duration::from_secs(30) };

/// While one member of the group has the store, the other fetches and decodes.
const MEMBERS: [&str; 2] = ["emotion-processing/1", "emotion-processing/2"];

/// What the role needs.
#[derive(Clone)]
pub struct Deps {
    /// Where emotion events come from.
    pub bus: Arc<dyn Bus>,
    /// Where aggregates, ids and dead letters are kept.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What holds while emotions are folded.
    pub rules: Rules,
    /// How many days of raw rows are kept; [`retention::RAW_DAYS`] unless configured otherwise.
    pub raw_retention_days: u16,
    /// How long the bus keeps emotion events; [`retention::EMOTIONS_ON_BUS`] unless configured otherwise.
    pub bus_retention: Duration,
    /// How often an event may fail before it is a dead letter.
    pub delivery_limit: u32,
    /// Where dead letters are counted.
    pub metrics: Metrics,
}

/// What holds while emotions are folded.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// What silence about consent means.
    pub consent: ConsentRule,
    /// What counts as a stress event.
    pub stress: StressThreshold,
}

/// The role.
#[derive(Clone)]
pub struct EmotionProcessing {
    deps: Deps,
}

impl EmotionProcessing {
    /// A role that doesn't run yet.
    #[must_use]
    pub fn create(deps: Deps) -> Self {
        Self { deps }
    }

    /// The role's work on a batch, for those who bring their own loop.
    #[must_use]
    pub fn handler(&self) -> Arc<dyn Handler> {
        Arc::new(fold::Fold::new(&self.deps))
    }

    /// Starts consuming and forgetting.
    pub fn start(&self, supervisor: &Supervisor) {
        let Deps { bus, store, clock, delivery_limit, metrics, .. } = self.deps.clone();
        let deps = ConsumeDeps { bus, store, clock, delivery_limit, metrics };
        for member in MEMBERS {
            let (handler, token) = (self.handler(), supervisor.token());
            let consumer = consume::run(deps.clone(), Subject::Emotions, BATCHES.into(), handler, token);
            supervisor.spawn(member, OnFailure::StopProcess, OnStop::Wait, consumer);
        }

        let (deps, token) = (self.deps.clone(), supervisor.token());
        supervisor.spawn("emotion-processing/upkeep", OnFailure::Log, OnStop::Abort, async move {
            let mut sweeps = retention::Sweeps::default();
            let sweep = || upkeep::sweep(&deps, sweeps.begin());
            periodic("emotion-processing/upkeep", retention::SWEEP, token, sweep).await;
            Ok::<(), std::convert::Infallible>(())
        });
    }
}
