//! The bearer of a token.

use std::collections::BTreeSet;
use std::time::Duration;

use ecs_domain::permission::Permission;
use ecs_domain::{Timestamp, UserId};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use uuid::Uuid;

use super::Auth;
use crate::Problem;

/// When to come back while it is not known what holds: the list is asked for every second.
const RETRY: Duration = Duration::from_secs(1);

/// Who bears the token, and what it may do beyond its own affairs. Handlers get it from a [`policy`](super::policy).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The token's subject.
    pub user: UserId,
    /// What it may do for others and for the platform.
    pub permissions: BTreeSet<Permission>,
    /// Until when the token that was verified holds, for answers that go on for longer than a moment. `None` when no
    /// token was verified: the identity is to be issued.
    pub expires_at: Option<Timestamp>,
    /// The number of the user's newest change that the token knows of: see [`Changes`](super::Changes).
    pub version: u64,
    /// The session that it was given out in, if it was in one.
    pub session: Option<Uuid>,
}

impl Identity {
    /// A user without any permission beyond their own affairs.
    #[must_use]
    pub fn of(user: UserId) -> Self {
        Self::with(user, [])
    }

    /// The same with these permissions.
    #[must_use]
    pub fn with(user: UserId, permissions: impl IntoIterator<Item = Permission>) -> Self {
        Self {
            user,
            permissions: permissions.into_iter().collect(),
            expires_at: None,
            version: 0,
            session: None,
        }
    }

    /// 403 without `permission`.
    pub fn require(&self, permission: Permission) -> Result<(), Problem> {
        if self.permissions.contains(&permission) {
            return Ok(());
        }
        Err(Problem::forbidden(super::policy::Requires::Permission(permission).refusal()))
    }

    /// Notes the user in the request's span.
    pub fn record(&self) {
        tracing::Span::current().record("user_id", tracing::field::display(self.user));
    }

    /// Who bears the request's token, by what is known now: 401 without a token that holds, 503 while it is not known whether it
    /// does.
    pub fn current(parts: &mut Parts, auth: &Auth) -> Result<Self, Problem> {
        let identity = Self::last_known(parts, auth)?;
        if auth.changes.are_current() {
            return Ok(identity);
        }
        Err(Problem::unavailable("list of changed rights", RETRY))
    }

    /// The same by what was known last. An identity that this process has verified for this request already is taken from the
    /// request's extensions, which no client can reach.
    pub fn last_known(parts: &mut Parts, auth: &Auth) -> Result<Self, Problem> {
        if let Some(identity) = parts.extensions.get::<Self>() {
            return Ok(identity.clone());
        }
        let identity = Self::verify(&parts.headers, auth)?;
        identity.record();
        parts.extensions.insert(identity.clone());
        Ok(identity)
    }

    /// Verifies the bearer token in the headers of a request, by what was known last.
    pub fn verify(headers: &HeaderMap, auth: &Auth) -> Result<Self, Problem> {
        let header =
            headers.get(AUTHORIZATION).ok_or_else(|| Problem::unauthorized("a bearer token is needed"))?;
        let token = bearer(header.as_bytes()).ok_or_else(|| {
            Problem::unauthorized("the Authorization header must hold `Bearer` and a token")
        })?;
        let verified = auth.tokens.verify(token, auth.clock.now());
        let identity = verified.map_err(|error| Problem::unauthorized(error.to_string()))?;
        if auth.changes.let_hold(&identity) {
            return Ok(identity);
        }
        Err(Problem::unauthorized("the token holds no more: refresh the session, or log in"))
    }
}

/// The token after the scheme, whose case doesn't matter.
fn bearer(header: &[u8]) -> Option<&str> {
    let (scheme, token) = std::str::from_utf8(header).ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
