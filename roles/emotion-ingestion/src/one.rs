//! One event as JSON: the platform's hottest path.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use ecs_bus::PublishError;
use ecs_bus::payload::EmotionPayload;
use ecs_domain::EventId;
use ecs_web::openapi::Id;
use ecs_web::{IdempotencyKey, Problem, RequestContext};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::Name;
use crate::{Deps, headers, not_published, wire};

/// One event is on disk.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EventAccepted)]
pub(crate) struct Accepted<'a> {
    /// `event received`
    status: &'static str,
    /// The trace that the request belongs to.
    trace_id: &'a str,
    /// The event's id, made of the user and of what you call it.
    #[schema(value_type = Id)]
    event_id: EventId,
}

pub(crate) async fn receive(
    deps: &Deps,
    context: &RequestContext,
    key: Option<&IdempotencyKey>,
    json: &[u8],
) -> Result<Response, Problem> {
    let received = wire::read(json, key.map(Name::Key), deps.clock.now())?;
    let (emotion, name) = (&received.emotion, received.client_id.as_deref());
    let event = EmotionPayload::event(emotion, name, context.trace_id(), headers(context));
    let event_id = event.id;
    // A transport that returns no result has promised nothing.
    let unanswered = || Err(PublishError::Unavailable("no result".to_owned()));
    match deps.bus.publish(vec![event]).await.pop().unwrap_or_else(unanswered) {
        Ok(()) => {
            let accepted = Accepted { status: "event received", trace_id: context.trace_id(), event_id };
            Ok((StatusCode::ACCEPTED, Json(accepted)).into_response())
        }
        Err(error) => Err(not_published(&error)),
    }
}
