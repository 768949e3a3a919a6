//! Requests with an `Idempotency-Key`, over the whole platform: whatever is repeated, raced or killed, each key has one
//! effect and one answer.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use ecs_domain::UserId;
use ecs_domain::permission::Permission;
use serde_json::{Value, json};

use crate::support::http::{Answer, Http};
use crate::support::process::Server;
use crate::support::{INTERNAL_KEY, PASSWORD, Person, TestApp, emotion, eventually};

const REGISTER: &str = "/v1/auth/register";
const STREAM: &str = "/v1/emotions/stream";

fn replayed(answer: &Answer) -> bool {
    answer.headers.contains_key("idempotency-replayed")
}

/// An emotion that its sender didn't name.
fn unnamed(app: &TestApp, user: UserId) -> Value {
    let mut body = emotion(user, ecs_domain::Clock::now(&app.clock), "", (0.8, 0.3, 0.1));
    body.as_object_mut().unwrap().remove("eventId");
    body
}

/// How many emotions and how many transactions the aggregates count.
fn counted(app: &TestApp) -> (i64, i64) {
    let one = |sql: &str| app.query::<i64>(sql)[0];
    (
        one("SELECT coalesce(sum(event_count), 0) FROM emotional_events_summary"),
        one("SELECT count(*) FROM transactions"),
    )
}

async fn as_keyed(app: &TestApp, person: &Person, path: &str, key: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {}", person.token);
    app.http.post(path, &[("authorization", &bearer), ("idempotency-key", key)], body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn events_count_once_for_each_key() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    let felt = unnamed(&app, ana.id);
    let headers = [("x-internal-key", INTERNAL_KEY), ("idempotency-key", "feeling 1")];
    let first = app.http.post(STREAM, &headers, &felt).await.expect_status(202);
    let again = app.http.post(STREAM, &headers, &felt).await.expect_status(202);
    assert_eq!(first["eventId"], again["eventId"]);
    let bought = json!({"userId": ana.id, "amount": 12.5});
    for _ in 0..3 {
        as_keyed(&app, &ana, "/v1/transactions", "purchase 1", &bought).await.expect_status(202);
    }
    as_keyed(&app, &ana, "/v1/transactions", "purchase 2", &bought).await.expect_status(202);
    app.settled().await;
    assert_eq!(counted(&app), (1, 2));
    let words: Vec<String> = app.query("SELECT client_id FROM transactions ORDER BY client_id");
    assert_eq!(words, ["purchase 1", "purchase 2"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_sent_twice_counts_once() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    let lines: String = (0..2_500).map(|_| format!("{}\n", unnamed(&app, ana.id))).collect();
    let headers = [
        ("x-internal-key", INTERNAL_KEY),
        ("content-type", "application/x-ndjson"),
        ("idempotency-key", "\"the upload of Friday\""),
    ];
    let send = || app.http.send("POST", STREAM, &headers, lines.clone());
    let (first, second) = tokio::join!(send(), send());
    assert_eq!(first.expect_status(202)["accepted"], 2_500);
    assert_eq!(second.expect_status(202)["accepted"], 2_500);
    app.settled().await;
    assert_eq!(counted(&app), (2_500, 0), "equal lines of one upload are events of their own");
    send().await.expect_status(202);
    app.settled().await;
    assert_eq!(counted(&app), (2_500, 0));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn identical_requests_at_once_have_one_effect_and_one_answer() {
    let app = TestApp::start().await;
    let login = json!({"email": "ana@example.com", "password": PASSWORD});
    let all = futures::future::join_all(
        (0..16).map(|_| app.http.post(REGISTER, &[("idempotency-key", "k")], &login)),
    );
    let answers = all.await;
    let made: Vec<&Answer> =
        answers.iter().filter(|answer| answer.status == 201 && !replayed(answer)).collect();
    assert_eq!(made.len(), 1, "{answers:?}");
    for answer in &answers {
        match answer.status.as_u16() {
            201 => assert_eq!(answer.body, made[0].body),
            409 => assert_eq!(answer.headers["retry-after"], "1", "{answer:?}"),
            _ => panic!("{answer:?}"),
        }
    }
    let after = app.http.post(REGISTER, &[("idempotency-key", "k")], &login).await;
    assert!(replayed(&after));
    assert_eq!(after.body, made[0].body);
    assert_eq!(app.query::<i64>("SELECT count(*) FROM users"), [1]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_the_same_after_a_restart_and_gone_with_the_day() {
    let app = TestApp::start().await;
    let operator = UserId::new(uuid::Uuid::nil());
    let bearer = |app: &TestApp| format!("Bearer {}", app.token(operator, &[Permission::UsersCreate]));
    let provision = async |app: &TestApp, email: &str| {
        let headers = [("authorization", &*bearer(app)), ("idempotency-key", "k")];
        app.http.post("/v1/users", &headers, &json!({"email": email})).await
    };
    let first = provision(&app, "ana@example.com").await;
    first.expect_status(201);
    provision(&app, "bia@example.com").await.expect_problem(422, &["Idempotency-Key"]);
    let taken = json!({"email": "ana@example.com"});
    let other_key = [("authorization", &*bearer(&app)), ("idempotency-key", "l")];
    let conflict = app.http.post("/v1/users", &other_key, &taken).await;
    conflict.expect_problem(409, &[]);

    let app = app.restart().await;
    let again = provision(&app, "ana@example.com").await;
    assert!(replayed(&again));
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    let same_conflict = app.http.post("/v1/users", &other_key, &taken).await;
    assert!(replayed(&same_conflict));
    assert_eq!(same_conflict.body, conflict.body, "with the first request's id");
    assert_ne!(same_conflict.headers["x-request-id"], conflict.headers["x-request-id"]);

    // Whatever is due is swept as the process starts.
    app.clock.advance(Duration::from_secs(24 * 3600 + 60));
    let app = app.restart().await;
    eventually("the answers are forgotten", async || {
        (app.query::<i64>("SELECT count(*) FROM idempotency_keys") == [0]).then_some(())
    })
    .await;
    provision(&app, "ana@example.com").await.expect_problem(409, &[]);
    app.stop().await;
}

/// Registrations that run while the process is killed: each is made again with its key until it is answered, and there
/// is one account for each.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_leaves_no_half_of_a_request() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path()).await;
    let mut ids = BTreeSet::new();
    // Dead with claims and no answer yet, with one answer more, with another one.
    for (round, answers) in [0, 1, 2].into_iter().enumerate() {
        let begun: Vec<_> =
            (0..3).map(|n| tokio::spawn(register(server.url.clone(), format!("{round}-{n}")))).collect();
        let before = i64::try_from(ids.len()).unwrap();
        eventually("the moment has come", async || {
            let (claimed, answered) = keys(folder.path());
            (claimed > before && answered >= before + answers).then_some(())
        })
        .await;
        server.kill().await;
        server = Server::start(folder.path()).await;
        for (n, first) in begun.into_iter().enumerate() {
            let first = first.await.unwrap();
            let answer = register(server.url.clone(), format!("{round}-{n}")).await.unwrap();
            if let Some(first) = first {
                assert_eq!(
                    first.body, answer.body,
                    "what was answered before the kill is the answer after it"
                );
            }
            let account = answer.expect_status(201);
            assert!(ids.insert(account["id"].as_str().unwrap().to_owned()), "{account}");
        }
    }
    server.kill().await;
    let store = rusqlite::Connection::open(folder.path().join("store.sqlite")).unwrap();
    let accounts: i64 = store.query_row("SELECT count(*) FROM users", [], |row| row.get(0)).unwrap();
    assert_eq!((accounts, ids.len()), (9, 9));
}

/// One attempt; nothing when the process died over it.
async fn register(url: String, name: String) -> Option<Answer> {
    let http = Http::new(url.strip_prefix("http://")?.parse().ok()?);
    let body = json!({"email": format!("{name}@example.com"), "password": PASSWORD});
    let headers = [("idempotency-key", &*name), ("content-type", "application/json")];
    http.try_send("POST", REGISTER, &headers, body.to_string()).await
}

/// How many keys there are, and how many of them have their answer.
fn keys(data: &Path) -> (i64, i64) {
    let store = rusqlite::Connection::open(data.join("store.sqlite")).unwrap();
    let sql = "SELECT count(*), count(answer) FROM idempotency_keys";
    store.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}
