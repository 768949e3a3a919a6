//! Where a process counts calls and guesses, and how its gateway limits them.

use std::sync::Arc;

use ecs_api_gateway::Limiting;
use ecs_limits::{InProcess, Keys, Limiter};
use ecs_metrics::Metrics;
use ecs_web::Auth;

use crate::settings::{Mode, Settings};

/// Sets the keys of limits apart from others of the same secret. Processes of one platform make the same keys.
const LABEL: &str = "ecs/limits/gateway/1";

/// What the process counts with: one limiter, since keys of different things never meet.
pub(super) fn limiter() -> Arc<dyn Limiter> {
    Arc::new(InProcess::default())
}

/// What the gateway limits its callers with. On a laptop and in tests, crowds of simulated people register from this machine,
/// and whoever is on it can do more harm than that; in production a proxy may be here, whose clients are not.
pub(super) fn of_gateway(
    settings: &Settings,
    auth: &Auth,
    metrics: &Metrics,
    limiter: Arc<dyn Limiter>,
) -> Limiting {
    Limiting {
        quotas: settings.rate_limits,
        limiter,
        keys: Keys::new(auth.tokens.derived_secret(LABEL)),
        proxies: settings.trusted_proxies.clone(),
        counts_loopback: settings.mode == Mode::Production,
        metrics: metrics.clone(),
    }
}
