//! The bearer of a token.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use ecs_domain::permission::Permission;
use ecs_domain::{Timestamp, UserId};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::Auth;
use crate::Problem;

/// Who bears the token, and what it may do beyond its own affairs.
///
/// As an extractor: 401 without a token that holds. An identity that this process has verified for this request
/// already is taken from the request's extensions, which no client can reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The token's subject.
    pub user: UserId,
    /// What it may do for others and for the platform.
    pub permissions: BTreeSet<Permission>,
    /// Until when the token that was verified holds, for answers that go on for longer than a moment. `None` when no
    /// token was verified: the identity is to be issued.
    pub expires_at: Option<Timestamp>,
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
        Self { user, permissions: permissions.into_iter().collect(), expires_at: None }
    }

    /// Whether it may act in the affairs of `user`: its own always, others' with `permission`.
    #[must_use]
    pub fn may_act_for(&self, user: UserId, permission: Permission) -> bool {
        self.user == user || self.permissions.contains(&permission)
    }

    /// 403 without `permission`.
    pub fn require(&self, permission: Permission) -> Result<(), Problem> {
        if self.permissions.contains(&permission) {
            return Ok(());
        }
        Err(Problem::forbidden(format!("the permission {permission} is needed")))
    }

    /// 403 unless it may act for `user`; see [`Identity::may_act_for`].
    pub fn require_user(&self, user: UserId, permission: Permission) -> Result<(), Problem> {
        if self.may_act_for(user, permission) {
            return Ok(());
        }
        Err(Problem::forbidden("the user is not the token's"))
    }

    /// Notes the user in the request's span.
    pub fn record(&self) {
        tracing::Span::current().record("user_id", tracing::field::display(self.user));
    }

    /// Verifies the bearer token in the headers of a request.
    pub fn verify(headers: &HeaderMap, auth: &Auth) -> Result<Self, Problem> {
        let header =
            headers.get(AUTHORIZATION).ok_or_else(|| Problem::unauthorized("a bearer token is needed"))?;
        let token = bearer(header.as_bytes()).ok_or_else(|| {
            Problem::unauthorized("the Authorization header must hold `Bearer` and a token")
        })?;
        auth.tokens.verify(token, auth.clock.now()).map_err(|error| Problem::unauthorized(error.to_string()))
    }
}

/// The token after the scheme, whose case doesn't matter.
fn bearer(header: &[u8]) -> Option<&str> {
    let (scheme, token) = std::str::from_utf8(header).ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

impl<S> FromRequestParts<S> for Identity
where
    S: Send + Sync,
    Arc<Auth>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if let Some(identity) = parts.extensions.get::<Self>() {
            return Ok(identity.clone());
        }
        let identity = Self::verify(&parts.headers, &Arc::<Auth>::from_ref(state))?;
        identity.record();
        parts.extensions.insert(identity.clone());
        Ok(identity)
    }
}
