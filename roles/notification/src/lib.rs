//! Keeps a customer's notifications and serves them: as a list, as a stream while they come, and to webhooks.
//!
//! A notification is a row first: what arrives twice is kept once, by its id, and each row has the next number of its
//! user. Streams follow the rows by that number: see the module `stream`.

mod item;
mod keep;
mod list;
mod read;
mod stream;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRef;
use ecs_bus::{Bus, Subject, SubscribeOptions};
use ecs_domain::Clock;
use ecs_metrics::Metrics;
use ecs_store::{Notifications, Store};
use ecs_web::Auth;
use ecs_web::openapi::OpenApiRouter;
use ecs_web::{PolicedRoutes as _, policed};
use ecs_work::{ConsumeDeps, Handler, OnFailure, OnStop, Supervisor, consume, retention};
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;

pub use self::stream::StreamOptions;
#[doc(hidden)]
pub use self::stream::begins_behind;
pub use self::webhooks::{Reach, SetupError, WebhookOptions};

use self::stream::{Seats, Tail};
use self::webhooks::{HookDeps, Hooks};

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
    /// Where dead letters are counted.
    pub metrics: Metrics,
    /// Is cancelled when the process takes nothing in any more: open streams end then, or the listener would wait for them.
    pub stopping: CancellationToken,
    /// How streams behave.
    pub streams: StreamOptions,
    /// How webhooks behave.
    pub webhooks: WebhookOptions,
}

/// The role. Clones share their streams.
#[derive(Clone)]
pub struct Notification {
    deps: Deps,
    seats: Arc<Seats>,
    hooks: Hooks,
}

/// What the handlers of requests need.
#[derive(Clone)]
struct Serving {
    auth: Arc<Auth>,
    store: Arc<dyn Notifications>,
    seats: Arc<Seats>,
    stopping: CancellationToken,
    options: StreamOptions,
}

impl FromRef<Serving> for Arc<Auth> {
    fn from_ref(serving: &Serving) -> Self {
        Self::clone(&serving.auth)
    }
}

impl Notification {
    /// A role that doesn't run yet.
    pub fn create(deps: Deps) -> Result<Self, SetupError> {
        let seats = Arc::new(Seats::new(&deps.streams));
        let hooks = Hooks::create(HookDeps {
            auth: Arc::clone(&deps.auth),
            store: Arc::clone(&deps.store) as _,
            clock: Arc::clone(&deps.clock),
            metrics: deps.metrics.clone(),
            options: deps.webhooks.clone(),
        })?;
        Ok(Self { deps, seats, hooks })
    }

    /// Listing, following and marking as read, and webhooks. Streams tell of nothing new before [`Notification::start`].
    pub fn routes(&self) -> Router {
        let serving = Serving {
            auth: Arc::clone(&self.deps.auth),
            store: Arc::clone(&self.deps.store) as Arc<dyn Notifications>,
            seats: Arc::clone(&self.seats),
            stopping: self.deps.stopping.clone(),
            options: self.deps.streams,
        };
        let webhooks = webhooks::api().with_state(self.hooks.clone());
        Self::api().with_state(serving).merge(webhooks).into()
    }

    /// What it says of these routes: its part of the platform's document.
    #[must_use]
    pub fn openapi() -> OpenApi {
        let mut document = Self::api().into_openapi();
        document.merge(webhooks::api().into_openapi());
        document
    }

    fn api() -> OpenApiRouter<Serving> {
        OpenApiRouter::default()
            .policed(policed!(list::list))
            .policed(policed!(stream::open))
            .policed(policed!(read::up_to))
            .policed(policed!(read::one))
    }

    /// The role's work on a batch, for those who bring their own loop.
    #[must_use]
    pub fn handler(&self) -> Arc<dyn Handler> {
        Arc::new(keep::Keep::new(&self.deps, Arc::clone(&self.seats), self.hooks.wake.clone()))
    }

    /// Starts keeping, forgetting, looking for what streams tell, and sending to webhooks.
    pub fn start(&self, supervisor: &Supervisor) {
        let Deps { bus, store, clock, delivery_limit, metrics, streams, .. } = self.deps.clone();
        let tail = Tail::new(Arc::clone(&store) as _, Arc::clone(&self.seats), streams.poll);
        let token = supervisor.token();
        supervisor.spawn("notification-tail", OnFailure::StopProcess, OnStop::Wait, async move {
            tail.run(token).await;
            Ok::<(), std::convert::Infallible>(())
        });

        self.hooks.start(supervisor);
        let deps = ConsumeDeps { bus, store, clock, delivery_limit, metrics };
        let options = SubscribeOptions { linger: LINGER, ..SubscribeOptions::default() };
        let (handler, token) = (self.handler(), supervisor.token());
        let consumer = consume::run(deps, Subject::Notifications, options.into(), handler, token);
        supervisor.spawn("notification", OnFailure::StopProcess, OnStop::Wait, consumer);

        let Deps { bus, clock, bus_retention, .. } = self.deps.clone();
        retention::start_bus_sweep(supervisor, bus, clock, Subject::Notifications, bus_retention);
    }
}
