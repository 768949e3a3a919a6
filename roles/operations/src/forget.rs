//! What goes for its age.
//!
//! Dead letters that were replayed or dropped are forgotten once the books no longer ask for them: when the bus has
//! forgotten their events, too.

use std::convert::Infallible;
use std::time::Duration;

use ecs_store::{DeadLetters, StoreError};
use ecs_work::{OnFailure, OnStop, Supervisor, ageing, periodic, retention};

use crate::{Deps, research};

/// How much longer than the bus keeps events: its sweeps come hourly, and a replayed event may wait in the outbox.
const MARGIN: Duration = Duration::from_secs(24 * 60 * 60);
/// How many letters go in one transaction.
const CHUNK: usize = 1_000;

/// Starts the periodic sweep.
pub(crate) fn start(deps: &Deps, supervisor: &Supervisor) {
    let (deps, token) = (deps.clone(), supervisor.token());
    supervisor.spawn("operations/upkeep", OnFailure::Log, OnStop::Abort, async move {
        periodic("operations/upkeep", retention::SWEEP, token, || sweep(&deps)).await;
        Ok::<(), Infallible>(())
    });
}

async fn sweep(deps: &Deps) -> Result<(), StoreError> {
    let now = deps.clock.now();
    ageing::sweep(deps.store.as_ref(), &deps.lifetimes, now).await?;
    research::forget_salts(&deps.keyring, now).await?;
    let before = retention::before(now, deps.bus_retention.saturating_add(MARGIN));
    let store: &dyn DeadLetters = deps.store.as_ref();
    loop {
        match store.forget_dead_letters(before, CHUNK).await? {
            0 => return Ok(()),
            letters => tracing::info!(letters, "dead letters that were decided long ago went"),
        }
    }
}
