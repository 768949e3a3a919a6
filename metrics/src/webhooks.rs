//! What is sent to addresses of customers.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use crate::Metrics;
use crate::families::{Families, Series};

pub(crate) struct Webhooks {
    attempts: Series<1, Histogram>,
    disabled: Series<1, Counter>,
}

impl Webhooks {
    pub(crate) fn register(families: &mut Families) -> Self {
        Self {
            attempts: families.durations(
                "ecs_webhook_attempt_duration_seconds",
                &["outcome"],
                "How long attempts at deliveries took, by what became of the delivery",
            ),
            disabled: families.counter(
                "ecs_webhooks_disabled_total",
                &["reason"],
                "Webhooks that were disabled because of their receivers",
            ),
        }
    }
}

impl Metrics {
    /// An attempt at a delivery came to an end: `delivered`, `retry`, `failed` or `gone`.
    pub fn webhook_attempted(&self, outcome: &'static str, took: Duration) {
        self.0.webhooks.attempts.of([outcome]).observe(took.as_secs_f64());
    }

    /// A webhook was disabled for this reason.
    pub fn webhook_disabled(&self, reason: &'static str) {
        self.0.webhooks.disabled.of([reason]).inc();
    }
}
