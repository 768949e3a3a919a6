//! What an operator asks of a running platform: the books, and what is to become of dead letters.
//!
//! Looking needs the permission `operations:read`, doing `operations:write`. Answers hold ids, counts and reasons, never
//! what somebody felt, bought or was offered; the one exception is a dead letter's payload, for those who may also
//! drop it. What the export for research says is about nobody in particular, and needs `research:export`. Decisions with all that they
//! were made from are for those who compute them again, and need `decisions:replay`. What the watch over decisions finds is about everybody
//! together, and needs `watch:read`.

mod audit;
mod balance;
mod counted;
mod decisions;
mod fates;
mod forget;
mod letters;
mod problem;
mod replays;
mod research;
mod sealing;
mod shapes;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRef;
use ecs_bus::Bus;
use ecs_domain::Clock;
use ecs_domain::emotion::StressThreshold;
use ecs_metrics::Metrics;
use ecs_store::{Books, DeadLetters, Store, StoreError};
use ecs_vault::Keyring;
use ecs_web::Auth;
use ecs_web::auth::Checkpoints;
use ecs_web::openapi::OpenApiRouter;
use ecs_web::{PolicedRoutes as _, policed};
use ecs_work::ageing::Lifetimes;
use ecs_work::{Finisher, Supervisor, Wake};
use tokio::sync::Mutex;
use utoipa::openapi::OpenApi;

use self::watch::Watcher;

pub use self::watch::WatchSpans;

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
    /// What a stress event is: the same as emotion-processing was told.
    pub stress: StressThreshold,
    /// The longest time for which the bus keeps events of any subject. Letters that were replayed or dropped are kept a
    /// little longer, for as long as the books may ask for them.
    pub bus_retention: Duration,
    /// How long rows are kept that grow old.
    pub lifetimes: Lifetimes,
    /// Wakes the relay once a replayed event is in the outbox.
    pub outbox: Wake,
    /// Keeps what pseudonyms of exports are made with.
    pub keyring: Keyring,
    /// Signs how far the audit log and the decision log are.
    pub checkpoints: Arc<Checkpoints>,
    /// Where that is kept besides the process's log; best on another machine's disk.
    pub checkpoint_file: Option<PathBuf>,
    /// Which days' decisions are compared with which.
    pub watch: WatchSpans,
    /// How long the bus keeps alerts.
    pub alert_retention: Duration,
    /// How often an alert may fail before it is a dead letter.
    pub delivery_limit: u32,
    /// Where it is said what was compared.
    pub metrics: Metrics,
}

/// The role.
#[derive(Clone)]
pub struct Operations {
    deps: Deps,
    exports: Arc<Mutex<()>>,
    watcher: Watcher,
}

#[derive(Clone)]
struct Reading {
    deps: Deps,
    /// Balancing reads the whole log, so one caller's turn comes after the other's.
    turn: Arc<Mutex<()>>,
    /// Held by the export that is made, until its last row is written: it has much in memory.
    exports: Arc<Mutex<()>>,
    watcher: Watcher,
    /// Nobody waits for it at the end: what is broken off there is resumed by the next call.
    finisher: Finisher,
}

impl Reading {
    fn books(&self) -> &dyn Books {
        self.deps.store.as_ref()
    }

    fn letters(&self) -> &dyn DeadLetters {
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
        Self { watcher: Watcher::new(deps.clone()), deps, exports: Arc::default() }
    }

    /// `/v1/operations/books`, `/v1/operations/dead-letters` and `/v1/operations/replay`, with what is below them, and
    /// `/v1/audit`, `/v1/decision-log`, `/v1/watch` and `/v1/research`.
    pub fn routes(&self) -> Router {
        let reading = Reading {
            deps: self.deps.clone(),
            turn: Arc::default(),
            exports: Arc::clone(&self.exports),
            watcher: self.watcher.clone(),
            finisher: Finisher::default(),
        };
        Self::api().with_state(reading).into()
    }

    /// What it says of these routes: its part of the platform's document.
    #[must_use]
    pub fn openapi() -> OpenApi {
        Self::api().into_openapi()
    }

    /// Starts forgetting what is past its time, sealing the audit log and the decision log, and watching decisions.
    pub fn start(&self, supervisor: &Supervisor) {
        forget::start(&self.deps, supervisor);
        sealing::start(&self.deps, supervisor);
        watch::start(&self.watcher, supervisor);
    }

    /// Looks at the decisions once, for those who bring their own loop.
    ///
    /// # Errors
    /// The store fails.
    pub async fn look_at_decisions(&self) -> Result<(), StoreError> {
        self.watcher.look().await
    }

    fn api() -> OpenApiRouter<Reading> {
        OpenApiRouter::default()
            .policed(policed!(audit::entries))
            .policed(policed!(audit::batches))
            .policed(policed!(decisions::batches))
            .policed(policed!(decisions::decisions))
            .policed(policed!(balance::balance))
            .policed(policed!(fates::fates))
            .policed(policed!(counted::counted))
            .policed(policed!(letters::list))
            .policed(policed!(letters::counts))
            .policed(policed!(letters::show))
            .policed(policed!(letters::replay))
            .policed(policed!(letters::discard))
            .policed(policed!(replays::replay))
            .policed(policed!(replays::show))
            .policed(policed!(research::export))
            .policed(policed!(watch::drift))
            .policed(policed!(watch::fairness))
    }
}
