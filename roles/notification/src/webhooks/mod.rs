//! Webhooks: notifications sent to addresses that customers name, signed as [Standard Webhooks] has it.
//!
//! The store makes a delivery for each notification and each webhook of its user, in one transaction. The [`courier`] claims what is
//! due and attempts it; what the receiver's answer means is in [`verdict`] and [`schedule`], which addresses may be called in
//! [`guard`] and [`target`].
//!
//! [Standard Webhooks]: https://www.standardwebhooks.com

mod call;
mod courier;
mod envelope;
mod guard;
mod places;
mod routes;
mod schedule;
mod secrets;
mod signature;
mod target;
#[cfg(test)]
mod tests;
mod upkeep;
mod verdict;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use ecs_domain::Clock;
use ecs_metrics::Metrics;
use ecs_store::Webhooks;
use ecs_vault::SealError;
use ecs_web::Auth;
use ecs_web::peer::Network;
use ecs_work::{OnFailure, OnStop, Supervisor, Wake, periodic};
use tokio_rustls::rustls;

pub use self::guard::Reach;
pub(crate) use self::routes::api;

use self::call::{Caller, SystemResolver};
use self::courier::Courier;
use self::guard::Guard;
use self::secrets::Secrets;
use self::upkeep::Upkeep;

/// How often upkeep comes round.
const UPKEEP: Duration = Duration::from_secs(60 * 60);

/// How webhooks behave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookOptions {
    /// Which addresses may be called.
    pub reach: Reach,
    /// Networks that are never called, however far webhooks reach.
    pub denied: Vec<Network>,
    /// How often what is due is looked for; what was kept by this process is sent at once.
    pub poll: Duration,
    /// How long an attempt may take.
    pub patience: Duration,
    /// How many attempts may be under way at once in this process.
    pub at_once: usize,
    /// How many of them at one host.
    pub at_one_host: usize,
}

impl WebhookOptions {
    /// An attempt that hasn't ended by then was left by a process that died.
    fn lease(&self) -> Duration {
        self.patience.saturating_mul(4)
    }
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self {
            reach: Reach::Public,
            denied: Vec::new(),
            poll: Duration::from_secs(1),
            patience: Duration::from_secs(15),
            at_once: 64,
            at_one_host: 8,
        }
    }
}

/// Why webhooks can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// There are no keys for their secrets.
    #[error(transparent)]
    Secrets(#[from] SealError),
    /// TLS isn't to be had.
    #[error("TLS can't be set up for webhooks: {0}")]
    Tls(#[from] rustls::Error),
}

/// Everything of webhooks; clones share it.
#[derive(Clone)]
pub(crate) struct Hooks {
    auth: Arc<Auth>,
    store: Arc<dyn Webhooks>,
    clock: Arc<dyn Clock>,
    secrets: Arc<Secrets>,
    guard: Guard,
    courier: Arc<Courier>,
    /// Wakes the courier.
    pub(crate) wake: Wake,
}

/// What webhooks need.
pub(crate) struct HookDeps {
    pub(crate) auth: Arc<Auth>,
    pub(crate) store: Arc<dyn Webhooks>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) options: WebhookOptions,
}

impl FromRef<Hooks> for Arc<Auth> {
    fn from_ref(hooks: &Hooks) -> Self {
        Self::clone(&hooks.auth)
    }
}

impl Hooks {
    pub(crate) fn create(deps: HookDeps) -> Result<Self, SetupError> {
        let HookDeps { auth, store, clock, metrics, options } = deps;
        let (secrets, wake) = (Arc::new(Secrets::new(&auth)?), Wake::new());
        let guard = Guard::new(options.reach, &options.denied);
        let caller = Caller::new(guard.clone(), Arc::new(SystemResolver), roots(), options.patience)?;
        let courier = Arc::new(Courier {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            secrets: Arc::clone(&secrets),
            caller,
            metrics,
            options,
            wake: wake.clone(),
        });
        Ok(Self { auth, store, clock, secrets, guard, courier, wake })
    }

    /// Starts sending and upkeep.
    pub(crate) fn start(&self, supervisor: &Supervisor) {
        let (courier, token) = (Arc::clone(&self.courier), supervisor.token());
        supervisor.spawn("webhooks", OnFailure::StopProcess, OnStop::Wait, async move {
            courier.run(token).await;
            Ok::<(), Infallible>(())
        });
        let (store, clock, secrets) =
            (Arc::clone(&self.store), Arc::clone(&self.clock), Arc::clone(&self.secrets));
        let (upkeep, token) = (Upkeep { store, clock, secrets }, supervisor.token());
        supervisor.spawn("webhooks/upkeep", OnFailure::Log, OnStop::Abort, async move {
            periodic("webhook upkeep", UPKEEP, token, || upkeep.clone().run()).await;
            Ok::<(), Infallible>(())
        });
    }
}

/// The certificates that the system trusts. Without any, no receiver is believed, and each attempt says so.
fn roots() -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        tracing::warn!("the system trusts no certificates, so no webhook over https:// can be delivered");
    }
    roots
}
