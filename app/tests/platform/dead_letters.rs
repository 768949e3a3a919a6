//! Dead letters as an operator meets them: with the real binary, on a platform that runs and on one that is stopped.

use std::path::Path;

use ecs_domain::UserId;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::http::Http;
use crate::support::process::{Server, ecs, run, text};
use crate::support::{DEADLINE, emotion, eventually};

/// Sends emotion events to a server, as a partner does.
async fn send(data: &Path, server: &Server, user: UserId, names: &[&str]) {
    let http = Http::new(server.url.trim_start_matches("http://").parse().unwrap());
    let kept = std::fs::read_to_string(data.join("secrets.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    let key = kept["internal_key"].as_str().unwrap();
    for name in names {
        let body = emotion(user, "2026-01-02T03:04:05Z".parse().unwrap(), name, (0.123_454_321, 0.5, 0.5));
        http.post("/v1/emotions/stream", &[("x-internal-key", key)], &body).await.expect_status(202);
    }
}

/// What a command prints; it must end with this code.
async fn prints(data: &Path, code: i32, arguments: &[&str]) -> String {
    let output = run(ecs(data, arguments)).await;
    let text = text(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    text
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "it doesn't say {part:?}: {text}");
    }
}

async fn stop(server: Server) {
    server.signal("TERM");
    let mut child = server.child;
    assert!(tokio::time::timeout(DEADLINE, child.wait()).await.unwrap().unwrap().success());
}

#[tokio::test]
async fn an_event_of_an_unknown_user_is_seen_replayed_in_vain_and_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let server = Server::start(data).await;
    says(&prints(data, 0, &["dead-letters", "list"]).await, &["there are no such dead letters"]);
    let stranger = UserId::new(uuid::Uuid::from_u128(7));
    send(data, &server, stranger, &["mood-1"]).await;
    says(&prints(data, 0, &["verify", "--wait", "30"]).await, &["1 dead-lettered", "the books balance"]);

    let list = prints(data, 0, &["dead-letters", "list"]).await;
    says(
        &list,
        &["unknown-user", "waiting", &stranger.to_string(), "no account has this user id; replay the"],
    );
    assert!(list.lines().all(|line| line.chars().count() <= 100), "{list}");
    let count = prints(data, 0, &["dead-letters", "count"]).await;
    says(&count, &["       1  waiting   unknown-user  user.emotions.topic       emotion-processing"]);
    let shown = prints(data, 0, &["dead-letters", "show", "1"]).await;
    says(&shown, &["state           waiting, replayed 0 times", "history", "no account has this user id"]);
    assert!(!format!("{list}{shown}").contains("123454321"), "values are shown only when asked for: {shown}");
    says(&prints(data, 0, &["dead-letters", "show", "1", "--payload"]).await, &["0.123454321"]);

    says(&prints(data, 0, &["dead-letters", "replay", "1"]).await, &["replayed        1 (1)"]);
    eventually("the letter waits again", async || {
        let letter = prints(data, 0, &["dead-letters", "show", "1", "--json"]).await;
        let letter: Value = serde_json::from_str(&letter).unwrap();
        let back = letter["state"] == "waiting" && letter["replays"] == json!(1);
        back.then(|| assert_eq!(letter["history"].as_array().unwrap().len(), 2, "{letter}"))
    })
    .await;
    says(&prints(data, 0, &["verify", "--wait", "30"]).await, &["1 dead-lettered", "the books balance"]);

    // Nothing is done about more letters than were meant.
    says(&prints(data, 2, &["dead-letters", "drop", "--yes"]).await, &["<IDS|--all>"]);
    for both in [&["1", "--all"][..], &["1", "--kind", "gave-up"], &["--kind", "gave-up"]] {
        prints(data, 2, &[&["dead-letters", "drop", "--yes"], both].concat()).await;
    }
    says(&prints(data, 1, &["dead-letters", "drop", "1"]).await, &["say --yes"]);
    says(&prints(data, 0, &["dead-letters", "drop", "1", "--yes"]).await, &["dropped         1 (1)"]);
    let shown = prints(data, 0, &["dead-letters", "show", "1", "--payload"]).await;
    says(&shown, &["state           dropped since", "forgotten when it was dropped"]);
    assert!(!shown.contains("123454321"), "{shown}");
    says(&prints(data, 1, &["dead-letters", "replay", "1"]).await, &["none", "skipped         1 (1)"]);
    says(&prints(data, 0, &["verify", "--wait", "30"]).await, &["1 dead-lettered", "the books balance"]);
    let log = std::fs::read_to_string(data.join("serve.log")).unwrap();
    for what in ["a dead letter is replayed", "a dead letter is dropped"] {
        let line = log.lines().find(|line| line.contains(what)).unwrap();
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["letter_id"], line["operator_id"].is_string()), (&json!("1"), true), "{line}");
    }
    assert!(!log.contains("123454321"), "no log holds what an event said");
    stop(server).await;
    says(
        &prints(data, 0, &["dead-letters", "list", "--state", "dropped"]).await,
        &["dropped   unknown-user"],
    );
}

/// Accounts are lost, as with a backup that is older than the events, and restored; then nothing is missing.
#[tokio::test]
async fn events_of_a_lost_account_count_once_it_is_restored_and_they_are_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let sql = |sql: &str| Connection::open(data.join("store.sqlite")).unwrap().execute_batch(sql).unwrap();
    let server = Server::start(data).await;
    let http = Http::new(server.url.trim_start_matches("http://").parse().unwrap());
    let login = json!({"email": "ana@example.com", "password": "correct horse battery"});
    let ana = http.post("/v1/auth/register", &[], &login).await.expect_status(201);
    let ana = ana["id"].as_str().unwrap().parse().unwrap();
    stop(server).await;
    sql("CREATE TABLE lost AS SELECT * FROM users; DELETE FROM users");

    let server = Server::start(data).await;
    send(data, &server, ana, &["1", "2", "3"]).await;
    says(&prints(data, 0, &["verify", "--wait", "30"]).await, &["3 dead-lettered", "the books balance"]);
    stop(server).await;

    sql("INSERT INTO users SELECT * FROM lost; DROP TABLE lost");
    let page = prints(data, 0, &["dead-letters", "list", "--user", &format!("{ana}"), "--limit", "2"]).await;
    says(&page, &["there are more: --before 2"]);
    let filters = ["dead-letters", "replay", "--all", "--kind", "gave-up"];
    says(&prints(data, 0, &filters).await, &["replayed        none"]);
    let filters = ["dead-letters", "replay", "--all", "--kind", "unknown-user"];
    says(&prints(data, 0, &filters).await, &["replayed        3 ("]);
    says(&prints(data, 0, &["verify"]).await, &["3 pending", "the books balance", "3 in the"]);
    let server = Server::start(data).await;
    says(
        &prints(data, 0, &["verify", "--wait", "30"]).await,
        &["3 accepted = 3 counted", "the books balance"],
    );
    stop(server).await;
}
