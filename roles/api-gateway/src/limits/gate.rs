//! Counts calls, refuses those beyond their quota, and tells callers how they stand.

use std::net::IpAddr;
use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use ecs_domain::{Timestamp, UserId};
use ecs_limits::{Decision, Key};
use ecs_web::auth::service_keys::KeyId;
use ecs_web::peer::{Peer, subscriber};
use ecs_web::{Identity, Problem};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{Class, Limiting, Subject};

// The three headers of the older drafts, which clients know; the newer ones are structured fields that few of them read.
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Who a call counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The bearer of a token.
    Bearer {
        /// Its subject.
        user: UserId,
        /// Whether it may act beyond its own affairs.
        operator: bool,
    },
    /// Whoever has this service key.
    Service(KeyId),
    /// Somebody at this address; nobody knows where in a process without a listener.
    Somebody(Option<IpAddr>),
}

impl Caller {
    pub(crate) fn bearing(identity: &Identity) -> Self {
        Self::Bearer { user: identity.user, operator: !identity.permissions.is_empty() }
    }

    fn subject(self) -> Subject {
        match self {
            Self::Bearer { operator: false, .. } => Subject::User,
            Self::Bearer { operator: true, .. } => Subject::Operator,
            Self::Service(_) => Subject::Key,
            Self::Somebody(_) => Subject::Address,
        }
    }
}

/// The limits as each request meets them.
pub(crate) struct Gate(Limiting);

impl Gate {
    pub(crate) fn new(limiting: Limiting) -> Self {
        Self(limiting)
    }

    /// The client of a request without credentials that hold.
    pub(crate) fn somebody(&self, peer: Option<Peer>, headers: &HeaderMap) -> Caller {
        Caller::Somebody(peer.map(|peer| self.0.proxies.client(peer, headers)))
    }

    /// Counts a call. `None` where it has no limit; then nobody looks at the clock, either.
    pub(crate) fn pass(
        &self,
        class: Class,
        caller: Caller,
        now: impl FnOnce() -> Timestamp,
    ) -> Option<Decision> {
        let quota = self.0.quotas.of(class, caller.subject())?;
        let key = self.key(class, caller)?;
        let decision = self.0.limiter.check(&key, quota, 1, now());
        if !decision.allowed {
            self.0.metrics.rate_limited(class.as_str(), caller.subject().as_str());
        }
        Some(decision)
    }

    fn key(&self, class: Class, caller: Caller) -> Option<Key> {
        let of = |subject: &[u8]| Some(self.0.keys.of([class.as_str(), caller.subject().as_str()], subject));
        match caller {
            Caller::Bearer { user, .. } => of(user.uuid().as_bytes()),
            Caller::Service(KeyId(id)) => of(&id),
            Caller::Somebody(Some(address)) if self.0.counts_loopback || !address.is_loopback() => {
                of(&subscriber(address))
            }
            Caller::Somebody(_) => None,
        }
    }
}

/// Tells the caller how it stands. A role that refused for a limit of its own has said when to come back, and another
/// limit with room left would only confuse.
pub(crate) fn tell(mut response: Response, decision: Option<Decision>) -> Response {
    if let Some(decision) = decision
        && response.status() != StatusCode::TOO_MANY_REQUESTS
    {
        add_headers(response.headers_mut(), decision);
    }
    response
}

impl From<Refusal> for Response {
    fn from(Refusal(decision): Refusal) -> Self {
        let problem = Problem::rate_limited("too many requests, try again later", decision.retry_after);
        let mut response = problem.into_response();
        add_headers(response.headers_mut(), decision);
        response
    }
}

/// A call beyond its quota.
pub(crate) struct Refusal(pub(crate) Decision);

fn add_headers(headers: &mut HeaderMap, decision: Decision) {
    headers.insert(LIMIT, HeaderValue::from(decision.limit));
    headers.insert(REMAINING, HeaderValue::from(decision.remaining));
    headers.insert(RESET, HeaderValue::from(whole_seconds(decision.reset)));
}

/// Who comes back after so many seconds does not come too early.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
