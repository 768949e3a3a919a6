//! Evaluations that nobody asked for: whoever said yes to them gets an offer when one can be made.
//!
//! A fold notes in the store that something about somebody has changed. [`watch`] looks whether the change is material, and if so asks for
//! an evaluation over the bus, at most one in [`EVERY`]; [`evaluate`] makes it, wherever the event arrives, as [`crate::analysis`] would.
//! A good result is an offer and a notification in one transaction. A bad one leaves nothing: nobody applied, so nobody is denied.

mod evaluate;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use ecs_bus::{Subject, SubscribeOptions};
use ecs_work::{ConsumeDeps, OnFailure, OnStop, Supervisor, consume, retention};

use crate::state::State;

/// How often somebody is evaluated at most.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// An evaluation asks the model and the store, so a batch of them has to fit well into its lease.
const MAX_BATCH: usize = 20;

/// Starts looking, evaluating, and forgetting the bus's copies.
pub(crate) fn start(state: &State, supervisor: &Supervisor) {
    let (watch, token) = (watch::Watch::new(state.clone()), supervisor.token());
    supervisor.spawn("evaluations/watch", OnFailure::StopProcess, OnStop::Wait, async move {
        watch.run(token).await;
        Ok::<(), std::convert::Infallible>(())
    });

    let (bus, store, clock) =
        (Arc::clone(&state.bus), Arc::clone(&state.store) as _, Arc::clone(&state.clock));
    let deps = ConsumeDeps {
        delivery_limit: state.delivery_limit,
        metrics: state.metrics.clone(),
        ..ConsumeDeps::new(bus, store, clock)
    };
    let options =
        SubscribeOptions { max_batch: MAX_BATCH, linger: Duration::ZERO, ..SubscribeOptions::default() };
    let handler = Arc::new(evaluate::Evaluate::new(state.clone()));
    let consumer = consume::run(deps, Subject::Evaluations, options.into(), handler, supervisor.token());
    supervisor.spawn("evaluations", OnFailure::StopProcess, OnStop::Wait, consumer);

    let (bus, clock) = (Arc::clone(&state.bus), Arc::clone(&state.clock));
    retention::start_bus_sweep(supervisor, bus, clock, Subject::Evaluations, state.bus_retention);
}
