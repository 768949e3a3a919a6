//! Events on their way: published, delivered, given up, waiting.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use crate::Metrics;
use crate::families::{Amount, Count, Families, Series};

pub(crate) struct Bus {
    published: Series<2, Counter>,
    batches: Series<2, Histogram>,
    delivered: Series<1, Counter>,
    redelivered: Series<1, Counter>,
    dead_letters: Series<2, Counter>,
    pending: Series<1, Count>,
    oldest: Series<1, Amount>,
}

/// What became of an event that was to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It is durable.
    Ok,
    /// Too much was waiting already.
    WindowFull,
    /// The transport could not be reached, or could not write.
    Unavailable,
    /// It is larger than the transport takes.
    TooLarge,
    /// The bus was told to stop.
    Closed,
}

impl Published {
    const ALL: [Self; 5] = [Self::Ok, Self::WindowFull, Self::Unavailable, Self::TooLarge, Self::Closed];

    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::WindowFull => "window_full",
            Self::Unavailable => "unavailable",
            Self::TooLarge => "too_large",
            Self::Closed => "closed",
        }
    }
}

impl Bus {
    pub(crate) fn register(families: &mut Families) -> Self {
        let subject = &["subject"];
        Self {
            published: families.counter(
                "ecs_bus_published_total",
                &["subject", "result"],
                "Events that this process published, by what became of them",
            ),
            batches: families.sizes(
                "ecs_bus_batch_events",
                &["subject", "stage"],
                "How many events went together",
            ),
            delivered: families.counter(
                "ecs_bus_delivered_total",
                subject,
                "Events that were handed to this process's workers",
            ),
            redelivered: families.counter(
                "ecs_bus_redelivered_total",
                subject,
                "Those of them that a worker had failed to settle before",
            ),
            dead_letters: families.counter(
                "ecs_bus_dead_letters_total",
                &["subject", "kind"],
                "Events that this process gave up",
            ),
            pending: families.gauge(
                "ecs_bus_pending_events",
                subject,
                "Events that the subject's group has not settled",
            ),
            oldest: families.gauge(
                "ecs_bus_oldest_pending_age_seconds",
                subject,
                "How long the oldest event that is not settled has waited; 0 when there is none",
            ),
        }
    }
}

impl Metrics {
    /// The handle for the events of one subject.
    #[must_use]
    pub fn subject(&self, subject: &'static str) -> SubjectMetrics {
        let bus = &self.0.bus;
        SubjectMetrics {
            published: Published::ALL.map(|result| bus.published.of([subject, result.as_str()])),
            delivered: bus.delivered.of([subject]),
            redelivered: bus.redelivered.of([subject]),
            batches: bus.batches.of([subject, "delivered"]),
        }
    }

    /// Events went together. A transport counts what it flushes at once as the stage `published`; the stage `delivered` is
    /// counted by [`SubjectMetrics::delivered`].
    pub fn bus_batch(&self, stage: &'static str, subject: &'static str, size: usize) {
        self.0.bus.batches.of([subject, stage]).observe(size as f64);
    }

    /// Events were given up and kept as dead letters.
    pub fn dead_lettered(&self, subject: &'static str, kind: &'static str, count: u64) {
        self.0.bus.dead_letters.of([subject, kind]).inc_by(count);
    }

    /// How far a subject's group is behind.
    pub fn bus_backlog(&self, subject: &'static str, pending: u64, oldest_age: Duration) {
        self.0.bus.pending.of([subject]).set(i64::try_from(pending).unwrap_or(i64::MAX));
        self.0.bus.oldest.of([subject]).set(oldest_age.as_secs_f64());
    }
}

/// The events of one subject. It has looked its series up, and so shows them from the start, at zero.
#[derive(Debug, Clone)]
pub struct SubjectMetrics {
    published: [Counter; 5],
    delivered: Counter,
    redelivered: Counter,
    batches: Histogram,
}

impl SubjectMetrics {
    /// Events were published, or were not.
    pub fn published(&self, result: Published, count: u64) {
        let [ok, window_full, unavailable, too_large, closed] = &self.published;
        let counter = match result {
            Published::Ok => ok,
            Published::WindowFull => window_full,
            Published::Unavailable => unavailable,
            Published::TooLarge => too_large,
            Published::Closed => closed,
        };
        counter.inc_by(count);
    }

    /// A batch was handed to a worker; `again` of its events are delivered for a second time or more.
    pub fn delivered(&self, count: u64, again: u64) {
        self.delivered.inc_by(count);
        self.redelivered.inc_by(again);
        self.batches.observe(count as f64);
    }
}
