//! Drops archives whose time has come.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use ecs_domain::{Clock, Timestamp};
use ecs_store::{Store, StoreError};
use ecs_work::{OnFailure, OnStop, Supervisor, periodic};

/// How often they are looked for. Meanwhile nobody is given one.
const SWEEP: Duration = Duration::from_secs(60);
/// How many are dropped at once.
const MOST: usize = 10;

pub(super) fn start(supervisor: &Supervisor, store: Arc<dyn Store>, clock: Arc<dyn Clock>) {
    let token = supervisor.token();
    supervisor.spawn("exports/upkeep", OnFailure::Log, OnStop::Abort, async move {
        periodic("exports upkeep", SWEEP, token, || drop_old(store.as_ref(), clock.now())).await;
        Ok::<(), Infallible>(())
    });
}

async fn drop_old(store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
    loop {
        match store.expire_exports(now, MOST).await? {
            0 => return Ok(()),
            archives => tracing::info!(archives, "archives for people went past their time"),
        }
    }
}
