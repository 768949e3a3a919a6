//! One event as JSON.

use axum::body::Body;
use ecs_bus::Subject;
use ecs_bus::payload::EmotionPayload;
use ecs_bus_conformance::Recording;
use ecs_domain::EventId;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Answer, KEY, USER, down, event, full, request, send};

async fn post(body: impl Into<Body>) -> Answer {
    send(&Recording::taking_all(), request("application/json").body(body.into()).unwrap()).await
}

#[tokio::test]
async fn an_event_is_accepted_and_on_the_bus() {
    let bus = Recording::taking_all();
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = request("application/json").header("x-request-id", "r1").header("traceparent", traceparent);
    let mut body = event();
    body["eventId"] = "phone 42".into();
    let answer = send(&bus, request.body(body.to_string().into()).unwrap()).await;

    let id = EventId::derive(USER.parse().unwrap(), "phone 42");
    let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json, json!({"status": "event received", "traceId": trace_id, "eventId": id}));
    let events = bus.events();
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((event.id, event.subject, event.key), (id, Subject::Emotions, USER.parse().unwrap()));
    assert_eq!(event.headers.request_id.as_deref(), Some("r1"));
    assert_eq!(event.headers.traceparent.as_deref(), Some(traceparent));
    let payload: Value = serde_json::from_slice(&event.payload).unwrap();
    assert_eq!((&payload["clientId"], &payload["traceId"]), (&json!("phone 42"), &json!(trace_id)));
    let emotion = EmotionPayload::decode(event).unwrap();
    assert_eq!(emotion.occurred_at, "2025-08-19T11:00:00Z".parse().unwrap());
    assert_eq!(emotion.metrics.stress.billionths(), 250_000_000);
}

#[tokio::test]
async fn an_event_without_a_name_gets_an_id_that_sorts_by_time() {
    let bus = Recording::taking_all();
    for _ in 0..2 {
        let answer = send(&bus, request("application/json").body(event().to_string().into()).unwrap()).await;
        let id: EventId = answer.json["eventId"].as_str().unwrap().parse().unwrap();
        assert_eq!(id.uuid().get_version_num(), 7);
    }
    let events = bus.events();
    assert_ne!(events[0].id, events[1].id);
}

/// The valid event with one place changed; `null` is as good as missing.
async fn check(pointer: &str, value: Value, expect: Option<&str>) {
    let mut body = event();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[name] = value.clone();
    let answer = post(body.to_string()).await;
    let field = pointer[1..].replace('/', ".");
    let seen = answer.json["errors"].as_array().map(|errors| {
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0]["field"], *field, "{pointer} {value}");
        errors[0]["message"].as_str().unwrap()
    });
    assert_eq!(seen, expect, "{pointer} {value}");
    assert_eq!(answer.status, if expect.is_some() { 422 } else { 202 });
}

#[tokio::test]
async fn every_invalid_value_is_named_by_its_path() {
    check("/userId", json!(null), Some("is required")).await;
    check("/userId", json!("ana"), Some("must be a UUID")).await;
    check("/userId", json!(7), Some("must be a string")).await;
    check("/timestamp", json!(null), Some("is required")).await;
    check("/timestamp", json!("yesterday"), Some("must be an ISO 8601 date and time")).await;
    check("/timestamp", json!(1_755_604_800), Some("must be a string")).await;
    check("/timestamp", json!("1969-12-31T23:59:59Z"), Some("must not be before 1970")).await;
    check("/timestamp", json!("2025-08-20T12:00:01Z"), Some("must be at most 24 hours in the future")).await;
    check("/timestamp", json!("2025-08-20T12:00:00Z"), None).await;
    check("/timestamp", json!("2001-02-03T04:05:06-03:00"), None).await;
    check("/emotionEvent", json!(null), Some("is required")).await;
    check("/emotionEvent", json!("calm"), Some("must be an object")).await;
    check("/emotionEvent", json!(["calm", [0.5, 0.5, 0.5]]), Some("must be an object")).await;
    check("/emotionEvent/metrics", json!([0.5, 0.5, 0.5]), Some("must be an object")).await;
    check("/emotionEvent/type", json!(null), Some("is required")).await;
    check("/emotionEvent/type", json!(""), Some("must be 1 to 64 printable characters")).await;
    check("/emotionEvent/type", json!("x".repeat(65)), Some("must be 1 to 64 printable characters")).await;
    check("/emotionEvent/type", json!("a\nb"), Some("must be 1 to 64 printable characters")).await;
    check("/emotionEvent/metrics", json!(null), Some("is required")).await;
    check("/eventId", json!(""), Some("must be 1 to 128 printable characters")).await;
    check("/eventId", json!("x".repeat(129)), Some("must be 1 to 128 printable characters")).await;
    check("/eventId", json!("é \"quoted\" \\"), None).await;
    check("/eventId", json!(7), Some("must be a string")).await;
    check("/eventId", json!(null), None).await;
    check("/unknown", json!({"deep": [1, 2]}), None).await;
}

#[tokio::test]
async fn metrics_are_numbers_between_0_and_1() {
    for name in ["positivity", "intensity", "stress_level"] {
        let pointer = format!("/emotionEvent/metrics/{name}");
        check(&pointer, json!(0), None).await;
        check(&pointer, json!(1), None).await;
        check(&pointer, json!(0.123_456_789), None).await;
        check(&pointer, json!(null), Some("is required")).await;
        check(&pointer, json!(1.000_001), Some("must be between 0 and 1")).await;
        check(&pointer, json!(-0.1), Some("must be between 0 and 1")).await;
        check(&pointer, json!(1e300), Some("must be between 0 and 1")).await;
        check(&pointer, json!("0.5"), Some("must be a number")).await;
        check(&pointer, json!(true), Some("must be a number")).await;
        check(&pointer, json!([0.5]), Some("must be a number")).await;
    }
    let beyond = event().to_string().replace("0.75", "1e999");
    let answer = post(beyond).await;
    assert_eq!(
        (answer.status, &answer.json["errors"][0]["field"]),
        (422, &json!("emotionEvent.metrics.positivity"))
    );
    assert_eq!(post(event().to_string().replace("0.75", "NaN")).await.status, 400);
}

#[tokio::test]
async fn all_missing_fields_are_named_at_once() {
    let fields = |answer: &Answer| -> Vec<String> {
        let errors = answer.json["errors"].as_array().unwrap();
        errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
    };
    let answer = post("{}").await;
    assert_eq!(fields(&answer), ["userId", "timestamp", "emotionEvent"]);
    let answer = post(r#"{"userId": "x", "emotionEvent": {"metrics": {"intensity": 2}}}"#).await;
    let expect = ["userId", "timestamp", "emotionEvent.type", "emotionEvent.metrics.positivity"];
    assert_eq!(fields(&answer)[..4], expect);
    assert_eq!(fields(&answer)[4..], ["emotionEvent.metrics.intensity", "emotionEvent.metrics.stress_level"]);
}

#[tokio::test]
async fn the_key_comes_first_then_the_content_type_then_the_body() {
    let check = async |key: Option<&str>, content_type: &str, body: String, expect: u16| {
        let mut request = http::Request::post("/v1/emotions/stream").header("content-type", content_type);
        if let Some(key) = key {
            request = request.header("x-internal-key", key);
        }
        let bus = Recording::taking_all();
        let answer = send(&bus, request.body(body.into()).unwrap()).await;
        assert_eq!(answer.status, expect, "{key:?} {content_type}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert!(bus.batches().is_empty());
    };
    let huge = "x".repeat(70_000);
    for content_type in ["application/json", "application/x-ndjson", "text/plain"] {
        check(None, content_type, huge.clone(), 401).await;
        check(Some("wrong"), content_type, "{".to_owned(), 401).await;
    }
    check(Some(KEY), "text/plain", huge.clone(), 415).await;
    check(Some(KEY), "application/json", huge, 413).await;
    check(Some(KEY), "application/json", "{".to_owned(), 400).await;
}

#[tokio::test]
async fn what_the_bus_does_not_take_is_not_accepted() {
    let check = async |error: fn() -> ecs_bus::PublishError, expect: u16, retry_after: Option<&str>| {
        let bus = Recording::refusing(move |_| Some(error()));
        let answer = send(&bus, request("application/json").body(event().to_string().into()).unwrap()).await;
        let header = answer.headers.get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!((answer.status, header), (expect, retry_after), "{}", answer.json);
        assert!(!answer.json.to_string().contains("10.0.0.7"), "{}", answer.json);
    };
    check(full, 503, Some("2")).await;
    check(down, 503, Some("1")).await;
    check(|| ecs_bus::PublishError::Closed, 503, Some("1")).await;
    check(|| ecs_bus::PublishError::TooLarge { bytes: 9, limit: 8 }, 413, None).await;
}

proptest! {
    #[test]
    fn no_bytes_get_more_than_a_4xx(body in proptest::collection::vec(any::<u8>(), 0..300), lines in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let content_type = if lines { "application/x-ndjson" } else { "application/json" };
        let request = request(content_type).body(body.into()).unwrap();
        let answer = runtime.block_on(send(&Recording::taking_all(), request));
        prop_assert!(answer.status < 500, "{}", answer.status);
    }

    #[test]
    fn no_damaged_event_gets_more_than_a_4xx(at in 0_usize..200, byte in any::<u8>(), lines in any::<bool>()) {
        let mut body = event().to_string().into_bytes();
        let at = at % body.len();
        body[at] = byte;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let content_type = if lines { "application/x-ndjson" } else { "application/json" };
        let request = request(content_type).body(body.into()).unwrap();
        let answer = runtime.block_on(send(&Recording::taking_all(), request));
        prop_assert!(answer.status < 500, "{}", answer.status);
    }
}
