//! How the bus over NATS is opened.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ecs_metrics::Metrics;

/// What a [`crate::NatsBus`] is opened with. [`Options::new`] gives the settings that production uses. Its `Debug` shows no
/// address, token or path: addresses carry passwords.
#[derive(Clone)]
pub struct Options {
    /// `nats://` or `tls://` addresses, separated by commas. A user and password, or a token in the user's place, may stand in
    /// the first of them.
    pub url: String,
    /// A token, unless the address has one.
    pub token: Option<String>,
    /// A file of credentials (JWT and seed), as `nsc` writes it.
    pub credentials: Option<PathBuf>,
    /// A file of certificates (PEM) that are trusted besides the system's.
    pub root_certificates: Option<PathBuf>,
    /// Where the server's monitor listens, such as `127.0.0.1:8222`. When given, a single server that doesn't flush before it
    /// acknowledges is refused at the start.
    pub monitor: Option<String>,
    /// How many copies of a stream the servers keep, where this process makes the streams.
    pub replicas: usize,
    /// How many events may wait to be made durable; more are refused with `WindowFull`.
    pub window_events: usize,
    /// How many payload bytes may wait to be made durable.
    pub window_bytes: usize,
    /// The largest payload in bytes. The server's own limit holds where it is lower.
    pub max_payload: usize,
    /// How long the server may say nothing while events await its acknowledgement; then they are given up as `Unavailable`.
    pub publish_timeout: Duration,
    /// How long events wait for a connection that was lost before they are given up as `Unavailable`. A server that restarts
    /// within this time costs its clients a delay, and no error but for what was in flight.
    pub patience: Duration,
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
            token: None,
            credentials: None,
            root_certificates: None,
            monitor: None,
            replicas: 1,
            window_events: 20_000,
            window_bytes: 32 << 20,
            max_payload: 1 << 20,
            publish_timeout: Duration::from_secs(5),
            patience: Duration::from_secs(1),
            breaker: ecs_breaker::Options::default(),
            metrics: Metrics::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("replicas", &self.replicas)
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
        let options =
            Options { token: Some("sesame".into()), ..Options::new("nats://ecs:sesame@127.0.0.1:4222") };
        let shown = format!("{options:?}");
        assert!(shown.contains("window_events: 20000"));
        assert!(!shown.contains("sesame") && !shown.contains("127.0.0.1"));
    }
}
