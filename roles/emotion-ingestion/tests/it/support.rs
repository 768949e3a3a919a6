//! The role over a recording bus.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use ecs_bus::payload::EmotionPayload;
use ecs_bus::{
    Backlog, Bus, BusError, Capabilities, Event, Frontier, Group, LogPage, PublishError, Subject,
    SubscribeOptions, Subscription,
};
use ecs_domain::emotion::EmotionEvent;
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

type Refuse = dyn Fn(&EmotionEvent) -> Option<PublishError> + Send + Sync;

/// Takes every event that it isn't told to refuse.
pub(crate) struct FakeBus {
    batches: Mutex<Vec<Vec<Event>>>,
    refuse: Box<Refuse>,
}

impl FakeBus {
    pub(crate) fn taking_all() -> Arc<Self> {
        Self::refusing(|_| None)
    }

    pub(crate) fn refusing(
        refuse: impl Fn(&EmotionEvent) -> Option<PublishError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { batches: Mutex::default(), refuse: Box::new(refuse) })
    }

    /// What was taken, batch by batch.
    pub(crate) fn batches(&self) -> Vec<Vec<Event>> {
        self.batches.lock().unwrap().clone()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.batches().concat()
    }
}

#[async_trait]
impl Bus for FakeBus {
    async fn publish(&self, batch: Vec<Event>) -> Vec<Result<(), PublishError>> {
        // Results come later than the call, as from any real bus.
        tokio::task::yield_now().await;
        let refused = |event: &Event| (self.refuse)(&EmotionPayload::decode(event).unwrap());
        let results: Vec<_> = batch.iter().map(|event| refused(event).map_or(Ok(()), Err)).collect();
        let taken =
            batch.into_iter().zip(&results).filter(|(_, result)| result.is_ok()).map(|(event, _)| event);
        self.batches.lock().unwrap().push(taken.collect());
        results
    }

    async fn subscribe(
        &self,
        _: Subject,
        _: Group,
        _: SubscribeOptions,
    ) -> Result<Box<dyn Subscription>, BusError> {
        Err(BusError::Closed)
    }

    fn capabilities(&self) -> Capabilities {
        let (stored_once_per_id, ordered_per_key, keeps_log, shared) = (false, false, false, false);
        Capabilities { transport: "fake", stored_once_per_id, ordered_per_key, keeps_log, shared }
    }

    async fn backlog(&self, _: Subject, _: Group) -> Result<Backlog, BusError> {
        Err(BusError::Closed)
    }

    async fn log(&self, _: Subject, _: &Frontier, _: usize) -> Result<LogPage, BusError> {
        Err(BusError::Closed)
    }

    async fn prune(&self, _: Subject, _: Timestamp) -> Result<u64, BusError> {
        Err(BusError::Closed)
    }

    async fn ping(&self) -> Result<(), BusError> {
        Ok(())
    }

    async fn close(&self) -> Result<(), BusError> {
        Ok(())
    }
}

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

pub(crate) async fn send(bus: &Arc<FakeBus>, request: Request<Body>) -> Answer {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock);
    let tokens = Tokens::new(&SecretKey::new(Secret::new("x".repeat(32))).unwrap());
    let auth = Arc::new(Auth::alone(tokens, Secret::new(KEY), Arc::clone(&clock)));
    let bus: Arc<dyn Bus> = Arc::<FakeBus>::clone(bus);
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
