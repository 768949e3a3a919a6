//! More at once than a listener takes.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use ecs_web::health::Health;
use ecs_web::{Limits, layers};
use http::StatusCode;
use http_body_util::BodyExt as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::support::get as request;

/// `/slow` says that it began and ends when it is told to; `/events` is a stream without an end.
fn router(limits: Limits) -> (Router, Arc<Notify>, Arc<Notify>) {
    let (began, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (began, release) = (Arc::clone(&began), Arc::clone(&release));
        move || async move {
            began.notify_one();
            release.notified().await;
        }
    };
    let events = async || {
        let silence = futures::stream::pending::<Result<axum::body::Bytes, std::io::Error>>();
        ([("content-type", "text/event-stream")], Body::from_stream(silence))
    };
    let routes = Router::new()
        .route("/slow", get(slow))
        .route("/quick", get(async || "quick"))
        .route("/events", get(events))
        .merge(Health::new(CancellationToken::new()).routes());
    (layers::standard(routes, "test", limits), began, release)
}

async fn status(router: &Router, path: &str) -> StatusCode {
    router.clone().oneshot(request(path)).await.unwrap().status()
}

#[tokio::test]
async fn one_too_many_is_refused_at_once_and_health_is_not() {
    let (router, began, release) = router(Limits { max_in_flight: 1, ..Limits::default() });
    let in_flight = tokio::spawn(router.clone().oneshot(request("/slow")));
    began.notified().await;

    let refused = router.clone().oneshot(request("/quick")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert!(refused.headers().contains_key("x-request-id"));
    let problem = refused.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&problem).unwrap();
    assert_eq!(problem["type"], "urn:ecs:problem:overloaded");
    assert!(problem["requestId"].is_string());
    for path in ["/healthz", "/readyz"] {
        assert_eq!(status(&router, path).await, StatusCode::OK, "{path}");
    }

    release.notify_one();
    assert_eq!(in_flight.await.unwrap().unwrap().status(), StatusCode::OK);
    assert_eq!(status(&router, "/quick").await, StatusCode::OK);
}

#[tokio::test]
async fn who_gives_up_leaves_a_place() {
    let (router, began, _release) = router(Limits { max_in_flight: 1, ..Limits::default() });
    let in_flight = tokio::spawn(router.clone().oneshot(request("/slow")));
    began.notified().await;
    in_flight.abort();
    assert!(in_flight.await.unwrap_err().is_cancelled());
    assert_eq!(status(&router, "/quick").await, StatusCode::OK);
}

#[tokio::test]
async fn streams_have_a_bound_of_their_own() {
    let (router, ..) = router(Limits { max_in_flight: 1, max_streams: 2, ..Limits::default() });
    let open = async || router.clone().oneshot(request("/events")).await.unwrap();
    let (first, _second) = (open().await, open().await);
    assert_eq!(status(&router, "/quick").await, StatusCode::OK, "streams aren't in flight");
    let refused = open().await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "10");
    drop(first);
    assert_eq!(open().await.status(), StatusCode::OK);
}
