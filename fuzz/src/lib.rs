//! What the fuzz targets share: a role of the intake over a bus that only remembers.
//!
//! A target goes in by the door that outsiders use, and beside "nothing panics" it states what must be true of whatever came
//! out, so that a wrong answer is found like a crash.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use ecs_bus::{Bus, Event};
use ecs_bus_conformance::Recording;
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
    bus: Arc<Recording>,
    runtime: Runtime,
}

impl Intake {
    /// One whose routes are made of a bus.
    pub fn new(routes: impl FnOnce(Arc<dyn Bus>) -> Router) -> Self {
        let bus = Recording::taking_all();
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
        (status, serde_json::from_slice(&bytes).expect("every answer is JSON"), self.bus.take())
    }
}
