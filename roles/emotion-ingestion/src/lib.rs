//! Accepts emotion events over HTTP and makes them durable on the bus.
//!
//! `POST /v1/emotions/stream` takes one event as JSON, or any number of them as JSON lines. An event is accepted when
//! the bus says that it is durable, and not a moment before. An event that its sender named, in its body or by the
//! request's `Idempotency-Key`, may be sent again. The store is never asked: an event of an unknown user is
//! accepted here and ends as a dead letter.

mod lines;
mod one;
mod stream;
mod tally;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRef, FromRequest as _, Request, State};
use axum::response::Response;
use axum::routing::post;
use ecs_bus::{Bus, Headers, PublishError};
use ecs_domain::Clock;
use ecs_web::body::{self, JsonBytes};
use ecs_web::{Auth, IdempotencyKey, InternalKey, Problem, RequestContext};

/// What the role needs.
pub struct Deps {
    /// Knows the service key.
    pub auth: Arc<Auth>,
    /// Where accepted events go.
    pub bus: Arc<dyn Bus>,
    /// Against which dates are checked.
    pub clock: Arc<dyn Clock>,
    /// How much is taken at once.
    pub limits: StreamLimits,
}

/// How much of an upload of JSON lines is taken, and in which pieces it is published.
#[derive(Debug, Clone, Copy)]
pub struct StreamLimits {
    /// The largest upload, in bytes.
    pub max_body: u64,
    /// The longest line, in bytes.
    pub max_line: usize,
    /// A chunk is published when it holds this many events …
    pub chunk_events: usize,
    /// … or this many bytes of lines.
    pub chunk_bytes: usize,
    /// How many chunks of one upload may wait for the bus before its body is read on.
    pub chunks_in_flight: usize,
    /// How many rejected lines an answer lists.
    pub listed_rejections: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            max_body: 256 * 1024 * 1024,
            max_line: 64 * 1024,
            chunk_events: 1_000,
            chunk_bytes: 1024 * 1024,
            chunks_in_flight: 4,
            listed_rejections: 10_000,
        }
    }
}

/// The role. Cheap to clone.
#[derive(Clone)]
pub struct EmotionIngestion(Arc<Deps>);

impl EmotionIngestion {
    /// The role over what it needs.
    #[must_use]
    pub fn create(deps: Deps) -> Self {
        Self(Arc::new(deps))
    }

    /// Its routes.
    pub fn routes(&self) -> Router {
        Router::new().route("/v1/emotions/stream", post(receive)).with_state(self.clone())
    }
}

impl FromRef<EmotionIngestion> for Arc<Auth> {
    fn from_ref(role: &EmotionIngestion) -> Self {
        Arc::clone(&role.0.auth)
    }
}

async fn receive(
    State(EmotionIngestion(deps)): State<EmotionIngestion>,
    _: InternalKey,
    key: Option<IdempotencyKey>,
    context: RequestContext,
    request: Request,
) -> Result<Response, Problem> {
    if body::has_media_type(request.headers(), body::NDJSON) {
        body::refuse_encoded(request.headers())?;
        // The upload's state is large; the single event, which is the hot path, need not carry its room.
        return Box::pin(stream::receive(&deps, &context, key.as_ref(), request.into_body())).await;
    }
    if !body::has_media_type(request.headers(), body::JSON) {
        return Err(Problem::unsupported_media_type(
            "the content type must be application/json or application/x-ndjson",
        ));
    }
    let JsonBytes(bytes) = JsonBytes::from_request(request, &()).await?;
    one::receive(&deps, &context, key.as_ref(), &bytes).await
}

/// What every event of a request carries beside its payload.
fn headers(context: &RequestContext) -> Headers {
    Headers::of_request(context.request_id(), context.traceparent())
}

/// Nothing was accepted, for this reason.
fn not_published(error: &PublishError) -> Problem {
    match error {
        PublishError::WindowFull { retry_after } => Problem::overloaded(*retry_after),
        PublishError::Unavailable(_) | PublishError::Closed => {
            tracing::warn!(%error, "events were not accepted");
            Problem::unavailable("bus", Duration::from_secs(1))
        }
        PublishError::TooLarge { limit, .. } => {
            Problem::too_large(format!("an event may have at most {limit} bytes"))
        }
    }
}
