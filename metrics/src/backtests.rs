//! Backtests of policies.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use crate::Metrics;
use crate::families::{Families, Kind, Series};

pub(crate) struct Backtests {
    begun: Counter,
    attempts: Series<1, Histogram>,
    decisions: Counter,
}

impl Backtests {
    pub(crate) fn register(families: &mut Families) -> Self {
        Self {
            begun: families.single(
                "ecs_backtest_attempts_begun_total",
                Kind::Counter,
                "Attempts at backtests of policies that were begun",
            ),
            attempts: families.long_durations(
                "ecs_backtest_attempt_duration_seconds",
                &["outcome"],
                "How long attempts at backtests took, by what became of them",
            ),
            decisions: families.single(
                "ecs_backtest_decisions_total",
                Kind::Counter,
                "Past decisions that backtests have gone through",
            ),
        }
    }
}

impl Metrics {
    /// An attempt at a backtest was begun.
    pub fn backtest_begun(&self) {
        self.0.backtests.begun.inc();
    }

    /// An attempt came to an end: `finished`, `failed`, `again` or `lost`.
    pub fn backtest_attempted(&self, outcome: &'static str, took: Duration) {
        self.0.backtests.attempts.of([outcome]).observe(took.as_secs_f64());
    }

    /// A backtest has gone through so many more decisions.
    pub fn backtest_asked(&self, decisions: usize) {
        self.0.backtests.decisions.inc_by(decisions as u64);
    }
}
