//! What users and keys may do, changed while requests run.

use std::time::Duration;

use ecs_client::follow::Told;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::support::deployment::Deployment;
use crate::support::edge::Edge;
use crate::support::keys::KeyList;
use crate::support::process::text;
use crate::support::{DEADLINE, PASSWORD, TestApp, emotion, eventually};

/// Within which a change takes effect everywhere.
const PROMISED: Duration = Duration::from_secs(5);

async fn log_in(edge: &Edge, email: &str, password: &str) -> Value {
    edge.http
        .post("/v1/auth/login", &[], &json!({"email": email, "password": password}))
        .await
        .expect_status(200)
}

fn bearer(session: &Value) -> String {
    format!("Bearer {}", session["access_token"].as_str().unwrap())
}

/// Asks at a gateway until the token is refused there. What is asked after the promised time must not be let in.
pub(crate) async fn is_refused(
    edge: &Edge,
    method: &str,
    path: &str,
    session: &Value,
    body: Option<&Value>,
    changed: Instant,
) {
    let (deadline, bearer) = (changed + DEADLINE, bearer(session));
    loop {
        let asked = Instant::now();
        let answer = edge.http.call(method, path, &[("authorization", &bearer)], body).await;
        if answer.status == 401 {
            return;
        }
        let late = asked > changed + PROMISED;
        assert!(!(answer.status.is_success() && late), "{method} {path}: let in after {:?}", asked - changed);
        assert!(asked < deadline, "{method} {path}: {answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn change_everywhere_within_seconds(platform: &Deployment) {
    let books = "/v1/operations/books/counted?ledger=emotions";
    let made = platform.command(&["admin", "create", "--email", "root@example.com"]).await;
    let said = text(&made);
    assert!(made.status.success() && said.contains("is admin now"), "{said}");
    let password = said.lines().find_map(|line| line.strip_prefix("password, shown only now: ")).unwrap();
    let root = log_in(platform, "root@example.com", password).await;
    let ana = platform.person("ana").await;
    let mut session = log_in(platform, "ana@example.com", PASSWORD).await;
    let access = format!("/v1/users/{}/access", ana.id);
    let grant = async |roles: &[&str]| {
        let wanted = json!({"roles": roles, "permissions": []});
        let headers = [("authorization", bearer(&root))];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let answer = platform.http.call("PUT", &access, &headers, Some(&wanted)).await;
        (answer.expect_status(200), Instant::now())
    };
    for (roles, status) in [(&["operator"][..], 200), (&[], 403)] {
        let (_, changed) = grant(roles).await;
        let own = format!("/v1/users/{}", ana.id);
        let buys = json!({"userId": ana.id, "amount": 1, "transactionId": format!("{status}")});
        for edge in platform.gateways() {
            is_refused(edge, "GET", &own, &session, None, changed).await;
            is_refused(edge, "POST", "/v1/transactions", &session, Some(&buys), changed).await;
        }
        let refresh = json!({"refresh_token": session["refresh_token"]});
        session = platform.other().http.post("/v1/auth/refresh", &[], &refresh).await.expect_status(200);
        for edge in platform.gateways() {
            let answer = edge.http.get(books, &[("authorization", &bearer(&session))]).await;
            assert_eq!(answer.status, status, "{roles:?} {answer:?}");
        }
    }
    ends_with_its_session(platform, &session).await;
}

/// A session's tokens end with it, those of another go on.
async fn ends_with_its_session(platform: &Deployment, session: &Value) {
    let other = log_in(platform, "ana@example.com", PASSWORD).await;
    let body = json!({"refresh_token": session["refresh_token"]});
    assert_eq!(platform.http.post("/v1/auth/logout", &[], &body).await.status, 204);
    let changed = Instant::now();
    for edge in platform.gateways() {
        is_refused(edge, "GET", "/v1/roles", session, None, changed).await;
        edge.http.get("/v1/roles", &[("authorization", &bearer(&other))]).await.expect_status(200);
    }
}

#[tokio::test]
async fn nobody_rises_above_those_who_let_them() {
    let app = TestApp::start().await;
    let (ana, ben) = (app.person("ana").await, app.person("ben").await);
    let operator = app.operator();
    operator.change_access(ana.id, &["admin"], &[]).await.unwrap();
    let of_ana = log_in(&app, "ana@example.com", PASSWORD).await;
    let put = async |session: &Value, user, wanted: Value| {
        let path = format!("/v1/users/{user}/access");
        app.http.call("PUT", &path, &[("authorization", &bearer(session))], Some(&wanted)).await
    };
    let nothing = json!({"roles": [], "permissions": []});
    put(&of_ana, ana.id, nothing.clone()).await.expect_problem(409, &[]);
    let some = json!({"roles": ["operator"], "permissions": ["access:write"]});
    put(&of_ana, ben.id, some.clone()).await.expect_status(200);
    let of_ben = log_in(&app, "ben@example.com", PASSWORD).await;
    put(&of_ben, ben.id, json!({"roles": ["admin"], "permissions": []})).await.expect_problem(403, &[]);
    put(&of_ben, ana.id, nothing).await.expect_problem(403, &[]);
    let unknown = json!({"roles": ["operator", "king"], "permissions": ["users:eat"]});
    put(&of_ana, ben.id, unknown).await.expect_problem(422, &["roles[1]", "permissions[0]"]);
    let nobody = ecs_domain::UserId::new(uuid::Uuid::from_u128(9));
    put(&of_ana, nobody, some).await.expect_problem(404, &[]);
    app.stop().await;
}

/// Who has logged out everywhere is told nothing more.
#[tokio::test]
async fn a_stream_ends_with_the_token_that_opened_it() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    let mut stream = app.client_of(&ana).follow(ana.id, None).await.unwrap();
    app.as_person(&ana, "POST", "/v1/auth/logout-everywhere", None).await;
    let told = timeout(DEADLINE, stream.next()).await.expect("it ends in time").unwrap();
    assert_eq!(told, Some(Told::End("expired".to_owned())));
    app.stop().await;
}

#[tokio::test]
async fn keys_are_changed_while_requests_run() {
    let folder = tempfile::tempdir().unwrap();
    let keys = KeyList::within(folder.path());
    keys.of_emotions(&["old"]);
    let app = TestApp::with(&[("ECS_SERVICE_KEYS_FILE", keys.file())]).await;
    let ana = app.person("ana").await;
    let send = async |key: &str| {
        let body = emotion(ana.id, app.platform_now(), "mood", (0.5, 0.5, 0.5));
        app.http.post("/v1/emotions/stream", &[("x-internal-key", key)], &body).await.status.as_u16()
    };
    assert_eq!((send("old").await, send("new").await), (202, 401));
    keys.of_emotions(&["old", "new"]);
    eventually("the new key is accepted", async || {
        assert_eq!(send("old").await, 202);
        (send("new").await == 202).then_some(())
    })
    .await;
    keys.replace("[[keys]]\nname = 7");
    assert_eq!((send("old").await, send("new").await), (202, 202));
    keys.of_emotions(&["new"]);
    eventually("the old key is refused", async || {
        assert_eq!(send("new").await, 202);
        (send("old").await == 401).then_some(())
    })
    .await;
    let scores = app.http.post("/v1/predict", &[("x-internal-key", "new")], &json!({})).await;
    scores.expect_problem(403, &[]);
    app.stop().await;
}
