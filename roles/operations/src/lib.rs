//! What an operator asks of a running platform: the books.
//!
//! Everything here needs the permission `operations:read`. Answers hold ids and counts, never what somebody felt, bought
//! or was offered.

mod balance;
mod counted;
mod fates;
mod problem;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::{get, post};
use ecs_bus::Bus;
use ecs_domain::Clock;
use ecs_store::{Books, Store};
use ecs_web::Auth;
use tokio::sync::Mutex;

/// What the role needs.
#[derive(Clone)]
pub struct Deps {
    /// Who may read the books.
    pub auth: Arc<Auth>,
    /// Knows what was accepted.
    pub bus: Arc<dyn Bus>,
    /// Knows what became of it.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How many days of raw emotion rows are kept: the same as emotion-processing was told.
    pub raw_retention_days: u16,
}

/// The role.
#[derive(Clone)]
pub struct Operations {
    deps: Deps,
}

#[derive(Clone)]
struct Reading {
    deps: Deps,
    /// Balancing reads the whole log, so one caller's turn comes after the other's.
    turn: Arc<Mutex<()>>,
}

impl Reading {
    fn books(&self) -> &dyn Books {
        self.deps.store.as_ref()
    }
}

impl FromRef<Reading> for Arc<Auth> {
    fn from_ref(reading: &Reading) -> Self {
        Self::clone(&reading.deps.auth)
    }
}

impl Operations {
    /// A role that serves nothing yet.
    #[must_use]
    pub fn create(deps: Deps) -> Self {
        Self { deps }
    }

    /// `GET /v1/operations/books`, `POST /v1/operations/books/fates` and `GET /v1/operations/books/counted`.
    pub fn routes(&self) -> Router {
        let reading = Reading { deps: self.deps.clone(), turn: Arc::default() };
        Router::new()
            .route("/v1/operations/books", get(balance::balance))
            .route("/v1/operations/books/fates", post(fates::fates))
            .route("/v1/operations/books/counted", get(counted::counted))
            .with_state(reading)
    }
}
