//! Guesses at passwords: how many there may be, and whom they lock out.

use std::time::Duration;

use futures::future::join_all;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Actor, App, PASSWORD, Reply};

const ANA: &str = "ana@example.com";
const WRONG: &str = "not the password of anybody";
const NEW: &str = "battery staple horse";
/// After which there is one attempt more, from unknown devices and from one that is known.
const UNKNOWN: Duration = Duration::from_secs(90);
const KNOWN: Duration = Duration::from_secs(180);

async fn log_in(app: &App, email: &str, password: &str, device: Option<&Value>) -> Reply {
    let mut body = json!({"email": email, "password": password});
    if let Some(device) = device {
        body["device_token"] = device.clone();
    }
    app.post(Actor::Anonymous, "/v1/auth/login", body).await
}

async fn guess(app: &App, email: &str, times: usize) {
    for _ in 0..times {
        log_in(app, email, WRONG, None).await.expect(StatusCode::UNAUTHORIZED);
    }
}

async fn refused(app: &App, email: &str, device: Option<&Value>) -> Reply {
    let reply = log_in(app, email, PASSWORD, device).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS, "{}", reply.body);
    reply
}

#[tokio::test]
async fn whoever_guesses_locks_out_unknown_devices_and_no_known_one() {
    let app = App::start();
    app.register(ANA).await;
    let known = log_in(&app, ANA, PASSWORD, None).await.expect(StatusCode::OK)["device_token"].clone();
    guess(&app, ANA, 10).await;
    assert_eq!(refused(&app, ANA, None).await.headers["retry-after"], "90");
    // However the address is written.
    refused(&app, " Ana@EXAMPLE.com", None).await;

    let renewed = log_in(&app, ANA, PASSWORD, Some(&known)).await.expect(StatusCode::OK);
    log_in(&app, ANA, PASSWORD, Some(&renewed["device_token"])).await.expect(StatusCode::OK);
    app.pass(UNKNOWN - Duration::from_millis(1));
    refused(&app, ANA, None).await;
    app.pass(Duration::from_millis(1));
    log_in(&app, ANA, PASSWORD, None).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn an_address_that_nobody_has_is_locked_like_one_that_somebody_has() {
    let app = App::start();
    app.register(ANA).await;
    for email in [ANA, "nobody@example.com", "not an address"] {
        guess(&app, email, 10).await;
    }
    let of = async |email: &str| {
        let reply = refused(&app, email, None).await;
        (reply.headers["retry-after"].clone(), reply.body)
    };
    let ana = of(ANA).await;
    assert_eq!(ana, of("nobody@example.com").await);
    assert_eq!(ana, of("not an address").await);
}

#[tokio::test]
async fn only_what_was_wrong_counts() {
    let app = App::start();
    app.register(ANA).await;
    guess(&app, ANA, 9).await;
    for _ in 0..20 {
        log_in(&app, ANA, PASSWORD, None).await.expect(StatusCode::OK);
    }
    guess(&app, ANA, 1).await;
    refused(&app, ANA, None).await;
}

#[tokio::test]
async fn guesses_that_come_together_are_no_more() {
    let app = App::start();
    app.register(ANA).await;
    let replies = join_all((0..40).map(|_| log_in(&app, ANA, WRONG, None))).await;
    let verified = replies.iter().filter(|reply| reply.status == StatusCode::UNAUTHORIZED).count();
    assert!((1..=10).contains(&verified), "{verified} passwords were tried");
    let locked = replies.iter().filter(|reply| reply.status == StatusCode::TOO_MANY_REQUESTS).count();
    assert!(locked >= 30, "{locked} were refused for the limit, so as many would have waited for bcrypt");
}

#[tokio::test]
async fn a_known_device_has_a_limit_of_its_own() {
    let app = App::start();
    app.register(ANA).await;
    let [phone, laptop] = [log_in(&app, ANA, PASSWORD, None), log_in(&app, ANA, PASSWORD, None)];
    let phone = phone.await.expect(StatusCode::OK)["device_token"].clone();
    let laptop = laptop.await.expect(StatusCode::OK)["device_token"].clone();
    for _ in 0..5 {
        log_in(&app, ANA, WRONG, Some(&phone)).await.expect(StatusCode::UNAUTHORIZED);
    }
    refused(&app, ANA, Some(&phone)).await;
    log_in(&app, ANA, PASSWORD, Some(&laptop)).await.expect(StatusCode::OK);
    log_in(&app, ANA, PASSWORD, None).await.expect(StatusCode::OK);
    app.pass(KNOWN);
    log_in(&app, ANA, PASSWORD, Some(&phone)).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_device_of_somebody_else_or_nobody_is_unknown() {
    let app = App::start();
    app.register(ANA).await;
    app.register("eve@example.com").await;
    let eves = log_in(&app, "eve@example.com", PASSWORD, None).await.expect(StatusCode::OK);
    guess(&app, ANA, 10).await;
    for device in [eves["device_token"].clone(), json!("ecsd_0"), json!("")] {
        refused(&app, ANA, Some(&device)).await;
    }
    log_in(&app, "eve@example.com", PASSWORD, Some(&json!("ecsd_0"))).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_device_stays_known_when_the_platforms_secret_is_changed() {
    let app = App::start();
    app.register(ANA).await;
    let known = log_in(&app, ANA, PASSWORD, None).await.expect(StatusCode::OK)["device_token"].clone();
    let app = app.with_another_key();
    guess(&app, ANA, 10).await;
    refused(&app, ANA, None).await;
    log_in(&app, ANA, PASSWORD, Some(&known)).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn who_has_taken_a_session_over_does_not_guess_the_password_to_change_it() {
    let app = App::start();
    let ana = app.register(ANA).await;
    let eve = app.register("eve@example.com").await;
    let change = async |user, current: &str| {
        let body = json!({"current_password": current, "new_password": NEW}).to_string();
        app.send(Actor::User(user), http::Method::PUT, "/v1/auth/password", Some(body)).await
    };
    for _ in 0..5 {
        change(ana, WRONG).await.expect(StatusCode::FORBIDDEN);
    }
    let locked = change(ana, PASSWORD).await;
    assert_eq!(locked.headers["retry-after"], "180");
    locked.expect(StatusCode::TOO_MANY_REQUESTS);
    change(eve, PASSWORD).await.expect(StatusCode::OK);
    app.pass(KNOWN);
    change(ana, PASSWORD).await.expect(StatusCode::OK);
}
