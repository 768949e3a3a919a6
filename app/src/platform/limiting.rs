//! Where a process counts calls and guesses, and how its gateway limits them.

use std::sync::Arc;

#[cfg(feature = "redis")]
use anyhow::Context as _;
use ecs_api_gateway::Limiting;
use ecs_limits::{InProcess, Keys, Limiter};
use ecs_metrics::Metrics;
use ecs_web::Auth;

use crate::role::Role;
use crate::settings::{Address, CacheIn, Mode, Settings};

/// Sets the keys of limits apart from others of the same secret. Processes of one platform make the same keys.
const LABEL: &str = "ecs/limits/gateway/1";

/// What the process counts with: one limiter, since keys of different things never meet. Over Redis, where there is one, and only
/// for roles that count: whoever is connected takes a share when Redis goes away.
pub(super) fn limiter(settings: &Settings, metrics: &Metrics) -> anyhow::Result<Arc<dyn Limiter>> {
    let counts = [Role::ApiGateway, Role::UserAndCredit].iter().any(|role| settings.roles.contains(*role));
    match &settings.cache {
        CacheIn::Redis { server, .. } if counts => leased(server, metrics),
        CacheIn::Redis { .. } | CacheIn::Memory { .. } | CacheIn::Nothing => {
            Ok(Arc::new(InProcess::default()))
        }
    }
}

/// Nobody waits for Redis: until it is there the process counts for itself.
#[cfg(feature = "redis")]
fn leased(server: &Address, metrics: &Metrics) -> anyhow::Result<Arc<dyn Limiter>> {
    let options = ecs_limits_redis::Options {
        metrics: metrics.clone(),
        ..ecs_limits_redis::Options::new(server.expose())
    };
    let limiter = ecs_limits_redis::LeasedLimiter::open(&options)
        .with_context(|| format!("Redis at {} (REDIS_URL)", server.hosts()))?;
    Ok(Arc::new(limiter))
}

#[cfg(not(feature = "redis"))]
fn leased(_: &Address, _: &Metrics) -> anyhow::Result<Arc<dyn Limiter>> {
    anyhow::bail!("limits over Redis are not built into this binary")
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
