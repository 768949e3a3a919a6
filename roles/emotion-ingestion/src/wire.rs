//! The event as senders write it.

use std::borrow::Cow;

use ecs_bus::unnamed_id;
use ecs_domain::emotion::{EmotionEvent, EmotionKind, Metrics, Unit};
use ecs_domain::{EventId, Timestamp, UserId, Violations};
use ecs_web::body::{self, JsonError, Object, Text};
use ecs_web::openapi::Id;
use ecs_web::{IdempotencyKey, fields};
use serde::Deserialize;
use utoipa::ToSchema;

/// What a user felt.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EmotionEvent, examples(json!({
    "userId": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e", "timestamp": "2026-11-20T14:30:00Z",
    "emotionEvent": {"type": "calm", "metrics": {"positivity": 0.8, "intensity": 0.3, "stress_level": 0.1}},
    "eventId": "phone-17-4711"
})))]
pub(crate) struct WireEvent<'a> {
    /// Who felt it.
    #[serde(borrow)]
    #[schema(value_type = Id)]
    user_id: Option<Text<'a>>,
    /// When; UTC where it names no zone. Not before 1970, and at most 24 hours ahead.
    #[serde(borrow)]
    #[schema(value_type = String, examples("2026-11-20T14:30:00Z"))]
    timestamp: Option<Text<'a>>,
    /// What it was.
    #[serde(borrow)]
    #[schema(value_type = WireEmotion)]
    emotion_event: Option<Object<WireEmotion<'a>>>,
    /// Your own name for the event: the same one of the same user and UTC day counts once.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    event_id: Option<Text<'a>>,
}

/// An emotion with its measure.
#[derive(Deserialize, ToSchema)]
#[schema(as = Emotion)]
struct WireEmotion<'a> {
    /// A word for it.
    #[serde(rename = "type", borrow)]
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    kind: Option<Text<'a>>,
    /// How strong it was.
    #[schema(value_type = WireMetrics)]
    metrics: Option<Object<WireMetrics>>,
}

/// The measure of an emotion.
// The contract writes these three in snake_case.
#[derive(Deserialize, ToSchema)]
#[schema(as = EmotionMetrics)]
struct WireMetrics {
    /// 0 is as bad as can be, 1 as good.
    #[schema(value_type = f64, minimum = 0, maximum = 1)]
    positivity: Option<f64>,
    /// 0 is hardly felt, 1 overwhelming.
    #[schema(value_type = f64, minimum = 0, maximum = 1)]
    intensity: Option<f64>,
    /// 0 is none, 1 as much as can be.
    #[schema(value_type = f64, minimum = 0, maximum = 1)]
    stress_level: Option<f64>,
}

/// A valid event with the name that its sender gave it.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    pub(crate) emotion: EmotionEvent,
    pub(crate) client_id: Option<Cow<'a, str>>,
}

/// What names an event that has no id in its body.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Name<'a> {
    /// The request's key is as good as an id in the body.
    Key(&'a IdempotencyKey),
    /// One line of an upload under this key.
    Line(&'a IdempotencyKey, u64),
}

/// Reads and checks one event, which `name` names where its body doesn't. All its violations are reported at once, unless a type is wrong.
pub(crate) fn read<'a>(
    json: &'a [u8],
    name: Option<Name<'a>>,
    now: Timestamp,
) -> Result<Received<'a>, JsonError> {
    let wire: WireEvent<'_> = body::parse(json)?;
    let mut violations = Violations::none();
    let user = violations
        .require("userId", wire.user_id)
        .and_then(|text| violations.check("userId", fields::id::<UserId>(&text)));
    let occurred_at = violations
        .require("timestamp", wire.timestamp)
        .and_then(|text| violations.check("timestamp", fields::occurred_at(&text, now)));
    let emotion = violations
        .require("emotionEvent", wire.emotion_event)
        .and_then(|Object(wire)| emotion(wire, &mut violations));
    if let Some(id) = &wire.event_id {
        violations.check("eventId", fields::text(id));
    }
    match (user, occurred_at, emotion) {
        (Some(user), Some(occurred_at), Some((kind, metrics))) if violations.is_empty() => {
            let (id, client_id) = named(user, wire.event_id, name, now);
            Ok(Received { emotion: EmotionEvent { id, user, occurred_at, kind, metrics }, client_id })
        }
        _ => Err(JsonError::Invalid(violations)),
    }
}

/// The event's id, and what its sender calls it. The name of a line is for its id alone: it is nobody's own word.
fn named<'a>(
    user: UserId,
    in_body: Option<Text<'a>>,
    name: Option<Name<'a>>,
    now: Timestamp,
) -> (EventId, Option<Cow<'a, str>>) {
    let client_id = match (in_body, name) {
        (Some(Text(id)), _) => id,
        (None, Some(Name::Key(key))) => Cow::Borrowed(key.as_str()),
        (None, Some(Name::Line(key, number))) => return (EventId::derive(user, &key.of_line(number)), None),
        (None, None) => return (unnamed_id(now), None),
    };
    (EventId::derive(user, &client_id), Some(client_id))
}

fn emotion(wire: WireEmotion<'_>, violations: &mut Violations) -> Option<(EmotionKind, Metrics)> {
    let kind = violations
        .require("emotionEvent.type", wire.kind)
        .and_then(|word| violations.check("emotionEvent.type", EmotionKind::new(word.0.into_owned())));
    let Object(metrics) = violations.require("emotionEvent.metrics", wire.metrics)?;
    let positivity = unit("emotionEvent.metrics.positivity", metrics.positivity, violations);
    let intensity = unit("emotionEvent.metrics.intensity", metrics.intensity, violations);
    let stress = unit("emotionEvent.metrics.stress_level", metrics.stress_level, violations);
    Some((kind?, Metrics { positivity: positivity?, intensity: intensity?, stress: stress? }))
}

fn unit(field: &'static str, value: Option<f64>, violations: &mut Violations) -> Option<Unit> {
    let value = violations.require(field, value)?;
    violations.check(field, Unit::new(value).ok_or("must be between 0 and 1".into()))
}
