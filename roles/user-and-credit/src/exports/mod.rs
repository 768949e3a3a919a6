//! `/v1/users/{user_id}/exports`: everything that is held on a person, as one archive.
//!
//! Asking for one leaves a row, and a worker, here or in another process, builds the archive behind it: pages of each section go through
//! a compressor into chunks of the store, and nothing else is ever held in memory or on a disk. Whatever has begun can be begun again
//! by another worker, from the beginning.

mod archive;
mod build;
mod chunks;
mod csv;
mod expiry;
mod inflate;
mod manifest;
mod readme;
mod routes;
#[cfg(test)]
mod tests;
mod view;
mod worker;

use std::sync::Arc;

use ecs_web::openapi::OpenApiRouter;
use ecs_web::{PolicedRoutes as _, policed};
use ecs_work::{OnFailure, OnStop, Supervisor};

use crate::state::State;

/// The calls.
pub(crate) fn api() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .policed(policed!(routes::list))
        .policed(policed!(routes::ask))
        .policed(policed!(routes::show))
        .policed(policed!(routes::remove))
        .policed(policed!(routes::fetch))
}

/// Starts building archives, and dropping those whose time has come.
pub(crate) fn start(state: &State, supervisor: &Supervisor) {
    let archivist = worker::Archivist {
        store: Arc::clone(&state.store),
        clock: Arc::clone(&state.clock),
        metrics: state.metrics.clone(),
        wake: state.exports().clone(),
    };
    let token = supervisor.token();
    supervisor.spawn("exports", OnFailure::StopProcess, OnStop::Wait, async move {
        archivist.run(token).await;
        Ok::<(), std::convert::Infallible>(())
    });
    expiry::start(supervisor, Arc::clone(&state.store), Arc::clone(&state.clock));
}
