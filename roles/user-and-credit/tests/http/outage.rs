//! What is heard while the store is away.

use ecs_cache::Cache;
use ecs_domain::UserId;
use ecs_store::Maintenance as _;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Actor, App, PASSWORD, Setup};

#[tokio::test]
async fn without_the_store_every_call_says_when_to_come_back() {
    let app = App::with(Setup { cache: Cache::none(), ..Setup::default() });
    let ana = app.busy_and_calm("ana@example.com").await;
    let offer = app.offer_to(ana).await;
    let login = json!({"email": "ana@example.com", "password": PASSWORD});
    let session = app.post(Actor::Anonymous, "/v1/auth/login", login).await.expect(StatusCode::OK);
    app.store.close().await.unwrap();
    for (actor, method, path, body) in [calls(ana, &offer, &session), of_privacy(ana), of_policies()].concat()
    {
        let reply = app.call(actor, method.clone(), &path, body).await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{method} {path}: {}", reply.body);
        assert!(reply.headers.contains_key("retry-after"), "{method} {path}");
        assert_eq!(reply.body["detail"], "store is unavailable", "{method} {path}");
    }
}

/// What a call is made of: who, how, where and with what body.
type Call = (Actor, Method, String, Option<Value>);

/// Calls about accounts and credit, as they would succeed with the store.
fn calls(ana: UserId, offer: &str, session: &Value) -> Vec<Call> {
    let credentials = json!({"email": "ana@example.com", "password": PASSWORD});
    vec![
        (Actor::Anonymous, Method::POST, "/v1/auth/register".to_owned(), Some(credentials.clone())),
        (Actor::Anonymous, Method::POST, "/v1/auth/login".to_owned(), Some(credentials)),
        (
            Actor::Anonymous,
            Method::POST,
            "/v1/auth/refresh".to_owned(),
            Some(json!({"refresh_token": session["refresh_token"]})),
        ),
        (
            Actor::Anonymous,
            Method::POST,
            "/v1/auth/logout".to_owned(),
            Some(json!({"refresh_token": session["refresh_token"]})),
        ),
        (Actor::User(ana), Method::POST, "/v1/auth/logout-everywhere".to_owned(), None),
        (
            Actor::User(ana),
            Method::PUT,
            "/v1/auth/password".to_owned(),
            Some(json!({"current_password": PASSWORD, "new_password": "another password"})),
        ),
        (Actor::Service, Method::GET, "/v1/access/changes".to_owned(), None),
        (Actor::User(ana), Method::GET, format!("/v1/users/{ana}/access"), None),
        (
            Actor::Operator,
            Method::PUT,
            format!("/v1/users/{ana}/access"),
            Some(json!({"roles": [], "permissions": []})),
        ),
        (Actor::Operator, Method::POST, "/v1/users".to_owned(), Some(json!({"externalId": "1"}))),
        (Actor::User(ana), Method::GET, format!("/v1/users/{ana}"), None),
        (Actor::User(ana), Method::POST, format!("/v1/users/{ana}/credit-analysis"), None),
        (Actor::User(ana), Method::GET, format!("/v1/users/{ana}/offers"), None),
        (Actor::User(ana), Method::GET, format!("/v1/users/{ana}/decisions"), None),
        (Actor::User(ana), Method::GET, format!("/v1/decisions/{ana}"), None),
        (Actor::User(ana), Method::POST, format!("/v1/decisions/{ana}/review"), None),
        (Actor::Operator, Method::GET, "/v1/reviews".to_owned(), None),
        (Actor::Operator, Method::POST, format!("/v1/reviews/{ana}/claim"), None),
        (
            Actor::Operator,
            Method::POST,
            format!("/v1/reviews/{ana}/outcome"),
            Some(json!({"outcome": "upheld", "explanation": "as it was"})),
        ),
        (
            Actor::User(ana),
            Method::POST,
            format!("/v1/credit-offers/{offer}/accept"),
            Some(json!({"userId": ana})),
        ),
    ]
}

/// The same about policies.
fn of_policies() -> Vec<Call> {
    let text = "version = \"p\"\ncut_off = 0.5\n[[bands]]\nmax_risk = 0.5\ncredit_limit = \"900.10\"\n\
                interest_rate = \"14.25\"\ncredit_type = \"SHORT_TERM\"\n";
    let policies = "/v1/policies".to_owned();
    vec![
        (Actor::Operator, Method::POST, policies.clone(), Some(json!({"text": text}))),
        (Actor::Operator, Method::GET, policies.clone(), None),
        (Actor::Operator, Method::GET, format!("{policies}/p"), None),
        (Actor::Operator, Method::POST, format!("{policies}/p/approve"), None),
        (Actor::Operator, Method::POST, format!("{policies}/p/withdraw"), None),
        (
            Actor::Operator,
            Method::POST,
            format!("{policies}/p/backtests"),
            Some(json!({"from": "2026-11-01", "to": "2026-11-20"})),
        ),
        (Actor::Operator, Method::GET, format!("{policies}/p/backtests"), None),
        (Actor::Operator, Method::GET, format!("/v1/backtests/{}", uuid::Uuid::nil()), None),
        (Actor::Operator, Method::GET, format!("/v1/backtests/{}/flips", uuid::Uuid::nil()), None),
    ]
}

/// The same about what is held on people.
fn of_privacy(ana: UserId) -> Vec<Call> {
    let consent = format!("/v1/users/{ana}/consents/emotion-analysis");
    let attributes = format!("/v1/users/{ana}/attributes");
    let exports = format!("/v1/users/{ana}/exports");
    let export = format!("{exports}/{}", uuid::Uuid::now_v7());
    vec![
        (Actor::User(ana), Method::POST, exports.clone(), None),
        (Actor::User(ana), Method::GET, exports.clone(), None),
        (Actor::User(ana), Method::GET, export.clone(), None),
        (Actor::User(ana), Method::GET, format!("{export}/archive"), None),
        (Actor::User(ana), Method::DELETE, export, None),
        (Actor::User(ana), Method::GET, consent.clone(), None),
        (Actor::User(ana), Method::GET, format!("{consent}/history"), None),
        (Actor::User(ana), Method::PUT, consent.clone(), None),
        (Actor::User(ana), Method::DELETE, consent, None),
        (
            Actor::User(ana),
            Method::POST,
            format!("/v1/users/{ana}/erasure"),
            Some(json!({"password": PASSWORD})),
        ),
        (Actor::Anonymous, Method::GET, format!("/v1/erasures/{ana}"), None),
        (Actor::User(ana), Method::GET, attributes.clone(), None),
        (Actor::User(ana), Method::PUT, attributes.clone(), Some(json!({"region": "BR"}))),
        (Actor::User(ana), Method::DELETE, attributes, None),
    ]
}
