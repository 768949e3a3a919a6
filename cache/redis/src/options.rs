//! Where Redis is, and how long it may take.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ecs_metrics::Metrics;

/// The backend's settings.
#[derive(Clone)]
pub struct Options {
    /// `redis://` or, with TLS, `rediss://[user]:password@host:port/database`. Platforms that share a server need a database
    /// each. The certificate is checked against the system's trust store, or what `SSL_CERT_FILE` names.
    pub url: String,
    /// A file of certificates (PEM) that are trusted beside the system's.
    pub root_certificates: Option<PathBuf>,
    /// How much memory the level in this process may take, in bytes. At 0 it keeps nothing.
    pub level_bytes: u64,
    /// How long Redis may take to answer a command before the lookup goes on without it.
    pub response_timeout: Duration,
    /// How long a connection may take, TLS and password included, and then each try to settle what is owed.
    pub connect_timeout: Duration,
    /// When to leave Redis alone.
    pub breaker: ecs_breaker::Options,
    /// How many scopes are remembered whose invalidation is owed. One more, and everything is invalidated instead.
    pub max_owed: usize,
    /// Where lookups by level and the breaker's state are counted.
    pub metrics: Metrics,
}

impl Options {
    /// 8 MiB in this process, 100 ms for an answer, a second for a connection, 10,000 scopes owed (about 1 MB).
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            root_certificates: None,
            level_bytes: 8 * 1024 * 1024,
            response_timeout: Duration::from_millis(100),
            connect_timeout: Duration::from_secs(1),
            breaker: ecs_breaker::Options::default(),
            max_owed: 10_000,
            metrics: Metrics::new(),
        }
    }
}

impl fmt::Debug for Options {
    /// Without the address, which may hold a password.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Options")
            .field("level_bytes", &self.level_bytes)
            .field("response_timeout", &self.response_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("breaker", &self.breaker)
            .field("max_owed", &self.max_owed)
            .finish_non_exhaustive()
    }
}

/// Why there is no backend. The texts never quote the address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The address isn't one.
    #[error("the address of Redis must be redis://[user]:password@host:port/database, or rediss:// for TLS")]
    Address,
    /// The file of roots can't be used.
    #[error("the roots that Redis is checked by: {0}")]
    Roots(#[from] ecs_tls::TlsError),
    /// Nobody would run the task that connects.
    #[error("the cache over Redis must be opened within a tokio runtime")]
    NoRuntime,
}
