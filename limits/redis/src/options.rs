//! Where Redis is, and how long it may take.

use std::fmt;
use std::time::Duration;

use ecs_limits::Size;
use ecs_metrics::Metrics;

/// The limiter's settings.
#[derive(Clone)]
pub struct Options {
    /// `redis://` or `rediss://[user]:password@host:port/database`.
    pub url: String,
    /// How long Redis may take to connect, and to answer.
    pub patience: Duration,
    /// How often a process says that it is there. Those that were not heard of for three times as long are counted no more.
    pub presence: Duration,
    /// When to leave Redis alone.
    pub breaker: ecs_breaker::Options,
    /// How many keys are known here.
    pub size: Size,
    /// Where the breaker's state is counted.
    pub metrics: Metrics,
}

impl Options {
    /// 250 ms for Redis, a word from each process every five seconds; looks for Redis again after two.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            patience: Duration::from_millis(250),
            presence: Duration::from_secs(5),
            breaker: ecs_breaker::Options { open_for: Duration::from_secs(2), ..Default::default() },
            size: Size::default(),
            metrics: Metrics::new(),
        }
    }
}

impl fmt::Debug for Options {
    /// Without the address, which may hold a password.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Options").field("patience", &self.patience).finish_non_exhaustive()
    }
}

/// Why there is no limiter. The texts never quote the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The address isn't one.
    #[error("the address of Redis must be redis://[user]:password@host:port/database, or rediss:// for TLS")]
    Address,
    /// Nobody would run the task that talks to Redis.
    #[error("limits over Redis must be opened within a tokio runtime")]
    NoRuntime,
}
