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
use ecs_bus::{Bus, Headers, PublishError};
use ecs_domain::Clock;
use ecs_domain::permission::held::EmotionsWriteAny;
use ecs_web::auth::policy::Service;
use ecs_web::body::{self, JsonBytes};
use ecs_web::openapi::{OpenApiRouter, tag};
use ecs_web::{Auth, IdempotencyKey, PolicedRoutes as _, Problem, RequestContext, policed};
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;

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
        Self::api().with_state(self.clone()).into()
    }

    /// What it says of these routes: its part of the platform's document.
    #[must_use]
    pub fn openapi() -> OpenApi {
        Self::api().into_openapi()
    }

    fn api() -> OpenApiRouter<Self> {
        OpenApiRouter::default().policed(policed!(receive))
    }
}

/// Two lines of an upload, for the document.
const LINES: &str = concat!(
    r#"{"userId":"0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e","timestamp":"2026-11-20T14:30:00Z","#,
    r#""emotionEvent":{"type":"calm","metrics":{"positivity":0.8,"intensity":0.3,"stress_level":0.1}}}"#,
    "\n",
    r#"{"userId":"0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e","timestamp":"2026-11-20T14:31:00Z","#,
    r#""emotionEvent":{"type":"tense","metrics":{"positivity":0.4,"intensity":0.6,"stress_level":0.7}}}"#,
    "\n",
);

impl FromRef<EmotionIngestion> for Arc<Auth> {
    fn from_ref(role: &EmotionIngestion) -> Self {
        Arc::clone(&role.0.auth)
    }
}

/// The answer: to one event, or to an upload of lines.
#[derive(ToSchema)]
#[schema(as = EventsAccepted, examples(
    json!({
        "status": "event received", "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
        "eventId": "8a4cc0e5-0c22-5f46-8a3c-6a3a5b0f5a11"
    }),
    json!({
        "accepted": 998,
        "rejected": [{"line": 7, "detail": "timestamp must be an ISO 8601 date and time", "retryable": false}],
        "rejectedTotal": 1
    }),
))]
#[serde(untagged)]
#[expect(dead_code, reason = "the handlers write the variants themselves; this one is for the document")]
enum Accepted {
    One(one::Accepted<'static>),
    Upload(tally::Answer),
}

/// Send emotion events
///
/// One event as JSON, or any number of them as JSON lines, one event a line of up to 64 KiB. A 202 means that what was
/// accepted is on disk. The user need not be known here.
///
/// An event counts once for each `eventId` of its user and UTC day, however often it arrives. Where the body has no
/// `eventId`, the `Idempotency-Key` is as good as one; in an upload, the key and the number of the line name the event,
/// so that the same upload may be sent again as a whole. Without either, a repeated request is a new event.
///
/// Lines that could not be made durable are `retryable`, and the answer is 503 when nothing was accepted for that reason
/// alone.
#[utoipa::path(
    post, path = "/v1/emotions/stream", operation_id = "sendEmotions", tag = tag::EVENTS,
    params(IdempotencyKey),
    request_body(content(
        (wire::WireEvent<'static> = "application/json"),
        (String = "application/x-ndjson", example = json!(LINES)),
    )),
    responses((status = ACCEPTED, description = "What was accepted is on disk.", body = Accepted)),
)]
async fn receive(
    _: Service<EmotionsWriteAny>,
    State(EmotionIngestion(deps)): State<EmotionIngestion>,
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
