//! What happens around every request.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::{get, post};
use ecs_web::{Limits, RequestContext};
use serde_json::json;

use crate::support::{call, call_with, get as get_path};

fn router() -> Router {
    Router::new()
        .route(
            "/context",
            get(async |context: RequestContext| {
                axum::Json(json!([context.request_id(), context.trace_id(), context.traceparent()]))
            }),
        )
        .route("/panics", get(async || -> &'static str { panic!("a value that no client may see") }))
        .route("/never", get(async || std::future::pending::<&'static str>().await))
}

async fn context_of(header: &str, value: &[u8]) -> (String, String, String, String) {
    let request = Request::get("/context").header(header, value).body(Body::empty()).unwrap();
    let answer = call(router(), request).await;
    let part = |at: usize| answer.json[at].as_str().unwrap().to_owned();
    let echoed = answer.headers["x-request-id"].to_str().unwrap().to_owned();
    (echoed, part(0), part(1), part(2))
}

#[tokio::test]
async fn a_request_id_is_taken_or_made_and_echoed() {
    let check = async |given: &[u8], taken: bool| {
        let (echoed, seen, trace_id, _) = context_of("x-request-id", given).await;
        assert_eq!(echoed, seen);
        let expect = if taken { std::str::from_utf8(given).unwrap() } else { &trace_id };
        assert_eq!(seen, expect, "{given:?}");
    };
    check(b"order 7/a~", true).await;
    check(&[b'x'; 128], true).await;
    check(&[b'x'; 129], false).await;
    check(b"", false).await;
    check("é".as_bytes(), false).await;
    check(b"a\tb", false).await;
}

#[tokio::test]
async fn every_answer_is_protected_unless_it_says_itself_how() {
    let own = get(async || [("cache-control", "no-cache")]);
    let router = || router().route("/own", own.clone());
    let check = async |path: &str, status: u16, kept: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = call(router(), request).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.headers["cache-control"], kept, "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(
            answer.headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'",
            "{path}"
        );
    };
    check("/context", 200, "no-store").await;
    check("/nowhere", 404, "no-store").await;
    check("/panics", 500, "no-store").await;
    check("/own", 200, "no-cache").await;
}

#[tokio::test]
async fn a_trace_is_taken_when_it_is_well_formed() {
    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let check = async |given: &str, expect: Option<&str>| {
        let (_, _, trace_id, traceparent) = context_of("traceparent", given.as_bytes()).await;
        match expect {
            Some(expect) => assert_eq!(traceparent, expect, "{given}"),
            None => assert_ne!(&traceparent[3..], given.get(3..).unwrap_or_default(), "{given}"),
        }
        assert_eq!(traceparent.len(), 55);
        assert_eq!(trace_id, traceparent[3..35]);
        assert!(trace_id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    };
    check(GOOD, Some(GOOD)).await;
    check(&GOOD.replacen("00", "01", 1), Some(GOOD)).await;
    check(&format!("{}-more", GOOD.replacen("00", "01", 1)), Some(GOOD)).await;
    check(&format!("{GOOD}-more"), None).await;
    check(&GOOD.replacen("00", "ff", 1), None).await;
    check(&GOOD.to_uppercase(), None).await;
    check("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None).await;
    check("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", None).await;
    check("", None).await;
    check("00-4bf9", None).await;
}

#[tokio::test]
async fn made_ids_differ() {
    let [one, other] = [context_of("x", b"").await, context_of("x", b"").await];
    assert_ne!(one.2, other.2);
    assert_ne!(one.0, other.0);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let answer = call(router(), get_path("/nowhere")).await;
    assert_eq!((answer.status.as_u16(), &answer.json["status"]), (404, &json!(404)));
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(answer.json["requestId"], answer.headers["x-request-id"].to_str().unwrap());

    let request = Request::post("/context").body(Body::empty()).unwrap();
    let answer = call(router(), request).await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.headers["allow"], "GET,HEAD");
    assert_eq!(answer.json["type"], "urn:ecs:problem:method-not-allowed");
}

#[tokio::test]
async fn a_panic_is_an_opaque_500_and_ends_that_request_only() {
    let answer = call(router(), get_path("/panics")).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json["type"], "urn:ecs:problem:internal");
    assert_eq!(answer.json["requestId"], answer.headers["x-request-id"].to_str().unwrap());
    assert!(!answer.json.to_string().contains("a value"));
}

#[tokio::test]
async fn a_handler_that_never_answers_is_a_503() {
    let limits = Limits { request_timeout: Duration::from_millis(20), ..Limits::default() };
    let answer = call_with(router(), limits, get_path("/never")).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(answer.json["type"], "urn:ecs:problem:timeout");
}

#[tokio::test(start_paused = true)]
async fn what_reads_much_has_more_time() {
    let limits = Limits::default();
    let router = || {
        let never = || std::future::pending::<()>();
        Router::new()
            .route("/v1/operations/books", get(never))
            .route("/v1/emotions/stream", post(never))
            .route("/never", get(never).post(never))
    };
    let check = async |request: Request<Body>, expect: Duration| {
        let began = tokio::time::Instant::now();
        assert_eq!(call_with(router(), limits, request).await.status, 503);
        assert_eq!(began.elapsed().as_secs(), expect.as_secs());
    };
    check(get_path("/never"), limits.request_timeout).await;
    check(get_path("/v1/operations/books"), limits.stream_timeout).await;
    let lines = |path: &str| {
        Request::post(path).header("content-type", "application/x-ndjson").body(Body::empty()).unwrap()
    };
    check(lines("/v1/emotions/stream"), limits.stream_timeout).await;
    check(lines("/never"), limits.request_timeout).await;
}
