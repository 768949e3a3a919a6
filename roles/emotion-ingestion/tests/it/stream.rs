//! Any number of events as JSON lines.

use axum::body::{Body, Bytes};
use ecs_bus::PublishError;
use ecs_bus::payload::EmotionPayload;
use ecs_bus_conformance::Recording;
use serde_json::{Value, json};

use crate::support::{Answer, LIMITS, down, event, full, request, send};

/// A valid line whose kind of emotion is this word.
fn line(kind: &str) -> String {
    let mut event = event();
    event["emotionEvent"]["type"] = kind.into();
    event.to_string()
}

async fn upload(bus: &std::sync::Arc<Recording>, lines: &[String]) -> Answer {
    send(bus, request("application/x-ndjson").body(lines.join("\n").into()).unwrap()).await
}

fn kinds(bus: &Recording) -> Vec<String> {
    let decode = |event| EmotionPayload::decode(event).unwrap().kind.as_str().to_owned();
    let mut kinds: Vec<_> = bus.events().iter().map(decode).collect();
    kinds.sort();
    kinds
}

/// Refuses the events whose kind of emotion begins with `prefix`.
fn refusing(prefix: &'static str, error: fn() -> PublishError) -> std::sync::Arc<Recording> {
    Recording::refusing(move |event| {
        let emotion = EmotionPayload::decode(event).unwrap();
        emotion.kind.as_str().starts_with(prefix).then(error)
    })
}

#[tokio::test]
async fn every_line_is_published_in_chunks_of_bounded_size() {
    let bus = Recording::taking_all();
    let names: Vec<String> = (0..20).map(|n| format!("kind{n:02}")).collect();
    let answer = upload(&bus, &names.iter().map(|name| line(name)).collect::<Vec<_>>()).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json, json!({"accepted": 20, "rejected": [], "rejectedTotal": 0}));
    assert_eq!(kinds(&bus), names);
    assert!(bus.batches().iter().all(|batch| batch.len() <= LIMITS.chunk_events));
}

#[tokio::test]
async fn lines_may_arrive_in_pieces_of_any_size() {
    let text = [line("a"), String::new(), line("b"), line("c"), line("d")].join("\r\n");
    for size in [1, 7, 100, 1_000] {
        let bus = Recording::taking_all();
        let pieces: Vec<Result<Bytes, String>> =
            text.as_bytes().chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let body = Body::from_stream(futures::stream::iter(pieces));
        let answer = send(&bus, request("application/x-ndjson; charset=utf-8").body(body).unwrap()).await;
        assert_eq!((answer.status, &answer.json["accepted"]), (202, &json!(4)), "{size}");
        assert_eq!(kinds(&bus), ["a", "b", "c", "d"]);
    }
}

#[tokio::test]
async fn a_bad_line_is_named_and_the_others_are_accepted() {
    let bus = Recording::taking_all();
    let bad_metric = line("x").replace("0.75", "1.5").replace("2025-08-19T11:00:00", "soon");
    let too_long = line(&"x".repeat(LIMITS.max_line));
    let answer =
        upload(&bus, &[line("a"), "{".to_owned(), bad_metric, too_long, line("b"), "[]".to_owned()]).await;
    assert_eq!(answer.status, 202);
    let rejected = |line: u64, detail: &str| json!({"line": line, "detail": detail, "retryable": false});
    let expect = json!([
        rejected(2, "the line is not valid JSON: see column 1"),
        rejected(
            3,
            "timestamp must be an ISO 8601 date and time; emotionEvent.metrics.positivity must be between 0 and 1"
        ),
        rejected(4, "a line may have at most 1000 bytes"),
        rejected(6, "body must be an object"),
    ]);
    assert_eq!(answer.json, json!({"accepted": 2, "rejected": expect, "rejectedTotal": 4}));
    assert_eq!(kinds(&bus), ["a", "b"]);
}

#[tokio::test]
async fn a_line_that_was_not_made_durable_may_be_sent_again() {
    let bus = refusing("no", full);
    let answer = upload(&bus, &[line("yes1"), line("no2"), "{".to_owned(), line("no4"), line("yes5")]).await;
    let retryable: Vec<(u64, bool)> = answer.json["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rejection| (rejection["line"].as_u64().unwrap(), rejection["retryable"].as_bool().unwrap()))
        .collect();
    assert_eq!((answer.status, &answer.json["accepted"]), (202, &json!(2)));
    assert_eq!(retryable, [(2, true), (3, false), (4, true)]);
    assert_eq!(kinds(&bus), ["yes1", "yes5"]);
}

#[tokio::test]
async fn nothing_accepted_is_a_503_only_when_the_bus_alone_is_why() {
    let check = async |error: fn() -> PublishError, lines: &[String], expect: u16| {
        let answer = upload(&refusing("no", error), lines).await;
        assert_eq!(answer.status, expect, "{}", answer.json);
        assert_eq!(answer.headers.contains_key("retry-after"), expect == 503);
        assert!(!answer.json.to_string().contains("10.0.0.7"), "{}", answer.json);
    };
    check(full, &[line("no1"), line("no2")], 503).await;
    check(down, &[line("no1")], 503).await;
    check(down, &[line("no1"), "{".to_owned()], 202).await;
    check(down, &[line("no1"), line("yes")], 202).await;
    check(|| PublishError::TooLarge { bytes: 9, limit: 8 }, &[line("no1")], 202).await;
    check(down, &["{".to_owned()], 202).await;
    check(down, &[], 202).await;
}

#[tokio::test]
async fn the_list_of_rejected_lines_is_bounded_the_count_is_not() {
    let lines: Vec<String> = (0..50).map(|_| "{".to_owned()).collect();
    let answer = upload(&Recording::taking_all(), &lines).await;
    let listed = answer.json["rejected"].as_array().unwrap();
    assert_eq!((listed.len(), &answer.json["rejectedTotal"]), (LIMITS.listed_rejections, &json!(50)));
    assert_eq!(listed[0]["line"], 1);
}

fn in_pieces(lines: usize) -> Body {
    let piece = Bytes::from(format!("{}\n", line("a")));
    Body::from_stream(futures::stream::iter(std::iter::repeat_n(Ok::<_, String>(piece), lines)))
}

#[tokio::test]
async fn an_upload_over_its_limit_is_413_or_tells_what_was_accepted_of_it() {
    let bus = Recording::taking_all();
    let announced = Body::from(vec![b' '; usize::try_from(LIMITS.max_body).unwrap() + 1]);
    assert_eq!(send(&bus, request("application/x-ndjson").body(announced).unwrap()).await.status, 413);
    assert!(bus.events().is_empty());

    let answer = send(&bus, request("application/x-ndjson").body(in_pieces(1_000)).unwrap()).await;
    let accepted = usize::try_from(answer.json["accepted"].as_u64().unwrap()).unwrap();
    assert_eq!(answer.status, 202);
    assert_eq!(accepted, bus.events().len());
    assert!((400..1_000).contains(&accepted), "{accepted}");
    let expect: Value = json!([{
        "line": accepted + 1,
        "detail": "the upload is over its limit: this line and those after it were not read",
        "retryable": true,
    }]);
    assert_eq!(answer.json["rejected"], expect);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_breaks_off_tells_what_was_accepted_of_it() {
    let check = async |lines: usize, silent: bool, expect: u16| {
        let bus = Recording::taking_all();
        let mut pieces = vec![Ok(Bytes::from(format!("{}\n", line("a")))); lines];
        pieces.push(Ok(Bytes::from("{\"userId\"")));
        if !silent {
            pieces.push(Err("the connection is gone"));
        }
        let body = futures::StreamExt::chain(futures::stream::iter(pieces), futures::stream::pending());
        let answer = send(&bus, request("application/x-ndjson").body(Body::from_stream(body)).unwrap()).await;
        assert_eq!((answer.status, bus.events().len()), (expect, lines), "{}", answer.json);
        if expect == 202 {
            let detail = "the upload broke off: this line and those after it were not read";
            let rejected = json!([{"line": lines + 1, "detail": detail, "retryable": true}]);
            assert_eq!(answer.json, json!({"accepted": lines, "rejected": rejected, "rejectedTotal": 1}));
        }
    };
    check(0, true, 400).await;
    check(0, false, 400).await;
    check(7, true, 202).await;
    check(7, false, 202).await;
}

#[tokio::test]
async fn a_compressed_upload_is_415() {
    let bus = Recording::taking_all();
    let request = request("application/x-ndjson").header("content-encoding", "gzip");
    assert_eq!(send(&bus, request.body(line("a").into()).unwrap()).await.status, 415);
}
