//! The gateway over roles that say what reached them.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::routing::{any, get};
use axum::{Json, Router};
use ecs_api_gateway::{Access, ApiGateway, Deps, Limiting, ROUTES, Route, Target};
use ecs_domain::{Clock, Timestamp, UserId};
use ecs_web::auth::{SecretKey, Tokens};
use ecs_web::handles::Upstream;
use ecs_web::params::PathParams;
use ecs_web::{Auth, Identity, Limits, Problem, RequestContext, Secret, layers};
use http::{HeaderMap, Method};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

const USER: &str = "00000000-0000-0000-0000-000000000007";
const KEY: &str = "the-service-key-of-tests";

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        "2025-08-19T12:00:00Z".parse().unwrap()
    }
}

fn auth() -> Arc<Auth> {
    let tokens = Tokens::new(&SecretKey::new(Secret::new("x".repeat(32))).unwrap());
    Arc::new(Auth::alone(tokens, Secret::new(KEY), Arc::new(FixedClock)))
}

fn token() -> String {
    let identity = Identity::of(USER.parse().unwrap());
    auth().tokens.issue(&identity, FixedClock.now(), Duration::from_secs(60)).unwrap()
}

/// A role that answers with its name and with what it was given.
fn echo(role: &'static str) -> Upstream {
    let answer = async move |request: Request| {
        let request_id =
            request.extensions().get::<RequestContext>().map(|context| context.request_id().to_owned());
        let user = request.extensions().get::<Identity>().map(|identity| identity.user);
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Json(json!({"role": role, "requestId": request_id, "user": user, "bytes": body.len()}))
    };
    Upstream::in_process(role, Router::new().fallback(any(answer)))
}

fn gateway_with(user_and_credit: Upstream) -> Router {
    let gateway = ApiGateway::create(Deps {
        auth: auth(),
        emotion_ingestion: echo("emotion-ingestion"),
        transaction_ingestion: echo("transaction-ingestion"),
        user_and_credit,
        credit_analysis: echo("credit-analysis"),
        notification: echo("notification"),
        operations: echo("operations"),
        openapi: Bytes::from_static(b"{}"),
        limiting: Limiting::off(),
    });
    layers::standard(gateway.routes(), "api-gateway", Limits::default())
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    json: Value,
}

async fn send(router: Router, request: Request) -> Answer {
    let (head, body) = router.oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        json: serde_json::from_slice(&bytes).unwrap_or_default(),
    }
}

async fn call(request: Request) -> Answer {
    send(gateway_with(echo("user-and-credit")), request).await
}

fn path_of(route: &Route) -> String {
    route.path.replace("{user_id}", USER).replace("{offer_id}", USER).replace("{purpose}", "emotion-analysis")
}

fn name_of(target: Target) -> &'static str {
    match target {
        Target::EmotionIngestion => "emotion-ingestion",
        Target::TransactionIngestion => "transaction-ingestion",
        Target::UserAndCredit => "user-and-credit",
        Target::CreditAnalysis => "credit-analysis",
        Target::Notification => "notification",
        Target::Operations => "operations",
        Target::Documentation => "api-gateway",
    }
}

/// The rows that lead to other roles.
fn to_roles() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.target != Target::Documentation)
}

/// A body that panics when somebody reads it.
fn unread() -> Body {
    Body::from_stream(futures::stream::poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, String>>> {
        panic!("the body was read")
    }))
}

#[tokio::test]
async fn every_row_asks_for_its_credentials_before_the_body_is_touched() {
    for route in to_roles() {
        for method in route.methods {
            let request = || Request::builder().method(method).uri(path_of(route));
            let without = call(
                request()
                    .body(if route.access == Access::Public { Body::empty() } else { unread() })
                    .unwrap(),
            );
            let expect = if route.access == Access::Public { 200 } else { 401 };
            assert_eq!(without.await.status, expect, "{method} {}", route.path);

            let wrong = request().header("authorization", "Bearer forged").header("x-internal-key", "wrong");
            assert_eq!(
                call(wrong.body(Body::empty()).unwrap()).await.status,
                expect,
                "{method} {}",
                route.path
            );

            let with = request()
                .header("authorization", format!("Bearer {}", token()))
                .header("x-internal-key", KEY);
            let answer = call(with.body(Body::from("{}")).unwrap()).await;
            assert_eq!(answer.status, 200, "{method} {}", route.path);
            assert_eq!(answer.json["role"], name_of(route.target), "{method} {}", route.path);
            assert_eq!(answer.json["bytes"], 2, "the body arrives untouched");
        }
    }
}

#[tokio::test]
async fn one_kind_of_credentials_does_not_stand_for_the_other() {
    for route in ROUTES {
        let request = Request::builder().method(route.methods[0].clone()).uri(path_of(route));
        let request = match route.access {
            Access::Public => continue,
            Access::Token | Access::TokenAsLastKnown => request.header("x-internal-key", KEY),
            Access::Key(_) => request.header("authorization", format!("Bearer {}", token())),
        };
        assert_eq!(call(request.body(Body::empty()).unwrap()).await.status, 401, "{}", route.path);
    }
}

#[tokio::test]
async fn only_these_rows_are_open_to_everybody() {
    let open: Vec<&str> =
        ROUTES.iter().filter(|route| route.access == Access::Public).map(|route| route.path).collect();
    let documentation = ["/openapi.json", "/docs", "/docs/{file}"];
    let credentials = ["/v1/auth/register", "/v1/auth/login", "/v1/auth/refresh", "/v1/auth/logout"];
    // Whoever was erased has no token any more, and their receipt is a secret.
    assert_eq!(open, [&credentials[..], &["/v1/erasures/{receipt}"], &documentation[..]].concat());
}

#[tokio::test]
async fn unknown_paths_are_404_and_other_methods_405_with_allow() {
    let check = async |method: Method, path: &str, expect: u16, allow: Option<&str>| {
        let request = Request::builder().method(&method).uri(path).body(unread()).unwrap();
        let answer = call(request).await;
        let seen = answer.headers.get("allow").map(|value| value.to_str().unwrap());
        assert_eq!((answer.status, seen), (expect, allow), "{method} {path}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.json["status"], expect);
        assert_eq!(answer.json["requestId"], answer.headers["x-request-id"].to_str().unwrap());
    };
    check(Method::GET, "/", 404, None).await;
    check(Method::GET, "/v1", 404, None).await;
    check(Method::POST, "/v1/emotions/stream/", 404, None).await;
    check(Method::POST, "/v1//emotions/stream", 404, None).await;
    check(Method::POST, "/v1/emotions/../transactions", 404, None).await;
    check(Method::GET, "/v1/users//offers", 404, None).await;
    check(Method::GET, "/v1/emotions/stream", 405, Some("POST")).await;
    check(Method::DELETE, &format!("/v1/users/{USER}"), 405, Some("GET,HEAD")).await;
    let consents = format!("/v1/users/{USER}/consents/emotion-analysis");
    check(Method::POST, &consents, 405, Some("GET,PUT,DELETE,HEAD")).await;
    check(Method::OPTIONS, "/v1/users", 405, Some("POST")).await;
}

#[tokio::test]
async fn the_context_and_the_identity_travel_with_the_request() {
    let request = Request::get(format!("/v1/users/{USER}/notifications"))
        .header("authorization", format!("Bearer {}", token()))
        .header("x-request-id", "r1");
    let answer = call(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.headers["x-request-id"], "r1");
    assert_eq!(answer.json["requestId"], "r1");
    assert_eq!(answer.json["user"], USER);
}

#[tokio::test]
async fn a_role_sees_its_own_path_parameters_and_its_problems_pass_through() {
    let role = Router::new().route(
        "/v1/users/{user_id}",
        get(async |path: PathParams| -> Result<String, Problem> {
            path.id::<UserId>("user_id")?;
            Err(Problem::gone("no more"))
        }),
    );
    let router = gateway_with(Upstream::in_process("user-and-credit", role));
    let check = async |path: &str, expect: u16, detail: &str| {
        let request = Request::get(path).header("authorization", format!("Bearer {}", token()));
        let answer = send(router.clone(), request.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status, &answer.json["detail"]), (expect, &json!(detail)));
        assert_eq!(answer.json["requestId"], answer.headers["x-request-id"].to_str().unwrap());
    };
    check(&format!("/v1/users/{USER}"), 410, "no more").await;
    check("/v1/users/7", 422, "see errors for the fields").await;
}
