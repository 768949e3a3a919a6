//! The event as senders write it.

use std::borrow::Cow;

use ecs_bus::unnamed_id;
use ecs_domain::emotion::{EmotionEvent, EmotionKind, Metrics, Unit};
use ecs_domain::{EventId, Timestamp, UserId, Violations};
use ecs_web::body::{self, JsonError, Object, Text};
use ecs_web::{IdempotencyKey, fields};
use serde::Deserialize;

/// `{userId, timestamp, emotionEvent: {type, metrics: {positivity, intensity, stress_level}}, eventId?}`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEvent<'a> {
    #[serde(borrow)]
    user_id: Option<Text<'a>>,
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
    #[serde(borrow)]
    emotion_event: Option<Object<WireEmotion<'a>>>,
    #[serde(borrow)]
    event_id: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct WireEmotion<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    metrics: Option<Object<WireMetrics>>,
}

/// The contract writes these three in snake_case.
#[derive(Deserialize)]
struct WireMetrics {
    positivity: Option<f64>,
    intensity: Option<f64>,
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
