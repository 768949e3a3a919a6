//! How the bus over RabbitMQ is opened.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ecs_bus::Subject;
use ecs_metrics::Metrics;

/// What a [`crate::RabbitBus`] is opened with. [`Options::new`] gives the settings that production uses. Its `Debug` shows no
/// address: addresses carry passwords.
#[derive(Clone)]
pub struct Options {
    /// `amqp://` or `amqps://` addresses with user, password and virtual host, separated by commas: the nodes of one cluster.
    pub url: String,
    /// A file of certificates (PEM) that are trusted beside the system's, where an address has no `cacertfile` of its own.
    pub root_certificates: Option<PathBuf>,
    /// What the names of exchanges, queues and streams begin with.
    pub prefix: String,
    /// How long the server keeps emotion events in their log, where this process makes the log.
    pub keep_emotions: Duration,
    /// The same for all other events.
    pub keep_others: Duration,
    /// How many events may wait to be made durable; more are refused with `WindowFull`.
    pub window_events: usize,
    /// How many payload bytes may wait to be made durable.
    pub window_bytes: usize,
    /// The largest payload in bytes.
    pub max_payload: usize,
    /// How long events wait for the server's confirmation; then they are given up as `Unavailable`.
    pub publish_timeout: Duration,
    /// How long events wait for a connection that was lost before they are given up as `Unavailable`.
    pub patience: Duration,
    /// When publishing stops trying, and for how long.
    pub breaker: ecs_breaker::Options,
    /// Where batch sizes and the breaker's state are counted.
    pub metrics: Metrics,
}

/// A day more than the platform's own retention, which forgets by itself: this is for what it never came to forget.
const fn days(days: u64) -> Duration {
    Duration::from_secs((days + 1) * 24 * 60 * 60)
}

impl Options {
    /// The settings that production uses.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            root_certificates: None,
            prefix: "ecs.".to_owned(),
            keep_emotions: days(7),
            keep_others: days(30),
            window_events: 20_000,
            window_bytes: 32 << 20,
            max_payload: 1 << 20,
            publish_timeout: Duration::from_secs(5),
            patience: Duration::from_secs(1),
            breaker: ecs_breaker::Options::default(),
            metrics: Metrics::default(),
        }
    }

    /// How long the server keeps a subject's log.
    pub(crate) fn keep(&self, subject: Subject) -> Duration {
        match subject {
            Subject::Emotions => self.keep_emotions,
            Subject::Transactions
            | Subject::OffersApproved
            | Subject::Notifications
            | Subject::Evaluations
            | Subject::Alerts => self.keep_others,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("prefix", &self.prefix)
            .field("keep_emotions", &self.keep_emotions)
            .field("keep_others", &self.keep_others)
            .field("window_events", &self.window_events)
            .field("window_bytes", &self.window_bytes)
            .field("max_payload", &self.max_payload)
            .field("publish_timeout", &self.publish_timeout)
            .field("patience", &self.patience)
            .field("breaker", &self.breaker)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let shown = format!("{:?}", Options::new("amqp://ecs:sesame@127.0.0.1:5672/%2f"));
        assert!(shown.contains("window_events: 20000"));
        assert!(!shown.contains("sesame") && !shown.contains("127.0.0.1"));
    }
}
