//! A role in other processes, over HTTP/1.1.
//!
//! One call goes to one replica; replicas take turns, and one whose breaker is open is left out until it is. When all
//! of them are, the call is refused without being made. What may be sent twice is sent once more, to another replica
//! if there is one, while the deadline and the budget for second attempts allow it: a request that changes nothing
//! more when it is repeated, and any request of which no byte has left.
//!
//! The callee believes nothing: it gets the client's own credentials or the service key and verifies them. Behind an
//! `https://` address it must prove its name to an authority that this process trusts, before anything is sent; a
//! handshake that fails counts like a connection that doesn't come about.

mod address;
mod attempt;
mod budget;
mod ending;
mod forwarding;
mod headers;
mod payload;
mod replicas;
mod send;
mod silence;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use ecs_metrics::Metrics;
use ecs_tls::Connector;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tokio_util::sync::CancellationToken;

pub use self::address::BadAddress;
pub(super) use self::attempt::{Answered, Call, FAIR, Lost, Verdict};
pub(super) use self::forwarding::Forwarding;
pub(super) use self::payload::Payload;

use self::address::Address;
use self::budget::RetryBudget;
use self::replicas::Replicas;
use crate::shedding::Places;

/// How a role elsewhere is called.
#[derive(Debug, Clone)]
pub struct RemoteOptions {
    /// When a replica is given up for a while.
    pub breaker: ecs_breaker::Options,
    /// How `https://` addresses are called; without it there can be none.
    pub tls: Option<Arc<ClientConfig>>,
    /// How long a connection may take, and then a handshake.
    pub connect_timeout: Duration,
    /// How long a connection is kept that nobody uses. It is shorter than the grace in which a stopping server still
    /// takes requests, so that none is sent into a connection that is about to close; see [`crate::server`].
    pub idle: Duration,
    /// After how long a client that gives up waiting says something about the replica. Without that, one that hangs
    /// would never be found out by clients that are less patient than this process.
    pub patience: Duration,
    /// How many calls may wait for answers at once. It is less than what the listener takes, so that a role that hangs
    /// leaves room for the others.
    pub max_in_flight: usize,
    /// After how long without a piece an answer that has begun is broken off: longer than the pause between two heartbeats
    /// of a stream. A role that hangs would otherwise hold its clients' connections for as long as they like.
    pub silence: Duration,
    /// Shows the breakers.
    pub metrics: Metrics,
    /// Is cancelled when this process ends its streams: those that come from the role are ended with a last event.
    pub stopping: CancellationToken,
}

impl RemoteOptions {
    /// What production has.
    #[must_use]
    pub fn new(metrics: Metrics, stopping: CancellationToken) -> Self {
        Self {
            breaker: ecs_breaker::Options::default(),
            tls: None,
            connect_timeout: Duration::from_secs(1),
            idle: Duration::from_secs(4),
            patience: Duration::from_secs(5),
            max_in_flight: 1_024,
            silence: Duration::from_secs(60),
            metrics,
            stopping,
        }
    }
}

/// A role in other processes. Cheap to clone; every clone shares connections, breakers and budget.
#[derive(Clone)]
pub struct Remote(Arc<Shared>);

struct Shared {
    role: &'static str,
    client: Client<Connector, Body>,
    replicas: Replicas,
    budget: RetryBudget,
    places: Places,
    patience: Duration,
    silence: Duration,
    stopping: CancellationToken,
}

impl Remote {
    /// The role behind these base addresses, one per replica (or one for all, where something in front of them
    /// distributes). Nothing is connected yet, so nobody needs to be there.
    pub fn new<A: AsRef<str>>(
        role: &'static str,
        addresses: &[A],
        options: RemoteOptions,
    ) -> Result<Self, BadAddress> {
        let addresses: Result<Vec<Address>, BadAddress> =
            addresses.iter().map(|address| Address::parse(address.as_ref())).collect();
        let addresses = addresses?;
        if options.tls.is_none() && addresses.iter().any(Address::is_encrypted) {
            return Err(BadAddress::NobodyTrusted);
        }
        let connector = Connector::new(options.tls, options.connect_timeout);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(options.idle)
            .build(connector);
        let replicas = Replicas::new(role, addresses, options.breaker, &options.metrics)?;
        Ok(Self(Arc::new(Shared {
            role,
            client,
            replicas,
            budget: RetryBudget::default(),
            places: Places::new(options.max_in_flight),
            patience: options.patience,
            silence: options.silence,
            stopping: options.stopping,
        })))
    }

    /// The role's name.
    #[must_use]
    pub fn role(&self) -> &'static str {
        self.0.role
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Remote").field("role", &self.0.role).field("replicas", &self.0.replicas).finish()
    }
}
