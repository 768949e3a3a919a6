//! Roles that can't be reached, that hang, and that hang up.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::routing::any;
use ecs_metrics::Metrics;
use ecs_web::Limits;
use ecs_web::handles::{BadAddress, Remote, RemoteOptions, Upstream};
use futures::FutureExt as _;
use http::{Method, StatusCode};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::support::{edge, edge_with, nobody, remote, role, role_at, rude, send, text};

const HANGS_UP: Option<&str> = Some("");

fn request(method: Method) -> Request {
    Request::builder().method(method).uri("/").body(Body::empty()).unwrap()
}

fn answering() -> Router {
    Router::new().fallback(any(async |body: Bytes| body))
}

#[tokio::test]
async fn a_role_that_is_not_there_is_a_503_and_soon_not_even_tried() {
    let edge = edge(Upstream::over_http(remote(&[nobody().await])));
    for _ in 0..5 {
        let response = send(&edge, request(Method::POST)).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(text(response).await.contains("role is unavailable"));
    }
    let response = send(&edge, request(Method::POST)).await;
    let retry_after: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((25..=30).contains(&retry_after), "the time that is left, {retry_after}");
}

#[tokio::test]
async fn an_open_breaker_makes_no_call() {
    let role = rude(HANGS_UP).await;
    let edge = edge(Upstream::over_http(remote(&[role.url()])));
    for _ in 0..5 {
        assert_eq!(send(&edge, request(Method::POST)).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    let before = role.connections();
    assert_eq!(before, 5);
    let response = send(&edge, request(Method::POST)).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(role.connections(), before);
}

/// A request that is refused at once is ready when it is first asked for: no timer, no connection and no lock was waited for.
fn now(edge: &Router, method: Method) -> axum::response::Response {
    let refused = edge.clone().oneshot(request(method)).now_or_never();
    refused.expect("an answer without any wait").unwrap()
}

#[tokio::test]
async fn an_open_breaker_answers_without_waiting_for_anything() {
    let edge = edge(Upstream::over_http(remote(&[nobody().await, nobody().await])));
    // Each call fails at one replica, and then at the other.
    for _ in 0..5 {
        assert_eq!(send(&edge, request(Method::POST)).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let response = now(&edge, method);
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let retry_after: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((25..=30).contains(&retry_after), "the time that is left, {retry_after}");
    }
}

/// So many requests whose bodies never end.
async fn slow_bodies(edge: &Router, count: usize) {
    let slow = (0..count).map(|_| {
        let body = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        send(edge, Request::post("/").body(body).unwrap())
    });
    for response in futures::future::join_all(slow).await {
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}

#[tokio::test]
async fn clients_that_are_slow_to_send_are_no_fault_of_the_role() {
    let role = role(answering()).await;
    let limits = Limits { request_timeout: Duration::from_millis(1_200), ..Limits::default() };
    let edge = edge_with(Upstream::over_http(remote(&[role.url()])), limits);
    slow_bodies(&edge, 8).await;
    assert_eq!(send(&edge, request(Method::POST)).await.status(), StatusCode::OK, "the breaker is closed");
}

#[tokio::test]
async fn clients_that_give_up_sending_are_no_fault_of_the_role() {
    let role = role(answering()).await;
    let mut options = RemoteOptions::new(Metrics::new(), CancellationToken::new());
    options.patience = Duration::from_millis(20);
    let edge = edge(Upstream::over_http(Remote::new("role", &[role.url()], options).unwrap()));
    for _ in 0..8 {
        assert!(tokio::time::timeout(Duration::from_millis(40), slow_bodies(&edge, 1)).await.is_err());
    }
    assert_eq!(send(&edge, request(Method::POST)).await.status(), StatusCode::OK, "the breaker is closed");
}

#[tokio::test]
async fn a_probe_that_takes_long_for_its_clients_sake_lets_others_find_out() {
    let address = nobody().await;
    let mut options = RemoteOptions::new(Metrics::new(), CancellationToken::new());
    options.patience = Duration::from_millis(20);
    options.breaker = ecs_breaker::Options { failures: 1, open_for: Duration::ZERO, probes: 1 };
    let edge = edge(Upstream::over_http(Remote::new("role", &[&address], options).unwrap()));
    assert_eq!(send(&edge, request(Method::POST)).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let _role = role_at(address.trim_start_matches("http://").parse().unwrap(), answering()).await;
    let slow = slow_bodies(&edge, 1);
    let others = async {
        while send(&edge, request(Method::POST)).await.status() != StatusCode::OK {
            tokio::task::yield_now().await;
        }
    };
    // The slow one is polled first, and so it is the probe.
    tokio::select! { biased; () = slow => panic!("it has no end"), () = others => {} }
}

#[tokio::test]
async fn a_role_that_does_not_answer_is_not_waited_for_beyond_the_deadline() {
    let role = rude(None).await;
    let limits = Limits { request_timeout: Duration::from_millis(100), ..Limits::default() };
    let edge = edge_with(Upstream::over_http(remote(&[role.url()])), limits);
    let response = send(&edge, request(Method::POST)).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(text(response).await.contains("urn:ecs:problem:timeout"));
}

#[tokio::test]
async fn a_replica_that_hangs_costs_half_the_time_of_what_can_be_asked_elsewhere() {
    let (hanging, good) = (rude(None).await, role(answering()).await);
    let limits = Limits { request_timeout: Duration::from_secs(1), ..Limits::default() };
    let edge = edge_with(Upstream::over_http(remote(&[hanging.url(), good.url()])), limits);
    for _ in 0..2 {
        assert_eq!(send(&edge, request(Method::GET)).await.status(), StatusCode::OK);
    }
    assert_eq!(hanging.connections(), 1, "it had its turn");
}

/// Two replicas, the first of them bad: how often a request of each kind fails, and how often it reached the bad one.
async fn beside_a_bad_one(bad: String, method: Method, body: &'static str) -> usize {
    let good = role(answering()).await;
    let edge = edge(Upstream::over_http(remote(&[bad, good.url()])));
    let mut failed = 0;
    for _ in 0..8 {
        let request = Request::builder().method(method.clone()).uri("/").body(Body::from(body)).unwrap();
        let response = send(&edge, request).await;
        if response.status() == StatusCode::OK {
            assert_eq!(text(response).await, body);
        } else {
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            failed += 1;
        }
    }
    failed
}

#[tokio::test]
async fn what_was_never_sent_is_sent_elsewhere() {
    for (method, body) in [(Method::GET, ""), (Method::POST, ""), (Method::POST, "all of it")] {
        assert_eq!(beside_a_bad_one(nobody().await, method.clone(), body).await, 0, "{method} {body}");
    }
}

#[tokio::test]
async fn what_may_have_been_done_is_done_again_only_where_that_changes_nothing() {
    for (method, body) in [(Method::GET, ""), (Method::PUT, "all of it"), (Method::DELETE, "")] {
        let bad = rude(HANGS_UP).await;
        assert_eq!(beside_a_bad_one(bad.url(), method.clone(), body).await, 0, "{method} {body}");
    }
    for body in ["", "all of it"] {
        let bad = rude(HANGS_UP).await;
        // Every other call until the fifth opens the breaker: eight calls, four of them.
        assert_eq!(beside_a_bad_one(bad.url(), Method::POST, body).await, 4, "{body}");
        assert_eq!(bad.connections(), 4, "each was made once");
    }
}

#[tokio::test]
async fn second_attempts_have_a_budget() {
    // Two replicas that hang up, with breakers that stay closed.
    let (one, other) = (rude(HANGS_UP).await, rude(HANGS_UP).await);
    let mut options = RemoteOptions::new(Metrics::new(), CancellationToken::new());
    options.breaker.failures = u32::MAX;
    let remote = Remote::new("role", &[one.url(), other.url()], options).unwrap();
    let edge = edge(Upstream::over_http(remote));
    for _ in 0..100 {
        assert_eq!(send(&edge, request(Method::GET)).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    let calls = one.connections() + other.connections();
    assert!((110..=120).contains(&calls), "a tenth and a few more, {calls}");
}

#[tokio::test]
async fn a_replica_that_hangs_is_found_out_by_clients_that_give_up() {
    let role = rude(None).await;
    let mut options = RemoteOptions::new(Metrics::new(), CancellationToken::new());
    // Long enough for a busy machine: a client that wants to give up at once must not be seen to have waited.
    options.patience = Duration::from_millis(250);
    let edge = edge(Upstream::over_http(Remote::new("role", &[role.url()], options).unwrap()));
    let give_up = async |after: Duration| {
        let waiting = send(&edge, request(Method::GET));
        assert!(tokio::time::timeout(after, waiting).await.is_err(), "it hangs");
    };
    for _ in 0..6 {
        give_up(Duration::from_millis(1)).await;
    }
    for _ in 0..5 {
        give_up(Duration::from_millis(400)).await;
    }
    assert_eq!(send(&edge, request(Method::GET)).await.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_role_that_hangs_takes_only_so_many_places() {
    let role = rude(None).await;
    let mut options = RemoteOptions::new(Metrics::new(), CancellationToken::new());
    options.max_in_flight = 1;
    let edge = edge(Upstream::over_http(Remote::new("role", &[role.url()], options).unwrap()));
    let hanging = send(&edge, request(Method::GET));
    let next = async {
        while role.connections() == 0 {
            tokio::task::yield_now().await;
        }
        send(&edge, request(Method::GET)).await
    };
    let response = tokio::select! { _ = hanging => panic!("it hangs"), response = next => response };
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(text(response).await.contains("urn:ecs:problem:overloaded"));
}

#[test]
fn a_role_without_an_address_is_refused() {
    let options = RemoteOptions::new(Metrics::new(), CancellationToken::new());
    let check = |addresses: &[&str], expect: BadAddress| {
        assert_eq!(Remote::new("role", addresses, options.clone()).unwrap_err(), expect);
    };
    check(&[], BadAddress::Missing);
    check(&["http://one:1", "two"], BadAddress::Malformed);
    check(&["http://one:1", "https://two"], BadAddress::NobodyTrusted);
}
