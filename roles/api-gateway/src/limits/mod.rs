//! How often a route may be called: quotas by the class of the route and by who calls.

mod gate;
mod quotas;

use std::sync::Arc;

use ecs_limits::{Keys, Limiter};
use ecs_metrics::Metrics;
use ecs_web::peer::TrustedProxies;

pub(crate) use gate::{Caller, Gate, Refusal, tell};
pub use quotas::{Class, QuotasError, RateLimits, Subject};

/// What the gateway limits its callers with.
pub struct Limiting {
    /// How much of what.
    pub quotas: RateLimits,
    /// Where it is counted.
    pub limiter: Arc<dyn Limiter>,
    /// Makes keys of callers.
    pub keys: Keys,
    /// Whose word counts on where a request comes from.
    pub proxies: TrustedProxies,
    /// Whether callers on this machine are counted by their address: not where they are the people who run it.
    pub counts_loopback: bool,
    /// Where refusals are counted.
    pub metrics: Metrics,
}

impl Limiting {
    /// None at all.
    #[must_use]
    pub fn off() -> Self {
        Self {
            quotas: RateLimits::off(),
            limiter: Arc::new(ecs_limits::InProcess::default()),
            keys: Keys::new([0; 32]),
            proxies: TrustedProxies::default(),
            counts_loopback: false,
            metrics: Metrics::new(),
        }
    }
}
