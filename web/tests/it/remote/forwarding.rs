//! What crosses from one process to the next, and what does not.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRef, Request};
use axum::routing::{any, get};
use axum::{Json, Router};
use ecs_domain::permission::held::EmotionsWriteAny;
use ecs_web::auth::policy::{Bearer, Service};
use ecs_web::handles::Upstream;
use ecs_web::{Auth, Identity, Limits, Problem, RequestContext};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::support::{edge, edge_with, remote, role, send, text};
use crate::support::{INTERNAL_KEY, auth, token, user};

const HEADERS: [&str; 9] = [
    "authorization",
    "x-internal-key",
    "idempotency-key",
    "last-event-id",
    "x-forwarded-for",
    "x-mine",
    "x-request-timeout-ms",
    "content-length",
    "transfer-encoding",
];

/// Says what reached it.
async fn echo(context: RequestContext, request: Request) -> Json<Value> {
    let (head, body) = request.into_parts();
    let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let headers: serde_json::Map<_, _> =
        HEADERS.into_iter().map(|name| (name.to_owned(), header(name).into())).collect();
    let (method, uri) = (head.method.to_string(), head.uri.to_string());
    let ids = [context.request_id().to_owned(), context.trace_id().to_owned()];
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Json(json!({"method": method, "uri": uri, "headers": headers, "ids": ids, "body": body}))
}

#[tokio::test]
async fn a_request_crosses_as_the_client_sent_it() {
    let role = role(Router::new().fallback(any(echo))).await;
    let edge = edge(Upstream::over_http(remote(&[role.url()])));
    let request = Request::put("/v1/things/7?page=2&q=%C3%A9")
        .header("authorization", "Bearer of-the-client")
        .header("x-internal-key", "key")
        .header("idempotency-key", "once")
        .header("last-event-id", "7")
        .header("x-forwarded-for", "10.0.0.1")
        .header("x-request-id", "from outside")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .header("connection", "x-mine")
        .header("x-mine", "for this connection")
        .body(Body::from("all of it"))
        .unwrap();
    let response = send(&edge, request).await;
    assert_eq!(response.headers()["x-request-id"], "from outside");
    let seen: Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(seen["method"], "PUT");
    assert_eq!(seen["uri"], "/v1/things/7?page=2&q=%C3%A9");
    assert_eq!(seen["body"], "all of it");
    assert_eq!(seen["ids"], json!(["from outside", "0af7651916cd43dd8448eb211c80319c"]));
    let headers = &seen["headers"];
    assert_eq!(headers["authorization"], "Bearer of-the-client");
    assert_eq!(headers["x-internal-key"], "key");
    assert_eq!(headers["idempotency-key"], "once");
    assert_eq!(headers["last-event-id"], "7");
    assert_eq!(headers["x-forwarded-for"], "10.0.0.1");
    assert_eq!(headers["x-mine"], Value::Null);
    assert_eq!(headers["content-length"], "9");
}

#[derive(Clone)]
struct Verifying(Arc<Auth>);

impl FromRef<Verifying> for Arc<Auth> {
    fn from_ref(state: &Verifying) -> Self {
        Self::clone(&state.0)
    }
}

/// Whoever holds a role's address can send it anything, so nothing but credentials counts.
#[tokio::test]
async fn a_role_believes_credentials_and_nothing_else() {
    let routes = Router::new()
        .route("/mine", get(async |Bearer(identity): Bearer| identity.user.to_string()))
        .route("/internal", get(async |_: Service<EmotionsWriteAny>| "internal"))
        .with_state(Verifying(auth()));
    let role = role(routes).await;
    let edge = edge(Upstream::over_http(remote(&[role.url()])));
    let check = async |path: &str, headers: &[(&str, &str)], forged: bool, expect: u16| {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        if forged {
            // As the gateway has it once it has verified a token.
            request.extensions_mut().insert(Identity::of(user()));
        }
        let response = send(&edge, request).await;
        assert_eq!(response.status(), expect, "{path} {headers:?} {forged}");
    };
    let bearer = format!("Bearer {}", token());
    check("/mine", &[("authorization", &bearer)], false, 200).await;
    check("/mine", &[], true, 401).await;
    check("/mine", &[("authorization", "Bearer nonsense")], true, 401).await;
    check("/mine", &[("x-user-id", &user().to_string()), ("x-internal-key", INTERNAL_KEY)], true, 401).await;
    check("/internal", &[("x-internal-key", INTERNAL_KEY)], false, 200).await;
    check("/internal", &[("authorization", &bearer)], true, 401).await;
}

#[tokio::test]
async fn a_roles_own_problem_is_passed_on() {
    let full = async || Problem::no_room("as many as can be served", Duration::from_secs(7));
    let role = role(Router::new().route("/full", get(full))).await;
    let edge = edge(Upstream::over_http(remote(&[role.url()])));
    let request = Request::get("/full").header("x-request-id", "mine").body(Body::empty()).unwrap();
    let response = send(&edge, request).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "7");
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(problem["detail"], "as many as can be served");
    assert_eq!(problem["requestId"], "mine");
}

#[tokio::test]
async fn the_time_that_is_left_goes_along() {
    let left = async |headers: HeaderMap, context: RequestContext| {
        let given: u64 = headers["x-request-timeout-ms"].to_str().unwrap().parse().unwrap();
        let has = context.time_left().unwrap();
        Json(json!([given, has <= Duration::from_millis(given)]))
    };
    let role = role(Router::new().route("/left", get(left))).await;
    let limits = Limits { request_timeout: Duration::from_secs(9), ..Limits::default() };
    let edge = edge_with(Upstream::over_http(remote(&[role.url()])), limits);
    let check = async |given: Option<&str>, most: u64| {
        let mut request = Request::get("/left");
        if let Some(given) = given {
            request = request.header("x-request-timeout-ms", given);
        }
        let response = send(&edge, request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::OK);
        let seen: (u64, bool) = serde_json::from_str(&text(response).await).unwrap();
        assert!((most - 5_000..=most).contains(&seen.0) && seen.1, "{given:?} {seen:?}");
    };
    check(None, 9_000).await;
    check(Some("6000"), 6_000).await;
    check(Some("60000"), 9_000).await;
}

#[tokio::test]
async fn with_no_time_left_no_call_is_made() {
    let role = super::support::rude(Some("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")).await;
    let edge = edge(Upstream::over_http(remote(&[role.url()])));
    let request = Request::get("/").header("x-request-timeout-ms", "0").body(Body::empty()).unwrap();
    let response = send(&edge, request).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(text(response).await.contains("urn:ecs:problem:timeout"));
    assert_eq!(role.connections(), 0);
}
