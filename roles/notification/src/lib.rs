//! Keeps a customer's notifications and serves them.
//!
//! A notification is a row first: what arrives twice is kept once, by its id, and each row has the next number of its
//! user.

mod keep;
mod list;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use ecs_bus::{Bus, Subject, SubscribeOptions};
use ecs_domain::Clock;
use ecs_store::{Notifications, Store};
use ecs_web::Auth;
use ecs_work::{ConsumeDeps, Handler, OnFailure, OnStop, Supervisor, consume, retention};

/// Customers wait for these, so no time is spent on gathering larger batches.
const LINGER: Duration = Duration::ZERO;

/// What the role needs.
#[derive(Clone)]
pub struct Deps {
    /// Who may read what.
    pub auth: Arc<Auth>,
    /// Where notifications come from.
    pub bus: Arc<dyn Bus>,
    /// Where they and dead letters are kept.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How long the bus keeps notifications; [`retention::OTHERS_ON_BUS`] unless configured otherwise.
    pub bus_retention: Duration,
    /// How often an event may fail before it is a dead letter.
    pub delivery_limit: u32,
}

/// The role.
#[derive(Clone)]
pub struct Notification {
    deps: Deps,
}

/// What the handlers of requests need.
#[derive(Clone)]
struct Reading {
    auth: Arc<Auth>,
    store: Arc<dyn Notifications>,
}

impl FromRef<Reading> for Arc<Auth> {
    fn from_ref(reading: &Reading) -> Self {
        Self::clone(&reading.auth)
    }
}

impl Notification {
    /// A role that doesn't run yet.
    #[must_use]
    pub fn create(deps: Deps) -> Self {
        Self { deps }
    }

    /// `GET /v1/users/{user_id}/notifications`.
    pub fn routes(&self) -> Router {
        let store = Arc::clone(&self.deps.store) as Arc<dyn Notifications>;
        let reading = Reading { auth: Arc::clone(&self.deps.auth), store };
        Router::new().route("/v1/users/{user_id}/notifications", get(list::list)).with_state(reading)
    }

    /// The role's work on a batch, for those who bring their own loop.
    #[must_use]
    pub fn handler(&self) -> Arc<dyn Handler> {
        Arc::new(keep::Keep::new(&self.deps))
    }

    /// Starts keeping and forgetting.
    pub fn start(&self, supervisor: &Supervisor) {
        let Deps { bus, store, clock, delivery_limit, .. } = self.deps.clone();
        let deps = ConsumeDeps { bus, store, clock, delivery_limit };
        let options = SubscribeOptions { linger: LINGER, ..SubscribeOptions::default() };
        let (handler, token) = (self.handler(), supervisor.token());
        let consumer = consume::run(deps, Subject::Notifications, options.into(), handler, token);
        supervisor.spawn("notification", OnFailure::StopProcess, OnStop::Wait, consumer);

        let Deps { bus, clock, bus_retention, .. } = self.deps.clone();
        retention::start_bus_sweep(supervisor, bus, clock, Subject::Notifications, bus_retention);
    }
}
