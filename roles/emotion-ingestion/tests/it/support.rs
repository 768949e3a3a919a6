//! The role over a recording bus.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use ecs_bus::{Bus, PublishError};
use ecs_bus_conformance::Recording;
use ecs_domain::{Clock, Timestamp};
use ecs_emotion_ingestion::{Deps, EmotionIngestion, StreamLimits};
use ecs_web::auth::{SecretKey, Tokens};
use ecs_web::{Auth, Limits, Secret, layers};
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) const KEY: &str = "the-service-key-of-tests";
pub(crate) const USER: &str = "00000000-0000-0000-0000-000000000007";

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        "2025-08-19T12:00:00Z".parse().unwrap()
    }
}

/// The smallest limits with which every path is still walked.
pub(crate) const LIMITS: StreamLimits = StreamLimits {
    max_body: 100_000,
    max_line: 1_000,
    chunk_events: 3,
    chunk_bytes: 10_000,
    chunks_in_flight: 2,
    listed_rejections: 5,
};

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

pub(crate) fn request(content_type: &str) -> http::request::Builder {
    Request::post("/v1/emotions/stream").header("x-internal-key", KEY).header("content-type", content_type)
}

pub(crate) async fn send(bus: &Arc<Recording>, request: Request<Body>) -> Answer {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock);
    let tokens = Tokens::new(&SecretKey::new(Secret::new("x".repeat(32))).unwrap());
    let auth = Arc::new(Auth::alone(tokens, Secret::new(KEY), Arc::clone(&clock)));
    let bus: Arc<dyn Bus> = Arc::<Recording>::clone(bus);
    let role = EmotionIngestion::create(Deps { auth, bus, clock, limits: LIMITS });
    let router = layers::standard(role.routes(), "emotion-ingestion", Limits::default());
    let (head, body) = router.oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let json = serde_json::from_slice(&bytes).unwrap();
    Answer { status: head.status.as_u16(), headers: head.headers, json }
}

pub(crate) fn event() -> Value {
    json!({
        "userId": USER,
        "timestamp": "2025-08-19T11:00:00",
        "emotionEvent": {
            "type": "calm",
            "metrics": {"positivity": 0.75, "intensity": 0.5, "stress_level": 0.25},
        },
    })
}

pub(crate) fn full() -> PublishError {
    PublishError::WindowFull { retry_after: Duration::from_millis(1_200) }
}

pub(crate) fn down() -> PublishError {
    PublishError::Unavailable("10.0.0.7 is gone".to_owned())
}
