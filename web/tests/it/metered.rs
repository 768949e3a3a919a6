//! What a listener counts, refusals and timeouts among it, and where that is read.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use ecs_metrics::Metrics;
use ecs_metrics::read::Exposition;
use ecs_web::exposition::Exposition as Scraped;
use ecs_web::{Limits, Meter, layers};
use http::StatusCode;
use http_body_util::BodyExt as _;
use tokio::sync::Notify;
use tower::ServiceExt as _;

use crate::support::get as request;

async fn status(router: &Router, path: &str) -> StatusCode {
    router.clone().oneshot(request(path)).await.unwrap().status()
}

async fn scrape(router: &Router) -> Exposition {
    let answer = router.clone().oneshot(request("/metrics")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], ecs_metrics::CONTENT_TYPE);
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    Exposition::read(std::str::from_utf8(&text).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn refusals_timeouts_and_strays_are_counted_and_metrics_are_answered_all_the_same() {
    let (metrics, began) = (Metrics::new(), Arc::new(Notify::new()));
    let slow = {
        let began = Arc::clone(&began);
        move || async move {
            began.notify_one();
            std::future::pending::<()>().await;
        }
    };
    let routes = Router::new()
        .route("/slow/{id}", get(slow))
        .route("/quick", get(async || "quick"))
        .merge(Scraped::new(&metrics).routes());
    let limits = Limits { max_in_flight: 1, request_timeout: Duration::from_secs(3), ..Limits::default() };
    let meter = Meter::new(&metrics, "edge", [("inner", "/slow/{id}"), ("inner", "/quick")]);
    let router = layers::metered(routes, "edge", limits, meter);

    let in_flight = tokio::spawn(router.clone().oneshot(request("/slow/7")));
    began.notified().await;
    assert_eq!(status(&router, "/quick").await, StatusCode::SERVICE_UNAVAILABLE);
    let read = scrape(&router).await;
    assert_eq!(read.sum("ecs_http_requests_in_flight", &[("role", "inner")]), Some(1.0));
    assert_eq!(read.sum("ecs_http_requests_shed_total", &[("role", "inner")]), Some(1.0));
    let timed_out = in_flight.await.unwrap().unwrap().status();
    assert_eq!(status(&router, "/quick").await, StatusCode::OK);
    assert_eq!(status(&router, "/nowhere/7").await, StatusCode::NOT_FOUND);

    let read = scrape(&router).await;
    let check = |role: &str, route: &str, status: StatusCode| {
        let labels = [("role", role), ("route", route), ("method", "GET"), ("status", status.as_str())];
        assert_eq!(read.sum("ecs_http_requests_total", &labels), Some(1.0), "{labels:?}");
    };
    check("inner", "/slow/{id}", timed_out);
    check("inner", "/quick", StatusCode::SERVICE_UNAVAILABLE);
    check("inner", "/quick", StatusCode::OK);
    check("edge", "unmatched", StatusCode::NOT_FOUND);
    check("edge", "/metrics", StatusCode::OK);
    assert!(timed_out.is_server_error(), "{timed_out}");
    assert_eq!(read.sum("ecs_http_requests_in_flight", &[("role", "inner")]), Some(0.0));
    assert_eq!(read.sum("ecs_http_request_duration_seconds_count", &[("route", "/slow/{id}")]), Some(1.0));
}
