//! Which bodies are taken, and what a client hears of the others.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::routing::post;
use ecs_domain::UserId;
use ecs_web::JsonBody;
use ecs_web::body::{MAX_JSON_BYTES, Object};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{Answer, call};

#[derive(Deserialize)]
#[expect(dead_code, reason = "only its shape is of interest")]
struct Sample {
    name: Option<String>,
    count: Option<u32>,
    user: Option<UserId>,
    nested: Option<Object<Nested>>,
    list: Option<Vec<Object<Nested>>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only its shape is of interest")]
struct Nested {
    flag: Option<bool>,
    value: Option<f64>,
    #[serde(default)]
    strict: Option<Object<Strict>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape is of interest")]
struct Strict {
    needed: bool,
}

fn router() -> Router {
    Router::new().route("/", post(async |_: JsonBody<Sample>| "taken"))
}

async fn send(content_type: Option<&str>, body: Body) -> Answer {
    let mut request = Request::post("/");
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    call(router(), request.body(body).unwrap()).await
}

async fn check(body: impl Into<Vec<u8>>, expect: u16, error: Option<(&str, &str)>) {
    let body = body.into();
    let shown = String::from_utf8_lossy(&body).into_owned();
    let answer = send(Some("application/json"), Body::from(body)).await;
    assert_eq!(answer.status.as_u16(), expect, "{shown} {}", answer.json);
    let expected =
        error.map_or(Value::Null, |(field, message)| json!([{"field": field, "message": message}]));
    assert_eq!(answer.json["errors"], expected, "{shown}");
}

#[tokio::test]
async fn a_wrong_type_is_named_by_its_path() {
    check("{}", 200, None).await;
    check(r#"{"name": "x", "unknown": [1, {"deep": null}]}"#, 200, None).await;
    check(r#"{"name": null}"#, 200, None).await;
    check(r#"{"name": 7}"#, 422, Some(("name", "must be a string"))).await;
    check(r#"{"count": "7"}"#, 422, Some(("count", "must be a whole number"))).await;
    check(r#"{"count": -1}"#, 422, Some(("count", "must be a whole number"))).await;
    check(r#"{"count": 1.5}"#, 422, Some(("count", "must be a whole number"))).await;
    check(r#"{"user": "7"}"#, 422, Some(("user", "must be a UUID"))).await;
    check(r#"{"user": 7}"#, 422, Some(("user", "must be a string"))).await;
    check(r#"{"nested": 7}"#, 422, Some(("nested", "must be an object"))).await;
    check(r#"{"nested": {"flag": "yes"}}"#, 422, Some(("nested.flag", "must be true or false"))).await;
    check(r#"{"nested": {"value": "0.5"}}"#, 422, Some(("nested.value", "must be a number"))).await;
    check(
        r#"{"nested": {"value": 1e400}}"#,
        422,
        Some(("nested.value", "must be a number of a size that can be held")),
    )
    .await;
    check(r#"{"list": {}}"#, 422, Some(("list", "must be an array"))).await;
    check(r#"{"list": [{}, {"value": []}]}"#, 422, Some(("list[1].value", "must be a number"))).await;
    check(r#"{"name": "a", "name": "b"}"#, 422, Some(("name", "must not stand twice"))).await;
    check(r#"{"list": [{"flag": true, "flag": true}]}"#, 422, Some(("list[0].flag", "must not stand twice")))
        .await;
    check(r#"{"nested": [true, 0.5]}"#, 422, Some(("nested", "must be an object"))).await;
    check(r#"{"list": [[true, 0.5]]}"#, 422, Some(("list[0]", "must be an object"))).await;
    check(r#"{"nested": {"strict": {}}}"#, 422, Some(("nested.strict.needed", "is required"))).await;
    check(
        r#"{"nested": {"strict": {"other": 1}}}"#,
        422,
        Some(("nested.strict.other", "is not a field of this call")),
    )
    .await;
    check(r#"["x", 7]"#, 422, Some(("body", "must be an object"))).await;
    check("7", 422, Some(("body", "must be an object"))).await;
    check("null", 422, Some(("body", "must be an object"))).await;
}

#[tokio::test]
async fn what_is_not_json_is_400() {
    check("", 400, None).await;
    check("{", 400, None).await;
    check("{}x", 400, None).await;
    check("{} {}", 400, None).await;
    check(r#"{"name": "x}"#, 400, None).await;
    check("{'name': 'x'}", 400, None).await;
    check(r#"{"nested": {"value": NaN}}"#, 400, None).await;
    check(b"{\"name\": \"\xff\xfe\"}", 400, None).await;
    check("\u{feff}{}", 400, None).await;
    let deep = format!("{{\"name\": {}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    check(deep, 422, Some(("name", "must be a string"))).await;
    check("[".repeat(10_000), 422, Some(("body", "must be an object"))).await;
}

#[tokio::test]
async fn the_value_is_never_echoed() {
    for body in
        [r#"{"count": "s3cret"}"#, r#"{"user": "s3cret"}"#, r#"{"nested": "s3cret, expected s3cret"}"#]
    {
        let answer = send(Some("application/json"), Body::from(body)).await;
        assert_eq!(answer.status, 422);
        assert!(!answer.json.to_string().contains("s3cret"), "{}", answer.json);
    }
}

#[tokio::test]
async fn only_json_is_taken() {
    let check = async |content_type: Option<&str>, expect: u16| {
        let answer = send(content_type, Body::from("{}")).await;
        assert_eq!(answer.status.as_u16(), expect, "{content_type:?}");
    };
    check(Some("application/json"), 200).await;
    check(Some("Application/JSON; charset=utf-8"), 200).await;
    check(None, 415).await;
    check(Some("text/plain"), 415).await;
    check(Some("application/jsonp"), 415).await;
    check(Some("application/x-www-form-urlencoded"), 415).await;
    check(Some(""), 415).await;
}

#[tokio::test]
async fn a_compressed_body_is_415() {
    let check = async |encoding: &str, expect: u16| {
        let request = Request::post("/")
            .header("content-type", "application/json")
            .header("content-encoding", encoding);
        let answer = call(router(), request.body(Body::from("{}")).unwrap()).await;
        assert_eq!(answer.status.as_u16(), expect, "{encoding}");
    };
    check("gzip", 415).await;
    check("identity, br", 415).await;
    check("Identity", 200).await;
}

/// A body in pieces, of which nobody knows how many will come.
fn pieces(pieces: Vec<Bytes>) -> Body {
    let pieces = pieces.into_iter().map(Ok::<_, String>);
    Body::from_stream(futures::stream::iter(pieces))
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_announced_or_not() {
    let padded = |size: usize| format!("{{{}}}", " ".repeat(size - 2));
    let check = async |body: Body, expect: u16| {
        assert_eq!(send(Some("application/json"), body).await.status.as_u16(), expect);
    };
    check(Body::from(padded(MAX_JSON_BYTES)), 200).await;
    check(Body::from(padded(MAX_JSON_BYTES + 1)), 413).await;
    let in_halves = |size: usize| {
        let mut start = Bytes::from(padded(size));
        let end = start.split_off(size / 2);
        pieces(vec![start, end])
    };
    check(in_halves(MAX_JSON_BYTES), 200).await;
    check(in_halves(MAX_JSON_BYTES + 1), 413).await;
    check(pieces(vec![Bytes::from(padded(MAX_JSON_BYTES + 1))]), 413).await;
    check(pieces(vec![]), 400).await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_400() {
    let broken = futures::stream::iter([Ok(Bytes::from_static(b"{")), Err("gone")]);
    assert_eq!(send(Some("application/json"), Body::from_stream(broken)).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_falls_silent_in_its_body_hears_400() {
    let silent = futures::stream::iter([Ok::<_, String>(Bytes::from_static(b"{"))]);
    let silent = futures::StreamExt::chain(silent, futures::stream::pending());
    let answer = send(Some("application/json"), Body::from_stream(silent)).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json["detail"]),
        (400, &json!("the body did not arrive in time"))
    );
}

proptest! {
    #[test]
    fn no_bytes_get_more_than_a_4xx(body in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        r#"[{}\[\]":,0-9eE.+\-a-z\\ ]{0,60}"#.prop_map(String::into_bytes),
    ]) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let answer = runtime.block_on(send(Some("application/json"), Body::from(body)));
        prop_assert!(!answer.status.is_server_error(), "{}", answer.status);
    }
}
