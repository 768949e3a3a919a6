//! `user.emotions.topic`.

use std::borrow::Cow;

use ecs_domain::emotion::{EmotionEvent, EmotionKind, Metrics, Unit};
use ecs_domain::{EventId, UserId};
use serde::{Deserialize, Serialize};

use super::{PayloadError, WireTime, malformed, read, write};
use crate::{Event, Headers, Subject};

/// The body of `POST /v1/emotions/stream` with the ids that the platform gave it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EmotionPayload<'a> {
    user_id: UserId,
    timestamp: WireTime,
    #[serde(borrow)]
    emotion_event: Body<'a>,
    event_id: EventId,
    #[serde(borrow)]
    trace_id: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    client_id: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
struct Body<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    metrics: WireMetrics,
}

/// The contract writes these three in snake_case.
#[derive(Serialize, Deserialize)]
struct WireMetrics {
    positivity: f64,
    intensity: f64,
    stress_level: f64,
}

impl<'a> EmotionPayload<'a> {
    /// The bus event that carries an emotion.
    #[must_use]
    pub fn event(
        emotion: &'a EmotionEvent,
        client_id: Option<&'a str>,
        trace_id: &'a str,
        headers: Headers,
    ) -> Event {
        let Metrics { positivity, intensity, stress } = emotion.metrics;
        let payload = write(&Self {
            user_id: emotion.user,
            timestamp: emotion.occurred_at,
            emotion_event: Body {
                kind: Cow::Borrowed(emotion.kind.as_str()),
                metrics: WireMetrics {
                    positivity: positivity.fraction(),
                    intensity: intensity.fraction(),
                    stress_level: stress.fraction(),
                },
            },
            event_id: emotion.id,
            trace_id: Cow::Borrowed(trace_id),
            client_id: client_id.map(Cow::Borrowed),
        });
        Event { id: emotion.id, subject: Subject::Emotions, key: emotion.user, payload, headers }
    }

    /// The emotion that a bus event carries.
    pub fn decode(event: &Event) -> Result<EmotionEvent, PayloadError> {
        let payload: EmotionPayload<'_> = read(event)?;
        let WireMetrics { positivity, intensity, stress_level } = payload.emotion_event.metrics;
        let unit = |value, name| Unit::new(value).ok_or_else(malformed(name));
        Ok(EmotionEvent {
            id: payload.event_id,
            user: payload.user_id,
            occurred_at: payload.timestamp,
            kind: EmotionKind::new(payload.emotion_event.kind.into_owned())
                .map_err(|_| malformed("emotionEvent.type is not a word")())?,
            metrics: Metrics {
                positivity: unit(positivity, "positivity is not between 0 and 1")?,
                intensity: unit(intensity, "intensity is not between 0 and 1")?,
                stress: unit(stress_level, "stress_level is not between 0 and 1")?,
            },
        })
    }
}
