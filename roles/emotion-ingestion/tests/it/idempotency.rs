//! Events that a request's key names.

use std::sync::Arc;

use ecs_bus::Event;
use ecs_bus_conformance::Recording;
use ecs_domain::EventId;
use serde_json::{Value, json};

use crate::support::{Answer, USER, event, request, send};

async fn send_with(bus: &Arc<Recording>, content_type: &str, keys: &[&str], body: &str) -> Answer {
    let request =
        keys.iter().fold(request(content_type), |request, key| request.header("Idempotency-Key", *key));
    send(bus, request.body(body.to_owned().into()).unwrap()).await
}

async fn one(bus: &Arc<Recording>, key: &str, body: &Value) -> EventId {
    let answer = send_with(bus, "application/json", &[key], &body.to_string()).await;
    assert_eq!(answer.status, 202, "{}", answer.json);
    answer.json["eventId"].as_str().unwrap().parse().unwrap()
}

/// The ids of an upload's events in the order of its lines, which is the one of their moods.
async fn upload(key: &str, lines: &[&str]) -> Vec<EventId> {
    let bus = Recording::taking_all();
    let answer = send_with(&bus, "application/x-ndjson", &[key], &lines.join("\n")).await;
    assert_eq!((answer.status, &answer.json["rejected"]), (202, &json!([])));
    let mut events = bus.events();
    events.sort_by_key(kind);
    events.iter().map(|event| event.id).collect()
}

fn kind(event: &Event) -> String {
    payload(event)["emotionEvent"]["type"].as_str().unwrap().to_owned()
}

fn payload(event: &Event) -> Value {
    serde_json::from_slice(&event.payload).unwrap()
}

fn line(kind: &str) -> String {
    let mut event = event();
    event["emotionEvent"]["type"] = kind.into();
    event.to_string()
}

#[tokio::test]
async fn a_key_is_as_good_as_an_id_in_the_body() {
    let bus = Recording::taking_all();
    let mut named = event();
    named["eventId"] = "phone 42".into();
    let by_id = one(&bus, "something else", &named).await;
    assert_eq!(one(&bus, "phone 42", &event()).await, by_id);
    assert_eq!(one(&bus, "\"phone 42\"", &event()).await, by_id);
    assert_ne!(one(&bus, "phone 43", &event()).await, by_id);
    assert_eq!(by_id, EventId::derive(USER.parse().unwrap(), "phone 42"));
    let client_ids: Vec<Value> =
        bus.events().iter().map(|event| payload(event)["clientId"].clone()).collect();
    assert_eq!(client_ids, ["phone 42", "phone 42", "phone 42", "phone 43"]);
}

#[tokio::test]
async fn lines_are_named_by_the_key_and_their_number() {
    let (a, b, c) = (line("a"), line("b"), line("c"));
    let ids = upload("K", &[&a, &b, &c]).await;
    assert_eq!(upload("K", &[&a, &b, &c]).await, ids, "the same upload again");
    // A blank line counts, as it does in the list of rejected lines.
    let moved = upload("K", &[&a, "", &b, &c]).await;
    assert_eq!((moved[0], moved[1]), (ids[0], ids[2]));
    assert!(upload("L", &[&a, &b, &c]).await.iter().all(|id| !ids.contains(id)));

    let (mut first, mut eleventh) = (vec![""; 11], vec![""; 11]);
    (first[0], eleventh[10]) = (&a, &a);
    assert_ne!(upload("K1", &first).await, upload("K", &eleventh).await);
}

#[tokio::test]
async fn a_line_of_an_upload_is_not_the_event_of_its_key() {
    let bus = Recording::taking_all();
    let single = one(&bus, "K", &event()).await;
    assert_ne!(upload("K", &[&line("a")]).await, [single]);
    send_with(&bus, "application/x-ndjson", &["K"], &line("a")).await;
    assert_eq!(payload(bus.events().last().unwrap())["clientId"], Value::Null, "nobody's own word");
}

#[tokio::test]
async fn an_id_in_a_line_comes_first() {
    let mut named = event();
    named["eventId"] = "phone 42".into();
    let ids = upload("K", &[&named.to_string()]).await;
    assert_eq!(ids, [EventId::derive(USER.parse().unwrap(), "phone 42")]);
}

#[tokio::test]
async fn a_header_that_is_no_key_is_refused_by_its_name() {
    for keys in [&["a", "b"][..], &["x\u{fc}"], &["\"open"], &[""], &[&"x".repeat(129)]] {
        for content_type in ["application/json", "application/x-ndjson"] {
            let bus = Recording::taking_all();
            let answer = send_with(&bus, content_type, keys, &event().to_string()).await;
            assert_eq!((answer.status, &answer.json["errors"][0]["field"]), (422, &json!("Idempotency-Key")));
            assert!(bus.events().is_empty(), "{keys:?}");
        }
    }
}
