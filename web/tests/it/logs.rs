//! What the log says of a request, and what it never says.

use std::{fs, io};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::{get, post};
use ecs_web::auth::policy::Bearer;
use ecs_web::{JsonBody, Problem};
use http::StatusCode;
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::support::{auth, call, token, user};

/// What a place in the code logs is cached for the whole process as wanted or not, and another test may come there first, when nobody
/// listens. With a listener that is always there, each test's own is asked.
fn everything_is_wanted_by_somebody() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap());
}

fn router() -> Router {
    Router::new()
        .route("/v1/emotions/stream", post(async |_: Bearer, _: JsonBody<Value>| StatusCode::ACCEPTED))
        .route("/ok", get(async |_: Bearer| "fine"))
        .route("/fails", get(async |_: Bearer| Problem::internal(&io::Error::other("the disk is gone"))))
        .with_state(auth())
}

/// The lines that this request causes at level info.
async fn lines_of(method: &str, path: &str, token: &str) -> Vec<Value> {
    let log = NamedTempFile::new().unwrap();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::INFO)
        .with_writer(log.reopen().unwrap())
        .finish();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("x-request-id", "r1")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"));
    {
        // The runtime of a test has one thread, so everything that the request does is seen.
        everything_is_wanted_by_somebody();
        let _guard = tracing::subscriber::set_default(subscriber);
        call(router(), request.body(Body::from("{}")).unwrap()).await;
    }
    let text = fs::read_to_string(log.path()).unwrap();
    assert!(!text.contains(token), "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_request_leaves_one_line_with_its_ids() {
    let lines = lines_of("GET", "/ok?email=ana@example.com", &token()).await;
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&line["fields"]["method"], &line["fields"]["path"]), (&"GET".into(), &"/ok".into()));
    assert_eq!(line["fields"]["status"], 200);
    assert!(line["fields"]["duration_us"].is_u64());
    assert_eq!((&line["span"]["request_id"], &line["span"]["role"]), (&"r1".into(), &"test".into()));
    assert_eq!(line["span"]["user_id"], user().to_string());
    assert_eq!(line["span"]["trace_id"].as_str().map(str::len), Some(32));
}

#[tokio::test]
async fn an_accepted_event_leaves_no_line_and_a_refused_one_does() {
    let lines = lines_of("POST", "/v1/emotions/stream", &token()).await;
    assert!(lines.is_empty(), "{lines:?}");
    let lines = lines_of("POST", "/v1/emotions/stream", "forged").await;
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&line["fields"]["status"], &line["fields"]["request_id"]), (&401.into(), &"r1".into()));
}

#[tokio::test]
async fn the_cause_of_a_500_is_logged_once_under_the_request_id() {
    let lines = lines_of("GET", "/fails", &token()).await;
    let [cause, access] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&cause["level"], &cause["fields"]["error"]), (&"ERROR".into(), &"the disk is gone".into()));
    assert_eq!(cause["span"]["request_id"], "r1");
    assert_eq!(access["fields"]["status"], 500);
}
