//! How the bus over Kafka is opened.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ecs_metrics::Metrics;

/// How many partitions a topic gets on a single broker, and in a cluster, unless it is told otherwise.
const ON_ONE_BROKER: i32 = 2;
const IN_A_CLUSTER: i32 = 6;

/// What a [`crate::KafkaBus`] is opened with. [`Options::new`] gives the settings that production uses. Its `Debug` shows no
/// address: addresses carry passwords.
#[derive(Clone)]
pub struct Options {
    /// `kafka://user:password@host:9092,other:9092`. User and password may be left out. `?mechanism=SCRAM-SHA-512` or `SCRAM-SHA-256`
    /// behind the hosts logs in so rather than by SASL PLAIN. `kafkas://` encrypts. SCRAM and encryption work where the crate is
    /// built with its feature `tls`, and are [`ecs_bus::BusError::Unsupported`] elsewhere.
    pub url: String,
    /// A file of certificates (PEM) that are trusted with `kafkas://` instead of the system's.
    pub root_certificates: Option<PathBuf>,
    /// What the names of our topics and groups begin with: for several deployments over one Kafka.
    pub prefix: String,
    /// How many partitions a topic gets, where this process makes it: at most as many processes share a subject's work. `None` is
    /// what suits `replicas`, see [`Options::partitions`].
    pub partitions: Option<i32>,
    /// How many brokers keep each event. With 1 the one broker has to flush every event to disk before it acknowledges; with more,
    /// most of them have to have it.
    pub replicas: i32,
    /// How many events may wait to be made durable; more are refused with `WindowFull`.
    pub window_events: usize,
    /// How many payload bytes may wait to be made durable.
    pub window_bytes: usize,
    /// The largest payload in bytes.
    pub max_payload: usize,
    /// How long an event may wait for its acknowledgement before it is given up as `Unavailable`.
    pub publish_timeout: Duration,
    /// How long the broker waits for a sign of life of this process before its partitions go to others.
    pub session_timeout: Duration,
    /// When publishing stops trying, and for how long.
    pub breaker: ecs_breaker::Options,
    /// Where batch sizes and the breaker's state are counted.
    pub metrics: Metrics,
}

impl Options {
    /// The settings that production uses.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            root_certificates: None,
            prefix: String::new(),
            partitions: None,
            replicas: 1,
            window_events: 20_000,
            window_bytes: 32 << 20,
            max_payload: 1 << 20,
            publish_timeout: Duration::from_secs(5),
            session_timeout: Duration::from_secs(10),
            breaker: ecs_breaker::Options::default(),
            metrics: Metrics::default(),
        }
    }

    /// How many partitions a topic gets. One broker flushes each partition for itself, so there are few; two processes per role
    /// are enough for one to go on while the other is replaced.
    #[must_use]
    pub fn partitions(&self) -> i32 {
        let usual = if self.replicas > 1 { IN_A_CLUSTER } else { ON_ONE_BROKER };
        self.partitions.unwrap_or(usual).max(1)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("prefix", &self.prefix)
            .field("partitions", &self.partitions)
            .field("replicas", &self.replicas)
            .field("window_events", &self.window_events)
            .field("window_bytes", &self.window_bytes)
            .field("max_payload", &self.max_payload)
            .field("publish_timeout", &self.publish_timeout)
            .field("session_timeout", &self.session_timeout)
            .field("breaker", &self.breaker)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let shown = format!("{:?}", Options::new("kafka://ecs:sesame@127.0.0.1:9092"));
        assert!(shown.contains("window_events: 20000"));
        assert!(!shown.contains("sesame") && !shown.contains("127.0.0.1"));
    }
}
