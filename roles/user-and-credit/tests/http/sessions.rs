//! Sessions: begun by a log-in, refreshed, ended.

use std::time::Duration;

use ecs_store::Users as _;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Actor, App, PASSWORD, Reply, SESSION};

const ANA: &str = "ana@example.com";
/// Longer than a token may come again.
const LATER: Duration = Duration::from_secs(10);

async fn log_in(app: &App, password: &str) -> Reply {
    app.post(Actor::Anonymous, "/v1/auth/login", json!({"email": ANA, "password": password})).await
}

async fn refresh(app: &App, token: &Value) -> Reply {
    let body = json!({"refresh_token": token["refresh_token"]});
    app.post(Actor::Anonymous, "/v1/auth/refresh", body).await
}

#[tokio::test]
async fn a_session_is_refreshed_until_its_end_and_no_longer() {
    let app = App::start();
    let ana = app.register(ANA).await;
    let first = log_in(&app, PASSWORD).await.expect(StatusCode::OK);
    assert_eq!(first["refresh_expires_in"], SESSION.as_secs());
    app.pass(Duration::from_secs(3_600));
    let second = refresh(&app, &first).await.expect(StatusCode::OK);
    assert_eq!(second["refresh_expires_in"], SESSION.as_secs() - 3_600);
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    let account = app.bearing(&second, Method::GET, &format!("/v1/users/{ana}")).await;
    assert_eq!(account.expect(StatusCode::OK)["id"], ana.to_string());

    app.pass(SESSION - Duration::from_secs(3_600 + 60));
    let last = refresh(&app, &second).await.expect(StatusCode::OK);
    assert_eq!(last["expires_in"], 60, "no access token outlives its session");
    app.pass(Duration::from_secs(60));
    refresh(&app, &last).await.expect(StatusCode::UNAUTHORIZED);
}

/// Whoever comes second with a token, thief or owner, ends it for both; the answer tells neither why.
#[tokio::test]
async fn a_stolen_refresh_token_ends_the_session_for_both() {
    let app = App::start();
    app.register(ANA).await;
    let first = log_in(&app, PASSWORD).await.expect(StatusCode::OK);
    let elsewhere = log_in(&app, PASSWORD).await.expect(StatusCode::OK);
    let thief = refresh(&app, &first).await.expect(StatusCode::OK);
    app.pass(LATER);
    let owner = refresh(&app, &first).await.expect(StatusCode::UNAUTHORIZED);
    let robbed = refresh(&app, &thief).await.expect(StatusCode::UNAUTHORIZED);
    let made_up = refresh(&app, &json!({"refresh_token": "ecsr_0"})).await.expect(StatusCode::UNAUTHORIZED);
    assert_eq!((&owner, &robbed), (&made_up, &made_up));
    refresh(&app, &elsewhere).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_lost_answer_costs_no_session() {
    let app = App::start();
    app.register(ANA).await;
    let first = log_in(&app, PASSWORD).await.expect(StatusCode::OK);
    let lost = refresh(&app, &first).await.expect(StatusCode::OK);
    app.pass(LATER - Duration::from_millis(1));
    let again = refresh(&app, &first).await.expect(StatusCode::OK);
    assert_eq!(again["refresh_token"], lost["refresh_token"], "there is one way on, also for a thief");
    refresh(&app, &again).await.expect(StatusCode::OK);
    refresh(&app, &first).await.expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_session_outlives_a_change_of_the_platforms_secret() {
    let app = App::start();
    app.register(ANA).await;
    let first = log_in(&app, PASSWORD).await.expect(StatusCode::OK);
    let app = app.with_another_key();
    let next = refresh(&app, &first).await.expect(StatusCode::OK);
    refresh(&app, &next).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_log_out_ends_one_session_and_everywhere_all_of_them() {
    let app = App::start();
    app.register(ANA).await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(log_in(&app, PASSWORD).await.expect(StatusCode::OK));
    }
    let body = json!({"refresh_token": sessions[0]["refresh_token"]});
    for _ in 0..2 {
        let out = app.post(Actor::Anonymous, "/v1/auth/logout", body.clone()).await;
        assert_eq!(out.status, StatusCode::NO_CONTENT, "{}", out.body);
    }
    refresh(&app, &sessions[0]).await.expect(StatusCode::UNAUTHORIZED);
    let next = refresh(&app, &sessions[1]).await.expect(StatusCode::OK);
    let out = app.bearing(&next, Method::POST, "/v1/auth/logout-everywhere").await;
    assert_eq!(out.status, StatusCode::NO_CONTENT, "{}", out.body);
    for session in [&next, &sessions[2]] {
        refresh(&app, session).await.expect(StatusCode::UNAUTHORIZED);
    }
    log_in(&app, PASSWORD).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_changed_password_ends_all_sessions_but_the_one_that_it_begins() {
    let app = App::start();
    let ana = app.register(ANA).await;
    let before = log_in(&app, PASSWORD).await.expect(StatusCode::OK);
    let change = async |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        app.call(Actor::User(ana), Method::PUT, "/v1/auth/password", Some(body)).await
    };
    change("not the password", "battery staple horse").await.expect(StatusCode::FORBIDDEN);
    assert_eq!(change(PASSWORD, "short").await.invalid_fields(), ["new_password"]);
    refresh(&app, &before).await.expect(StatusCode::OK);

    let after = change(PASSWORD, "battery staple horse").await.expect(StatusCode::OK);
    refresh(&app, &before).await.expect(StatusCode::UNAUTHORIZED);
    refresh(&app, &after).await.expect(StatusCode::OK);
    log_in(&app, PASSWORD).await.expect(StatusCode::UNAUTHORIZED);
    log_in(&app, "battery staple horse").await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_log_in_hashes_anew_when_the_cost_has_changed() {
    let app = App::start();
    app.register(ANA).await;
    let app = app.with_cost(5);
    let hash = async || app.store.credentials(&ANA.parse().unwrap()).await.unwrap().unwrap().password_hash;
    assert!(hash().await.starts_with("$2b$04$"));
    log_in(&app, "not the password").await.expect(StatusCode::UNAUTHORIZED);
    assert!(hash().await.starts_with("$2b$04$"));
    log_in(&app, PASSWORD).await.expect(StatusCode::OK);
    let anew = hash().await;
    assert!(anew.starts_with("$2b$05$"), "{anew}");
    log_in(&app, PASSWORD).await.expect(StatusCode::OK);
    assert_eq!(hash().await, anew, "once is enough");
}

/// One of them replaces the hash that the others were verified with.
#[tokio::test]
async fn log_ins_at_once_all_succeed_while_the_hash_is_made_anew() {
    let app = App::start();
    app.register(ANA).await;
    let app = app.with_cost(5);
    let one = || log_in(&app, PASSWORD);
    for reply in <[Reply; 4]>::from(tokio::join!(one(), one(), one(), one())) {
        reply.expect(StatusCode::OK);
    }
}

/// As from a gateway whose connection to the first process broke.
#[tokio::test]
async fn a_password_change_that_comes_again_is_no_error() {
    let app = App::start();
    let ana = app.register(ANA).await;
    let change = async |current: &str| {
        let body = json!({"current_password": current, "new_password": "battery staple horse"});
        app.call(Actor::User(ana), Method::PUT, "/v1/auth/password", Some(body)).await
    };
    let (one, other) = tokio::join!(change(PASSWORD), change(PASSWORD));
    let (one, other) = (one.expect(StatusCode::OK), other.expect(StatusCode::OK));
    let again = change(PASSWORD).await.expect(StatusCode::OK);
    for session in [&one, &other, &again] {
        refresh(&app, session).await.expect(StatusCode::OK);
    }
}

/// What is read of an account after a change tells of it.
#[tokio::test]
async fn a_change_of_the_password_shows_in_the_account() {
    let app = App::start();
    let ana = app.register(ANA).await;
    let read = async |app: &App| {
        let account = app.call(Actor::User(ana), Method::GET, &format!("/v1/users/{ana}"), None).await;
        account.expect(StatusCode::OK)["updated_at"].clone()
    };
    let before = read(&app).await;
    app.pass(LATER);
    let app = app.with_cost(5);
    log_in(&app, PASSWORD).await.expect(StatusCode::OK);
    let anew = read(&app).await;
    assert_ne!(anew, before);
}
