//! `GET /v1/operations/dead-letters/{letter_id}`: all of one letter.

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use ecs_domain::permission::Permission;
use ecs_domain::permission::held::OperationsRead;
use ecs_domain::{Timestamp, Violation, Violations};
use ecs_store::audit::{Act, NewEntry};
use ecs_store::{FullLetter, LetterId};
use ecs_web::Problem;
use ecs_web::auth::policy::Holding;
use ecs_web::openapi::{Instant, tag};
use ecs_web::params::{PathParams, QueryParams};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::LetterView;
use crate::{Reading, problem};

#[derive(Deserialize)]
pub(crate) struct Question {
    payload: Option<String>,
}

/// All of one dead letter.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FullDeadLetter, examples(json!({
    "id": 17, "subject": "user.emotions.topic", "group": "emotion-processing",
    "eventId": "7c9e6679-7425-5de9-944b-e07fc1f90ae7", "userId": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e",
    "kind": "unknown-user", "reason": "no account has this user id", "givenUpAt": "2026-11-20T14:30:00Z",
    "attempts": 1, "state": "waiting", "stateChangedAt": null, "replays": 0,
    "history": [{"at": "2026-11-20T14:30:00Z", "reason": "no account has this user id"}],
    "schemaVersion": 1, "requestId": "4bf92f3577b34da6a3ce929d0e0e4736", "traceparent": null, "payloadBytes": 240
})))]
pub(crate) struct FullView {
    #[serde(flatten)]
    letter: LetterView,
    /// The failed attempts, oldest first; of a letter that came back often, the newest hundred.
    history: Vec<AttemptView>,
    /// The schema version of the payload.
    schema_version: u16,
    /// The request that the event came with.
    #[schema(required)]
    request_id: Option<String>,
    /// The W3C trace that it belongs to.
    #[schema(required)]
    traceparent: Option<String>,
    /// The size of the payload; null once the letter is replayed or dropped, and its payload is not here any more.
    #[schema(required)]
    payload_bytes: Option<usize>,
    /// With `payload=true`: what the event said.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    /// With `payload=true`, where the payload is not UTF-8: its bytes in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_hex: Option<String>,
}

/// A failed attempt.
#[derive(Serialize, ToSchema)]
#[schema(as = FailedAttempt, examples(json!({"at": "2026-11-20T14:30:00Z", "reason": "no account has this user id"})))]
struct AttemptView {
    /// When it ended.
    #[schema(value_type = Instant)]
    at: Timestamp,
    /// Why.
    reason: String,
}

/// Show a dead letter
///
/// All of it, with the history of its attempts. What the event said is shown only with `payload=true`, and that needs
/// the permission `operations:write`: payloads hold what people felt and bought.
#[utoipa::path(
    get, path = "/v1/operations/dead-letters/{letter_id}", operation_id = "showDeadLetter", tag = tag::OPERATIONS,
    params(
        ("letter_id" = i64, Path, description = "The letter's number."),
        ("payload" = Option<bool>, Query, description = "Whether to show what the event said."),
    ),
    responses(
        (status = OK, description = "The letter.", body = FullView),
        (status = NOT_FOUND, description = "there is no such dead letter"),
    ),
)]
pub(crate) async fn show(
    Holding { identity, .. }: Holding<OperationsRead>,
    State(reading): State<Reading>,
    path: PathParams,
    QueryParams(Question { payload }): QueryParams<Question>,
) -> Result<Json<FullView>, Problem> {
    let with_payload = yes_or_no(payload.as_deref())?;
    if with_payload {
        identity.require(Permission::OperationsWrite)?;
    }
    let id = path.text("letter_id").parse();
    let id: LetterId = id.map_err(|_| {
        Problem::invalid(Violations::from(Violation::new("letter_id", "must be a letter's number")))
    })?;
    let found = reading.letters().dead_letter(id).await.map_err(|error| problem::of_store(&error))?;
    let full = found.ok_or_else(|| Problem::not_found("there is no such dead letter"))?;
    if with_payload {
        let shown = NewEntry::of_letter(identity.user, Act::LetterShown, id, reading.deps.clock.now());
        reading.deps.store.note(shown).await.map_err(|error| problem::of_store(&error))?;
        tracing::info!(letter_id = %id, operator_id = %identity.user, "a dead letter's payload is shown");
    }
    Ok(Json(FullView::of(full, with_payload)))
}

/// Whoever writes `payload=1` should hear that it means nothing, and not get a letter without it.
fn yes_or_no(payload: Option<&str>) -> Result<bool, Problem> {
    match payload {
        Some("true") => Ok(true),
        Some("false") | None => Ok(false),
        Some(_) => {
            Err(Problem::invalid(Violations::from(Violation::new("payload", "must be true or false"))))
        }
    }
}

impl FullView {
    fn of(full: FullLetter, with_payload: bool) -> Self {
        let FullLetter { letter, history, payload, schema_version, request_id, traceparent } = full;
        let payload_bytes = payload.as_ref().map(Bytes::len);
        let (payload, payload_hex) = match payload.filter(|_| with_payload).map(|bytes| text(&bytes)) {
            Some(Ok(text)) => (Some(text), None),
            Some(Err(hex)) => (None, Some(hex)),
            None => (None, None),
        };
        Self {
            letter: letter.into(),
            history: history.into_iter().map(|(at, reason)| AttemptView { at, reason }).collect(),
            schema_version,
            request_id,
            traceparent,
            payload_bytes,
            payload,
            payload_hex,
        }
    }
}

/// The bytes as text, or in hexadecimal digits where they are none.
fn text(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map(str::to_owned);
    text.map_err(|_| hex::encode(bytes))
}
