//! What stands in front of others: caches, circuit breakers and limits.

use prometheus_client::metrics::counter::Counter;

use crate::Metrics;
use crate::families::{Count, Families, Series};

pub(crate) struct Guards {
    lookups: Series<2, Counter>,
    states: Series<1, Count>,
    opened: Series<1, Counter>,
    limited: Series<2, Counter>,
}

impl Guards {
    pub(crate) fn register(families: &mut Families) -> Self {
        Self {
            lookups: families.counter(
                "ecs_cache_lookups_total",
                &["level", "result"],
                "Lookups of cached values, by the level that was asked",
            ),
            states: families.gauge(
                "ecs_breaker_state",
                &["breaker"],
                "0 closed: calls pass; 1 half open: a few find out; 2 open: calls are refused",
            ),
            opened: families.counter("ecs_breaker_opened_total", &["breaker"], "How often it has opened"),
            limited: families.counter(
                "ecs_rate_limited_total",
                &["class", "subject"],
                "Calls and attempts that were refused because their quota was used up",
            ),
        }
    }
}

impl Metrics {
    /// A level of the cache was asked for a value.
    pub fn cache_lookup(&self, level: &'static str, hit: bool) {
        self.0.guards.lookups.of([level, if hit { "hit" } else { "miss" }]).inc();
    }

    /// A call or an attempt was refused for its quota.
    pub fn rate_limited(&self, class: &'static str, subject: &'static str) {
        self.0.guards.limited.of([class, subject]).inc();
    }

    /// A breaker stands at 0 (closed), 1 (half open) or 2 (open) from now on.
    pub fn breaker_state(&self, name: &'static str, state: u8) {
        self.0.guards.states.of([name]).set(i64::from(state));
        // From the start at zero, so that the first opening is a rise.
        self.0.guards.opened.of([name]);
    }

    /// A breaker has opened.
    pub fn breaker_opened(&self, name: &'static str) {
        self.0.guards.opened.of([name]).inc();
    }
}
