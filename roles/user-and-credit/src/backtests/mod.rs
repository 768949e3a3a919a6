//! What a draft of the policy would have decided: `/v1/policies/{version}/backtests` and `/v1/backtests/{backtest_id}`.
//!
//! Asking for a backtest leaves a row, and a worker, here or in another process, reads page after page of the decisions that were made
//! and asks the draft of each. Whatever has begun can be begun again by another worker, from the beginning.

mod report;
mod routes;
mod run;
mod view;
mod worker;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use ecs_domain::Timestamp;
use ecs_store::{Store, StoreError};
use ecs_web::openapi::OpenApiRouter;
use ecs_web::{PolicedRoutes as _, policed};
use ecs_work::{OnFailure, OnStop, Supervisor, periodic};

pub use report::BacktestReport;
pub use run::{ask_again, told_by};

use crate::state::State;

/// How often backtests are looked for whose time has come.
const SWEEP: Duration = Duration::from_secs(60);
/// How many are removed at once.
const MOST: usize = 10;

/// The calls.
pub(crate) fn api() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .policed(policed!(routes::ask))
        .policed(policed!(routes::list))
        .policed(policed!(routes::show))
        .policed(policed!(routes::flips))
}

/// Starts running backtests, and removing those whose time has come.
pub(crate) fn start(state: &State, supervisor: &Supervisor) {
    let tester = worker::Tester {
        store: Arc::clone(&state.store),
        clock: Arc::clone(&state.clock),
        policies: Arc::clone(&state.policies),
        metrics: state.metrics.clone(),
        wake: state.backtests().clone(),
    };
    let token = supervisor.token();
    supervisor.spawn("backtests", OnFailure::StopProcess, OnStop::Wait, async move {
        tester.run(token).await;
        Ok::<(), Infallible>(())
    });
    let (token, state) = (supervisor.token(), state.clone());
    supervisor.spawn("backtests/upkeep", OnFailure::Log, OnStop::Abort, async move {
        periodic("backtests upkeep", SWEEP, token, || drop_old(state.store.as_ref(), state.clock.now()))
            .await;
        Ok::<(), Infallible>(())
    });
}

async fn drop_old(store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
    loop {
        match store.expire_backtests(now, MOST).await? {
            0 => return Ok(()),
            backtests => tracing::info!(backtests, "backtests went past their time"),
        }
    }
}
