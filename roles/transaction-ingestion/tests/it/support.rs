//! The role over a recording bus.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use ecs_bus::Bus;
use ecs_bus_conformance::Recording;
use ecs_domain::permission::Permission;
use ecs_domain::{Clock, Timestamp};
use ecs_transaction_ingestion::{Deps, TransactionIngestion};
use ecs_web::auth::{SecretKey, Tokens};
use ecs_web::{Auth, Identity, Limits, Secret, layers};
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) const USER: &str = "00000000-0000-0000-0000-000000000007";
pub(crate) const OTHER: &str = "00000000-0000-0000-0000-000000000008";
pub(crate) const NOW: &str = "2025-08-19T12:00:00Z";

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        NOW.parse().unwrap()
    }
}

fn tokens() -> Tokens {
    Tokens::new(&SecretKey::new(Secret::new("x".repeat(32))).unwrap())
}

/// The user's token, good for an hour, with these permissions.
pub(crate) fn token(permissions: &[Permission]) -> String {
    let identity = Identity::with(USER.parse().unwrap(), permissions.iter().copied());
    tokens().issue(&identity, FixedClock.now(), Duration::from_secs(3_600)).unwrap()
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

pub(crate) async fn send(bus: &Arc<Recording>, request: Request<Body>) -> Answer {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock);
    let internal_key = Secret::new("the-service-key-of-tests");
    let auth = Arc::new(Auth::alone(tokens(), internal_key, Arc::clone(&clock)));
    let bus: Arc<dyn Bus> = Arc::<Recording>::clone(bus);
    let role = TransactionIngestion::create(Deps { auth, bus, clock, base_currency: "BRL".parse().unwrap() });
    let router = layers::standard(role.routes(), "transaction-ingestion", Limits::default());
    let (head, body) = router.oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let json = serde_json::from_slice(&bytes).unwrap();
    Answer { status: head.status.as_u16(), headers: head.headers, json }
}

/// A request of the user itself.
pub(crate) fn request(body: impl Into<Body>) -> Request<Body> {
    request_with(&token(&[]), "application/json", body)
}

pub(crate) fn request_with(token: &str, content_type: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::post("/v1/transactions").header("content-type", content_type);
    request.header("authorization", format!("Bearer {token}")).body(body.into()).unwrap()
}

pub(crate) fn transaction() -> Value {
    json!({"userId": USER, "amount": 12.5})
}
