//! Registration, log-in, provision.

use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::support::{Actor, App, PASSWORD, Reply, new_user_id};

async fn log_in(app: &App, email: &str, password: &str) -> Reply {
    app.post(Actor::Anonymous, "/v1/auth/login", json!({"email": email, "password": password})).await
}

async fn register(app: &App, body: Value) -> Reply {
    app.post(Actor::Anonymous, "/v1/auth/register", body).await
}

#[tokio::test]
async fn a_registered_user_logs_in_and_reads_their_own_account() {
    let app = App::start();
    let body = json!({"email": "Ana@Example.com", "password": PASSWORD});
    let registered = register(&app, body).await.expect(StatusCode::CREATED);
    assert_eq!(registered["email"], "ana@example.com");
    let mut keys: Vec<&String> = registered.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["created_at", "email", "id", "updated_at"]);

    let token = log_in(&app, "ANA@example.COM", PASSWORD).await.expect(StatusCode::OK);
    assert_eq!((&token["token_type"], &token["expires_in"]), (&json!("bearer"), &json!(3600)));

    let with_token = |user: &str| {
        let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
        let request = Request::get(format!("/v1/users/{user}")).header("authorization", bearer);
        request.body(Body::empty()).unwrap()
    };
    let id = registered["id"].as_str().unwrap();
    let account = app.reply(with_token(id)).await.expect(StatusCode::OK);
    assert_eq!(account, registered);
    let other = app.register("bia@example.com").await.to_string();
    app.reply(with_token(&other)).await.expect(StatusCode::FORBIDDEN);
    app.pass(Duration::from_secs(3600));
    app.reply(with_token(id)).await.expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_address_is_taken_in_whatever_case() {
    let app = App::start();
    app.register("ana@example.com").await;
    let again = json!({"email": "ANA@EXAMPLE.COM", "password": PASSWORD});
    let problem = register(&app, again).await.expect(StatusCode::CONFLICT);
    assert!(!problem.to_string().to_lowercase().contains("ana@example.com"), "{problem}");
}

#[tokio::test]
async fn every_refused_log_in_reads_the_same() {
    let app = App::start();
    app.register("ana@example.com").await;
    let provisioned = json!({"email": "no-password@example.com"});
    app.post(Actor::Operator, "/v1/users", provisioned).await.expect(StatusCode::CREATED);
    let mut problems = Vec::new();
    for (email, password) in [
        ("ana@example.com", "not the password"),
        ("ana@example.com", ""),
        ("ana@example.com", &"x".repeat(100)),
        ("nobody@example.com", PASSWORD),
        ("no-password@example.com", PASSWORD),
        ("not an address", PASSWORD),
    ] {
        problems.push(log_in(&app, email, password).await.expect(StatusCode::UNAUTHORIZED));
    }
    problems.dedup();
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[tokio::test]
async fn what_is_wrong_with_a_registration_is_named_all_at_once() {
    let app = App::start();
    let check = async |body: Value, expect: &[&str]| {
        assert_eq!(register(&app, body.clone()).await.invalid_fields(), expect, "{body}");
    };
    check(json!({}), &["email", "password"]).await;
    check(json!({"email": "ana", "password": "short"}), &["email", "password"]).await;
    check(json!({"email": null, "password": PASSWORD}), &["email"]).await;
    check(json!({"email": "ana@example.com", "password": 12}), &["password"]).await;
    // Bytes count, not characters: 36 of two bytes fit, and 37 don't.
    check(json!({"email": "ana@example.com", "password": "é".repeat(37)}), &["password"]).await;
    check(json!({"email": "ana@example.com", "password": "x".repeat(11)}), &["password"]).await;
    let longest = json!({"email": "ana@example.com", "password": "é".repeat(36)});
    register(&app, longest).await.expect(StatusCode::CREATED);
}

#[tokio::test]
async fn an_invalid_password_is_not_echoed() {
    let app = App::start();
    let body = json!({"email": "ana@example.com", "password": ["s3cret-in-a-list"]});
    let reply = register(&app, body).await;
    assert!(!reply.body.to_string().contains("s3cret"), "{}", reply.body);
    reply.expect(StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_partners_user_is_provisioned_once() {
    let app = App::start();
    let provision = async |body: Value| app.post(Actor::Operator, "/v1/users", body).await;
    let body = json!({"externalId": "partner-1", "email": "Ana@example.com"});
    let first = provision(body).await.expect(StatusCode::CREATED);
    assert_eq!((&first["external_id"], &first["email"]), (&json!("partner-1"), &json!("ana@example.com")));
    let again = provision(json!({"externalId": "partner-1"})).await.expect(StatusCode::OK);
    assert_eq!(again, first);
    provision(json!({"email": "ANA@example.com"})).await.expect(StatusCode::CONFLICT);
    let without_address = provision(json!({"externalId": "partner-2"})).await.expect(StatusCode::CREATED);
    assert_eq!(without_address["email"], Value::Null);
}

#[tokio::test]
async fn a_provision_names_the_user_somehow() {
    let app = App::start();
    let check = async |body: Value, expect: &[&str]| {
        let reply = app.post(Actor::Operator, "/v1/users", body.clone()).await;
        assert_eq!(reply.invalid_fields(), expect, "{body}");
    };
    check(json!({}), &["externalId", "email"]).await;
    check(json!({"externalId": null, "email": null}), &["externalId", "email"]).await;
    check(json!({"externalId": ""}), &["externalId"]).await;
    check(json!({"externalId": "a\u{0}b"}), &["externalId"]).await;
    check(json!({"externalId": "x".repeat(129)}), &["externalId"]).await;
    check(json!({"externalId": "1", "email": "ana"}), &["email"]).await;
}

#[tokio::test]
async fn no_answer_shows_a_password_or_its_hash() {
    let app = App::start();
    let ana = app.busy_and_calm("ana@example.com").await;
    let mut shown = String::new();
    for reply in [
        register(&app, json!({"email": "ana@example.com", "password": PASSWORD})).await,
        register(&app, json!({"email": "bia@example.com", "password": PASSWORD})).await,
        log_in(&app, "ana@example.com", PASSWORD).await,
        log_in(&app, "ana@example.com", "not the password").await,
        app.get(Actor::User(ana), &format!("/v1/users/{ana}")).await,
        app.get(Actor::Operator, &format!("/v1/users/{}", new_user_id())).await,
        app.analyse(ana).await,
        app.get(Actor::User(ana), &format!("/v1/users/{ana}/offers")).await,
    ] {
        shown.push_str(&format!("{reply:?}"));
    }
    for secret in ["$2", "password_hash", PASSWORD] {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
}
