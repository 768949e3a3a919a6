//! A fixed clock, known keys, and a router called in process.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use ecs_domain::permission::Permission;
use ecs_domain::{Clock, Timestamp, UserId};
use ecs_web::auth::{Auth, Identity, SecretKey, Tokens};
use ecs_web::{Limits, Secret, layers};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;
use uuid::Uuid;

pub(crate) const KEY: &str = "the-key-that-signs-tokens-in-tests";
pub(crate) const INTERNAL_KEY: &str = "the-service-key-of-tests";

pub(crate) struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        "2025-08-19T12:00:00Z".parse().unwrap()
    }
}

pub(crate) fn tokens(key: &str) -> Tokens {
    Tokens::new(&SecretKey::new(Secret::new(key)).unwrap())
}

pub(crate) fn auth() -> Arc<Auth> {
    let internal_key = Secret::new(INTERNAL_KEY);
    Arc::new(Auth::alone(tokens(KEY), internal_key, Arc::new(FixedClock)))
}

pub(crate) fn user() -> UserId {
    UserId::new(Uuid::from_u128(7))
}

pub(crate) fn token() -> String {
    let identity = Identity::with(user(), [Permission::OperationsRead]);
    tokens(KEY).issue(&identity, FixedClock.now(), Duration::from_secs(3600)).unwrap()
}

/// An answer with its body, which is JSON or nothing in every test.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

/// Calls the router through the standard layers.
pub(crate) async fn call(router: Router, request: Request) -> Answer {
    call_with(router, Limits::default(), request).await
}

pub(crate) async fn call_with(router: Router, limits: Limits, request: Request) -> Answer {
    let response = layers::standard(router, "test", limits).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Answer { status: head.status, headers: head.headers, json }
}

pub(crate) fn get(path: &str) -> Request {
    Request::get(path).body(Body::empty()).unwrap()
}
