//! How the engine is opened.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ecs_metrics::Metrics;

use crate::replicas::RecentWrites;

/// How to open a [`PostgresStore`](crate::PostgresStore).
#[derive(Clone)]
pub struct Options {
    /// Where the primary is: `postgres://user:password@host1:port1,host2:port2/database?sslmode=…`. With several hosts, the
    /// one that takes writes is found, again after each failover.
    pub url: String,
    /// Where the read replicas are, one address each. Empty: everything is read from the primary.
    pub read_urls: Vec<String>,
    /// A file of certificates (PEM) that are trusted beside the system's, where an address has no `sslrootcert` of its own.
    pub root_certificates: Option<PathBuf>,
    /// How many connections to the primary this process holds at most; to each replica, half of it.
    pub max_connections: usize,
    /// How long one attempt to connect to one host may take, TLS and password included.
    pub connect_timeout: Duration,
    /// How long a call waits for a free connection.
    pub acquire_timeout: Duration,
    /// How long one statement of a request may take.
    pub statement_timeout: Duration,
    /// How long one statement of a fold, of the books and of the upkeep may take.
    pub long_statement_timeout: Duration,
    /// How long a read of a replica may take before the primary is asked instead.
    pub replica_timeout: Duration,
    /// How far a replica may be behind and still be read.
    pub max_replica_lag: Duration,
    /// Where the last write of each user is noted for the other processes of this role; `None`: for this process alone.
    pub recent_writes: Option<Arc<dyn RecentWrites>>,
    /// When the breakers open, and for how long.
    pub breaker: ecs_breaker::Options,
    /// Takes a server that doesn't flush (`fsync=off`), which no power cut forgives. For tests.
    pub accept_unflushed: bool,
    /// Where queries are counted.
    pub metrics: Metrics,
}

impl Options {
    /// The defaults, with the primary at `url`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            read_urls: Vec::new(),
            root_certificates: None,
            max_connections: 16,
            connect_timeout: Duration::from_secs(2),
            acquire_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(5),
            long_statement_timeout: Duration::from_secs(60),
            replica_timeout: Duration::from_millis(250),
            max_replica_lag: Duration::from_secs(2),
            recent_writes: None,
            breaker: ecs_breaker::Options::default(),
            accept_unflushed: false,
            metrics: Metrics::default(),
        }
    }
}

/// Addresses hold passwords, so none is shown.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("replicas", &self.read_urls.len())
            .field("max_connections", &self.max_connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("long_statement_timeout", &self.long_statement_timeout)
            .field("replica_timeout", &self.replica_timeout)
            .field("max_replica_lag", &self.max_replica_lag)
            .field("accept_unflushed", &self.accept_unflushed)
            .finish_non_exhaustive()
    }
}
