//! The limits as callers meet them.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{MethodRouter, any};
use ecs_api_gateway::limits::Class;
use ecs_api_gateway::{Access, ApiGateway, Deps, Limiting, ROUTES};
use ecs_domain::permission::Permission;
use ecs_domain::{Clock, Timestamp, UserId};
use ecs_limits::{InProcess, Keys};
use ecs_metrics::Metrics;
use ecs_web::auth::{Changes, SecretKey, Tokens};
use ecs_web::handles::Upstream;
use ecs_web::peer::{Peer, TrustedProxies};
use ecs_web::{Auth, Identity, Limits, Problem, Secret, layers};
use http::{HeaderMap, Method, StatusCode};
use tower::ServiceExt as _;

const KEY: &str = "the-service-key-of-tests";

/// What the tests ask for, each with an address, a token or a key of theirs.
const READ: &str = "/v1/users/00000000-0000-0000-0000-000000000007/offers";
const LOGIN: &str = "/v1/auth/login";
const INGEST: &str = "/v1/emotions/stream";

struct TestClock(Mutex<Timestamp>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

struct Edge {
    router: Router,
    auth: Arc<Auth>,
    clock: Arc<TestClock>,
    metrics: Metrics,
}

/// Who calls.
#[derive(Debug, Clone, Copy)]
enum From {
    At(&'static str),
    Through(&'static str, &'static str),
    User(u128),
    Operator(u128),
    Forger(&'static str),
    Service,
}

/// How the caller stands by the headers: limit, remaining, reset.
type Standing = Option<[u64; 3]>;

impl Edge {
    fn with(quotas: &str) -> Self {
        Self::over(quotas, false, &any(async || StatusCode::OK))
    }

    fn over(quotas: &str, counts_loopback: bool, role: &MethodRouter) -> Self {
        Self::knowing(Changes::none(), quotas, counts_loopback, role)
    }

    fn knowing(changes: Arc<Changes>, quotas: &str, counts_loopback: bool, role: &MethodRouter) -> Self {
        let clock = Arc::new(TestClock(Mutex::new("2026-11-21T12:00:00Z".parse().unwrap())));
        let tokens = Tokens::new(&SecretKey::new(Secret::new("x".repeat(32))).unwrap());
        let auth = Auth { changes, ..Auth::alone(tokens, Secret::new(KEY), Arc::clone(&clock) as _) };
        let auth = Arc::new(auth);
        let metrics = Metrics::new();
        let upstream = || Upstream::in_process("role", Router::new().fallback(role.clone()));
        let gateway = ApiGateway::create(Deps {
            auth: Arc::clone(&auth),
            emotion_ingestion: upstream(),
            transaction_ingestion: upstream(),
            user_and_credit: upstream(),
            credit_analysis: upstream(),
            notification: upstream(),
            operations: upstream(),
            openapi: Bytes::from_static(b"{}"),
            limiting: Limiting {
                quotas: quotas.parse().unwrap(),
                limiter: Arc::new(InProcess::default()),
                keys: Keys::new([7; 32]),
                proxies: TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]),
                counts_loopback,
                metrics: metrics.clone(),
            },
        });
        let router = layers::standard(gateway.routes(), "api-gateway", Limits::default());
        Self { router, auth, clock, metrics }
    }

    fn token(&self, user: u128, permissions: &[Permission]) -> String {
        let user: UserId = uuid(user).parse().unwrap();
        let identity = Identity::with(user, permissions.iter().copied());
        let token = self.auth.tokens.issue(&identity, self.clock.now(), Duration::from_secs(3600));
        format!("Bearer {}", token.unwrap())
    }

    async fn call(&self, method: Method, path: &str, from: From) -> Response {
        let request = Request::builder().method(method).uri(path);
        let mut peer: IpAddr = "198.51.100.1".parse().unwrap();
        let request = match from {
            From::At(address) => {
                peer = address.parse().unwrap();
                request
            }
            From::Through(proxy, forwarded) => {
                peer = proxy.parse().unwrap();
                request.header("x-forwarded-for", forwarded)
            }
            From::User(user) => request.header("authorization", self.token(user, &[])),
            From::Operator(user) => request.header("authorization", self.token(user, Permission::ALL)),
            From::Forger(address) => {
                peer = address.parse().unwrap();
                request.header("authorization", "Bearer forged")
            }
            From::Service => request.header("x-internal-key", KEY),
        };
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer::new(peer));
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn check(&self, path: &str, from: From, expect: u16, standing: Standing) {
        let method = if path == READ { Method::GET } else { Method::POST };
        let answer = self.call(method, path, from).await;
        assert_eq!(answer.status().as_u16(), expect, "{path} {from:?}");
        assert_eq!(stands(answer.headers()), standing, "{path} {from:?}");
    }

    fn pass(&self, time: Duration) {
        *self.clock.0.lock().unwrap() += time;
    }
}

fn uuid(number: u128) -> String {
    let hex = format!("{number:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn stands(headers: &HeaderMap) -> Standing {
    let number = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().parse().unwrap());
    Some([number("ratelimit-limit")?, number("ratelimit-remaining")?, number("ratelimit-reset")?])
}

#[tokio::test]
async fn each_user_has_a_quota_and_is_told_how_it_stands() {
    let edge = Edge::with("read.user=1/2s:2");
    edge.check(READ, From::User(7), 200, Some([2, 1, 2])).await;
    edge.check(READ, From::User(7), 200, Some([2, 0, 4])).await;
    edge.check(READ, From::User(8), 200, Some([2, 1, 2])).await;
    edge.check(READ, From::User(7), 429, Some([2, 0, 4])).await;
    // Another class has a quota of its own, and refusals cost nothing.
    edge.check("/v1/transactions", From::User(7), 200, Some([2_000, 1_999, 1])).await;
    edge.pass(Duration::from_millis(1_999));
    edge.check(READ, From::User(7), 429, Some([2, 0, 3])).await;
    edge.pass(Duration::from_millis(1));
    edge.check(READ, From::User(7), 200, Some([2, 0, 4])).await;
    let refused = "ecs_rate_limited_total{class=\"read\",subject=\"user\"} 2";
    assert!(edge.metrics.render().contains(refused), "{}", edge.metrics.render());
}

#[tokio::test]
async fn a_refusal_is_a_problem_that_says_when_to_come_back() {
    let edge = Edge::with("read.user=1/90s:1");
    edge.check(READ, From::User(7), 200, Some([1, 0, 90])).await;
    let refused = edge.call(Method::GET, READ, From::User(7)).await;
    assert_eq!(refused.headers()["retry-after"], "90");
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    let body = axum::body::to_bytes(refused.into_body(), 10_000).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(body.contains("urn:ecs:problem:rate-limited") && body.contains("requestId"), "{body}");
    assert!(!body.contains(&uuid(7)), "{body}");
}

#[tokio::test]
async fn services_and_operators_have_no_limit_unless_somebody_sets_one() {
    let edge = Edge::with("");
    for _ in 0..3 {
        edge.check(INGEST, From::Service, 200, None).await;
        edge.check(READ, From::Operator(1), 200, None).await;
    }
    let edge = Edge::with("ingest.key=1/s:1, read.operator=1/s:1");
    for (path, from) in [(INGEST, From::Service), (READ, From::Operator(1))] {
        edge.check(path, from, 200, Some([1, 0, 1])).await;
        edge.check(path, from, 429, Some([1, 0, 1])).await;
    }
}

#[tokio::test]
async fn who_has_no_credentials_is_counted_by_address() {
    let edge = Edge::with("credentials.address=1/s:1");
    let check = async |from: From, expect: u16| {
        edge.check(LOGIN, from, expect, Some([1, 0, 1])).await;
    };
    check(From::At("203.0.113.9"), 200).await;
    check(From::At("203.0.113.9"), 429).await;
    // Whoever isn't trusted may say what they like.
    check(From::Through("203.0.113.9", "203.0.113.77"), 429).await;
    check(From::Through("10.0.0.7", "203.0.113.10"), 200).await;
    check(From::Through("10.0.0.8", "1.2.3.4, 203.0.113.10, 10.0.0.9"), 429).await;
    check(From::At("203.0.113.10"), 429).await;
    // A subscriber's machines share the first half of their addresses.
    check(From::At("2001:db8::1"), 200).await;
    check(From::At("2001:db8::2"), 429).await;
    check(From::At("2001:db8:0:1::2"), 200).await;
    check(From::At("::ffff:203.0.113.10"), 429).await;
}

#[tokio::test]
async fn guesses_at_tokens_and_keys_count_by_address_and_never_against_the_user() {
    let edge = Edge::with("read.address=1/s:2, read.user=1/s:1");
    edge.check(READ, From::Forger("203.0.113.9"), 401, Some([2, 1, 1])).await;
    edge.check(READ, From::At("203.0.113.9"), 401, Some([2, 0, 2])).await;
    edge.check(READ, From::Forger("203.0.113.9"), 429, Some([2, 0, 2])).await;
    edge.check(READ, From::Service, 401, Some([2, 1, 1])).await;
    edge.check(READ, From::User(7), 200, Some([1, 0, 1])).await;
}

/// While nobody knows which rights have changed, a token that was signed here still tells whose call it is.
#[tokio::test]
async fn who_cannot_be_let_in_for_a_while_is_no_guesser() {
    let role = any(async || StatusCode::OK);
    let quotas = "read.address=1/s:1, read.user=1/s:2, read.operator=1/s:1";
    let edge = Edge::knowing(Changes::followed(), quotas, false, &role);
    edge.check(READ, From::User(7), 503, Some([2, 1, 1])).await;
    edge.check(READ, From::User(8), 503, Some([2, 1, 1])).await;
    edge.check(READ, From::User(7), 503, Some([2, 0, 2])).await;
    edge.check(READ, From::User(7), 429, Some([2, 0, 2])).await;
    edge.check(READ, From::Operator(9), 503, Some([1, 0, 1])).await;
    // All of them called from one address, which has its whole quota for whoever guesses there.
    edge.check(READ, From::Forger("198.51.100.1"), 401, Some([1, 0, 1])).await;
    edge.check(READ, From::Forger("198.51.100.1"), 429, Some([1, 0, 1])).await;
}

#[tokio::test]
async fn loopback_is_counted_where_the_setting_says_so() {
    for (counts, expect) in [(false, 200), (true, 429)] {
        let edge = Edge::over("credentials.address=1/s:1", counts, &any(async || StatusCode::OK));
        let first = edge.call(Method::POST, LOGIN, From::At("127.0.0.1")).await;
        assert_eq!(first.status(), 200);
        let second = edge.call(Method::POST, LOGIN, From::At("127.0.0.1")).await;
        assert_eq!(second.status(), expect, "{counts}");
        let forwarded = edge.call(Method::POST, LOGIN, From::Through("10.0.0.7", "203.0.113.5")).await;
        assert_eq!(forwarded.status(), 200, "who comes through a proxy is somebody else");
    }
}

#[tokio::test]
async fn a_limit_of_the_role_behind_is_not_talked_over() {
    let refusing = &any(async || Problem::rate_limited("too many attempts", Duration::from_secs(900)));
    let edge = Edge::over("", false, refusing);
    let answer = edge.call(Method::POST, LOGIN, From::At("203.0.113.9")).await;
    assert_eq!((answer.status().as_u16(), stands(answer.headers())), (429, None));
    assert_eq!(answer.headers()["retry-after"], "900");
}

#[tokio::test]
async fn off_is_off() {
    let edge = Edge::with("off");
    for _ in 0..300 {
        edge.check(LOGIN, From::At("203.0.113.9"), 200, None).await;
    }
}

#[test]
fn rows_of_a_class_are_of_its_kind() {
    let of = |class: Class| ROUTES.iter().filter(move |row| row.class == class);
    assert!(of(Class::Read).all(|row| row.methods == [Method::GET]));
    let of_operators = [
        "/v1/operations/",
        "/v1/audit/",
        "/v1/decision-log/",
        "/v1/policies",
        "/v1/backtests/",
        "/v1/research/",
        "/v1/watch/",
    ];
    assert!(of(Class::Operations).all(|row| of_operators.iter().any(|start| row.path.starts_with(start))));
    assert!(of(Class::Credentials).all(|row| row.path.starts_with("/v1/auth/")));
    assert!(
        ROUTES
            .iter()
            .filter(|row| row.path.starts_with("/v1/auth/"))
            .all(|row| row.class == Class::Credentials)
    );
    assert!(of(Class::Documentation).all(|row| row.access == Access::Public));
    let used: BTreeSet<&str> = ROUTES.iter().map(|row| row.class.as_str()).collect();
    assert_eq!(used.len(), Class::ALL.len(), "a class that no row has");
}
