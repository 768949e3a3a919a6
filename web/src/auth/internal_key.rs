//! Calls of services and of senders that the operator trusts.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::HeaderMap;
use http::request::Parts;

use super::Auth;
use crate::Problem;

/// Proof that the request carried the service key in `X-Internal-Key`. Only this extractor makes one.
#[derive(Debug, Clone, Copy)]
pub struct InternalKey(());

impl InternalKey {
    /// The header.
    pub const HEADER: &str = "x-internal-key";
    /// The header as documents write it.
    pub(crate) const HEADER_NAME: &str = "X-Internal-Key";

    /// Checks the headers of a request.
    pub fn verify(headers: &HeaderMap, auth: &Auth) -> Result<Self, Problem> {
        match headers.get(Self::HEADER) {
            None => Err(Problem::unauthorized("the header X-Internal-Key is missing")),
            Some(key) if auth.is_internal_key(key.as_bytes()) => Ok(Self(())),
            Some(_) => Err(Problem::unauthorized("the header X-Internal-Key does not hold the key")),
        }
    }
}

impl<S> FromRequestParts<S> for InternalKey
where
    S: Send + Sync,
    Arc<Auth>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Self::verify(&parts.headers, &Arc::<Auth>::from_ref(state))
    }
}
