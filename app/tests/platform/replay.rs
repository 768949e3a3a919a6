//! `ecs replay` with the real binary, on a platform that runs and on one that is stopped.

use std::path::Path;

use ecs::platform::SystemClock;
use ecs_domain::{Clock as _, UserId, utc_day};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::http::Http;
use crate::support::process::{Server, ecs, run, text};
use crate::support::{DEADLINE, emotion};

/// What a command prints; it must end with this code.
async fn prints(data: &Path, code: i32, arguments: &[&str]) -> String {
    let output = run(ecs(data, arguments)).await;
    let text = text(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    text
}

/// Changes the summary behind the platform's back.
fn tamper(data: &Path) {
    let sql = "UPDATE emotional_events_summary SET positivity_sum = positivity_sum + 7";
    assert_eq!(Connection::open(data.join("store.sqlite")).unwrap().execute(sql, []).unwrap(), 1);
}

/// A user with three events of now.
async fn feel(data: &Path, server: &Server) {
    let http = Http::new(server.url.trim_start_matches("http://").parse().unwrap());
    let login = json!({"email": "ana@example.com", "password": "correct horse battery"});
    let ana = http.post("/v1/auth/register", &[], &login).await.expect_status(201);
    let user: UserId = ana["id"].as_str().unwrap().parse().unwrap();
    let kept = std::fs::read_to_string(data.join("secrets.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    let key = kept["internal_key"].as_str().unwrap();
    let now = SystemClock.now();
    for name in ["one", "two", "three"] {
        let body = emotion(user, now, name, (0.25, 0.5, 0.5));
        http.post("/v1/emotions/stream", &[("x-internal-key", key)], &body).await.expect_status(202);
    }
}

#[tokio::test]
async fn a_summary_that_is_off_is_healed_whether_the_platform_runs_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let server = Server::start(data).await;
    feel(data, &server).await;
    prints(data, 0, &["verify", "--wait", "30"]).await;
    assert!(prints(data, 0, &["replay"]).await.contains("confirmed       1"));

    tamper(data);
    prints(data, 1, &["verify"]).await;
    let said = prints(data, 0, &["replay"]).await;
    assert!(said.contains("healed          1") && said.contains("confirmed       0"), "{said}");
    prints(data, 0, &["verify"]).await;
    tamper(data);
    let today = utc_day(SystemClock.now()).to_string();
    let from_log = ["replay", "--from", &today, "--to", &today];
    assert!(prints(data, 0, &from_log).await.contains("healed          1"));
    prints(data, 0, &["verify"]).await;

    server.signal("TERM");
    let mut child = server.child;
    assert!(tokio::time::timeout(DEADLINE, child.wait()).await.unwrap().unwrap().success());
    tamper(data);
    let said: Value = serde_json::from_str(&prints(data, 0, &["replay", "--json"]).await).unwrap();
    assert_eq!((&said["phase"], &said["healed"], &said["kept"]), (&json!("switched"), &json!(1), &json!(0)));
    prints(data, 0, &["verify"]).await;
    tamper(data);
    let said = prints(data, 0, &from_log).await;
    assert!(said.contains("from the log of the bus") && said.contains("healed          1"), "{said}");
    prints(data, 0, &["verify"]).await;
    let said = prints(data, 1, &["replay", "--from", "2020-02-29", "--to", &today]).await;
    assert!(said.contains("the day 2020-02-29 began before the log does"), "{said}");
    assert!(prints(data, 2, &["replay", "--from", &today]).await.contains("--to"));
}
