//! The event as senders write it.

use ecs_bus::unnamed_id;
use ecs_domain::emotion::{EmotionEvent, EmotionKind, Metrics, Unit};
use ecs_domain::{EventId, Timestamp, UserId, Violations};
use ecs_web::body::{self, JsonError, Object, Text};
use ecs_web::fields;
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
    pub(crate) client_id: Option<Text<'a>>,
}

/// Reads and checks one event. All its violations are reported at once, unless a type is wrong.
pub(crate) fn read(json: &[u8], now: Timestamp) -> Result<Received<'_>, JsonError> {
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
            let id =
                wire.event_id.as_deref().map_or_else(|| unnamed_id(now), |name| EventId::derive(user, name));
            Ok(Received {
                emotion: EmotionEvent { id, user, occurred_at, kind, metrics },
                client_id: wire.event_id,
            })
        }
        _ => Err(JsonError::Invalid(violations)),
    }
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
