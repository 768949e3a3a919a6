//! JSON bodies: 415 for another content type and for a compressed body, 413 over the limit, 400 for what is not JSON, 422 with the field's path
//! for what is JSON of the wrong shape. Values are never echoed.
//!
//! Shapes have `Option` fields and say with [`ecs_domain::Violations::require`] which are needed, so that a client
//! hears of all missing fields at once. Unknown fields are ignored.

mod exact;
mod json;
mod object;
mod read;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde::de::DeserializeOwned;

pub use exact::Exact;
pub use json::{JsonError, Text, parse};
pub use object::Object;
pub use read::{NextFrame, collect, next_frame};

use crate::Problem;

/// The largest JSON body.
pub const MAX_JSON_BYTES: usize = 64 * 1024;
/// The content type of JSON bodies.
pub const JSON: &str = "application/json";
/// The content type of JSON lines.
pub const NDJSON: &str = "application/x-ndjson";
/// The content type of streams of events.
pub const EVENTS: &str = "text/event-stream";

/// A JSON body as a value. Stands last among a handler's arguments.
#[derive(Debug, Clone, Copy)]
pub struct JsonBody<T>(pub T);

impl<T, S> FromRequest<S> for JsonBody<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = read_json(request).await?;
        Ok(Self(parse(&bytes)?))
    }
}

/// A JSON body as its bytes, for handlers that borrow from it: [`parse`] does the rest.
#[derive(Debug, Clone)]
pub struct JsonBytes(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBytes {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read_json(request).await.map(Self)
    }
}

async fn read_json(request: Request) -> Result<Bytes, Problem> {
    if !has_media_type(request.headers(), JSON) {
        return Err(Problem::unsupported_media_type("the content type must be application/json"));
    }
    refuse_encoded(request.headers())?;
    collect(request.into_body(), MAX_JSON_BYTES).await
}

/// Whether the body's content type is this one, whatever its parameters.
#[must_use]
pub fn has_media_type(headers: &HeaderMap, expected: &str) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split_once(';').map_or(value, |(essence, _)| essence);
    essence.trim().eq_ignore_ascii_case(expected)
}

/// 415 for a compressed body: what it unfolds to has no bound.
pub fn refuse_encoded(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(Problem::unsupported_media_type("the body must come without a content encoding"))
        }
        _ => Ok(()),
    }
}
