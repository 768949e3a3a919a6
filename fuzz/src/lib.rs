//! What the fuzz targets share: a role of the intake over a bus that only remembers.
//!
//! A target goes in by the door that outsiders use, and beside "nothing panics" it states what must be true of whatever came
//! out, so that a wrong answer is found like a crash.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use ecs_bus::{
    Backlog, Bus, BusError, Capabilities, Event, Frontier, Group, LogPage, PublishError, Subject,
    SubscribeOptions, Subscription,
};
use ecs_domain::{Clock, Timestamp, UserId};
use ecs_web::auth::{SecretKey, Tokens};
use ecs_web::{Auth, Identity, Limits, Secret, layers};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

/// The service key of [`auth`].
pub const KEY: &str = "the service key of the fuzzer";

/// What a text in UTF-8 means to a target; nothing where it is none.
pub fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// A clock that stands still, so that the same bytes always mean the same.
pub struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_795_000_000).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// Whom a token of [`bearer`] is for.
pub fn somebody() -> UserId {
    UserId::new(uuid::Uuid::from_u128(7))
}

/// Knows the key and the tokens.
pub fn auth() -> Arc<Auth> {
    let key = SecretKey::new(Secret::new("k".repeat(32))).expect("it is long enough");
    Arc::new(Auth::alone(Tokens::new(&key), Secret::new(KEY), Arc::new(Still)))
}

/// A header with a token of somebody without permissions.
pub fn bearer(auth: &Auth) -> String {
    let hour = std::time::Duration::from_secs(3600);
    let token = auth.tokens.issue(&Identity::of(somebody()), Still.now(), hour);
    format!("Bearer {}", token.expect("it can be signed"))
}

/// A role of the intake.
pub struct Intake {
    router: Router,
    bus: Arc<Remembering>,
    runtime: Runtime,
}

impl Intake {
    /// One whose routes are made of a bus.
    pub fn new(routes: impl FnOnce(Arc<dyn Bus>) -> Router) -> Self {
        let bus = Arc::new(Remembering::default());
        let router = layers::standard(routes(Arc::clone(&bus) as _), "fuzz", Limits::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        Self { router, bus, runtime: runtime.expect("there is a runtime") }
    }

    /// The status and the body of the answer, and what went to the bus.
    pub fn send(&self, request: Request<Body>) -> (StatusCode, serde_json::Value, Vec<Event>) {
        let (status, bytes) = self.runtime.block_on(async {
            let Ok(answer) = self.router.clone().oneshot(request).await;
            let (head, body) = answer.into_parts();
            (head.status, body.collect().await.expect("the body has an end").to_bytes())
        });
        let events = std::mem::take(&mut *self.bus.0.lock().expect("nobody panicked"));
        (status, serde_json::from_slice(&bytes).expect("every answer is JSON"), events)
    }
}

/// Takes everything.
#[derive(Default)]
struct Remembering(Mutex<Vec<Event>>);

#[async_trait]
impl Bus for Remembering {
    async fn publish(&self, batch: Vec<Event>) -> Vec<Result<(), PublishError>> {
        let results = batch.iter().map(|_| Ok(())).collect();
        self.0.lock().expect("nobody panicked").extend(batch);
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
        Capabilities { transport: "remembering", stored_once_per_id, ordered_per_key, keeps_log, shared }
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
