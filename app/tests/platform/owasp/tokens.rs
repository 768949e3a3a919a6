//! Broken authentication.

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::bad_input::bad_tokens;
use crate::rights::is_refused;
use crate::support::{PASSWORD, TestApp};

#[tokio::test]
async fn api2_broken_authentication() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    let own = format!("/v1/users/{}", ana.id);
    // Forged, without an algorithm, of another one, expired, cut off.
    for token in bad_tokens(&app, &ana) {
        let answer = app.http.get(&own, &[("authorization", &format!("Bearer {token}"))]).await;
        assert_eq!(answer.status, 401, "{token}");
    }
    app.as_person(&ana, "GET", &own, None).await.expect_status(200);
    a_copied_refresh_token_ends_its_session(&app, &own).await;
    a_session_that_is_ended_is_over_within_seconds(&app, &own).await;
    a_wrong_password_and_an_unknown_address_look_alike(&app).await;
    app.stop().await;
}

async fn log_in(app: &TestApp) -> Value {
    let login = json!({"email": "ana@example.com", "password": PASSWORD});
    app.http.post("/v1/auth/login", &[], &login).await.expect_status(200)
}

async fn refresh(app: &TestApp, session: &Value) -> Result<Value, u16> {
    let body = json!({"refresh_token": session["refresh_token"]});
    let answer = app.http.post("/v1/auth/refresh", &[], &body).await;
    if answer.status == 200 { Ok(answer.json()) } else { Err(answer.status.as_u16()) }
}

async fn a_copied_refresh_token_ends_its_session(app: &TestApp, own: &str) {
    let first = log_in(app).await;
    let second = refresh(app, &first).await.unwrap();
    let third = refresh(app, &second).await.unwrap();
    assert_eq!(refresh(app, &first).await, Err(401), "its successor has come already");
    let copied = Instant::now();
    assert_eq!(refresh(app, &third).await, Err(401), "the session is over for whoever has it");
    is_refused(app, "GET", own, &third, None, copied).await;
}

async fn a_session_that_is_ended_is_over_within_seconds(app: &TestApp, own: &str) {
    let session = log_in(app).await;
    let body = json!({"refresh_token": session["refresh_token"]});
    assert_eq!(app.http.post("/v1/auth/logout", &[], &body).await.status, 204);
    is_refused(app, "GET", own, &session, None, Instant::now()).await;
    assert_eq!(refresh(app, &session).await, Err(401));
}

async fn a_wrong_password_and_an_unknown_address_look_alike(app: &TestApp) {
    let mut answers = Vec::new();
    for email in ["ana@example.com", "nobody@example.com"] {
        let login = json!({"email": email, "password": "another password"});
        let mut answer = app.http.post("/v1/auth/login", &[], &login).await.expect_status(401);
        answer.as_object_mut().unwrap().remove("requestId");
        answers.push(answer);
    }
    assert_eq!(answers[0], answers[1]);
}
