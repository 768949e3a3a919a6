//! `ecs simulate` against a running platform.

use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::process::{Server, ecs, run, text};
use crate::support::{DEADLINE, eventually};

async fn simulate(data: &Path, arguments: &[&str]) -> Output {
    let mut all = vec!["simulate"];
    all.extend(arguments);
    run(ecs(data, &all)).await
}

async fn findings(data: &Path, journal: &str) -> Value {
    let verified = run(ecs(data, &["verify", "--wait", "30", "--json", "--journal", journal])).await;
    assert!(verified.status.success(), "{}", text(&verified));
    serde_json::from_slice(&verified.stdout).unwrap()
}

#[tokio::test]
async fn a_month_uploaded_in_lines_balances_and_again_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let server = Server::start(data).await;
    let (journal, outcomes) = (data.join("journal"), data.join("outcomes.csv"));
    let (journal, outcomes) = (journal.to_str().unwrap(), outcomes.to_str().unwrap());
    let month = [
        "--history",
        "30",
        "--users",
        "20",
        "--ndjson",
        "500",
        "--json",
        "--journal",
        journal,
        "--outcomes",
        outcomes,
    ];
    let mut counted = None;
    for round in 0..2 {
        let output = simulate(data, &month).await;
        assert!(output.status.success(), "{}", text(&output));
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(
            summary["sent"].as_u64().unwrap() > 1_500 && summary["uploads"].as_u64().unwrap() > 3,
            "{summary:#}"
        );
        assert_eq!(summary["sent"], summary["accepted"], "{summary:#}");
        assert_eq!(summary["personas"]["steady-earner"]["users"], 9, "{summary:#}");
        let findings = findings(data, journal).await;
        let accepted = &findings["journal"]["accepted"];
        assert_eq!(
            (&accepted["total"], &accepted["counted"]),
            (&summary["sent"], &summary["sent"]),
            "{findings:#}"
        );
        let before = counted.replace(findings["journal"]["counted_of_users"].clone());
        assert_eq!(before.unwrap_or_else(|| summary["sent"].clone()), summary["sent"], "round {round}");
    }
    server.kill().await;
    let store = rusqlite::Connection::open(data.join("store.sqlite")).unwrap();
    let days = |sql: &str| store.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(days("SELECT count(DISTINCT substr(occurred_at, 1, 10)) FROM transactions"), 30);
    assert_eq!(days("SELECT count(DISTINCT summary_date) FROM emotional_events_summary"), 30);
    let users = days("SELECT count(DISTINCT user_id) FROM emotional_events_summary");
    let file = std::fs::read_to_string(outcomes).unwrap();
    let named = file.lines().filter(|line| {
        line.contains(",default-process-1") && line.split(',').nth(2).is_some_and(|user| !user.is_empty())
    });
    assert_eq!((named.count(), users), (20, 20), "{file}");
}

#[tokio::test]
async fn outcomes_need_no_platform_and_are_always_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let written = async |name: &str, more: &[&str]| {
        let path = folder.path().join(name);
        let mut arguments = vec!["--from", "2026-10-01", "--to", "2026-10-30", "--users", "200"];
        arguments.extend(["--outcomes-only", "--outcomes", path.to_str().unwrap()]);
        arguments.extend(more);
        let output = simulate(folder.path(), &arguments).await;
        assert!(output.status.success(), "{}", text(&output));
        std::fs::read_to_string(path).unwrap()
    };
    let first = written("first.csv", &[]).await;
    assert_eq!(first, written("second.csv", &[]).await);
    let all_under_stress = written("third.csv", &["--personas", "stressed-spender=1"]).await;
    let defaults = |file: &str| file.lines().filter(|line| line.split(',').nth(5) == Some("1")).count();
    assert!((8..35).contains(&defaults(&first)), "{}", defaults(&first));
    assert!(defaults(&all_under_stress) > defaults(&first));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let check = async |arguments: &[&str], expect: &str| {
        let output = simulate(folder.path(), arguments).await;
        let printed = text(&output);
        assert!(!output.status.success() && printed.contains(expect), "{arguments:?}: {printed}");
    };
    check(&["--from", "2026-10-02", "--to", "2026-10-01"], "comes before its first").await;
    check(&["--from", "2026-10-02", "--to", "9000-10-01"], "is not over yet").await;
    check(&["--history", "0"], "a history has days").await;
    check(&["--personas", "banker=3"], "steady-earner, stressed-spender").await;
    check(&["--ndjson", "20000"], "1 to 10000 lines").await;
    check(&["--outcomes-only"], "--outcomes").await;
}

/// Ctrl-C ends the sending and not the account of it.
#[tokio::test]
async fn an_interrupted_simulation_says_how_far_it_came() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let server = Server::start(data).await;
    let journal = data.join("journal");
    let mut command =
        ecs(data, &["simulate", "--seconds", "600", "--rate", "400", "--ndjson", "50", "--users", "5"]);
    command.arg("--journal").arg(&journal).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let promised = || std::fs::read_to_string(&journal).unwrap_or_default().matches("\"accepted\"").count();
    eventually("events are accepted", async || (promised() > 100).then_some(())).await;
    let pid = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
    let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success() && text(&output).contains("events/s"), "{}", text(&output));
    assert!(!text(&output).contains('\x1b'), "no panel where there is no terminal: {}", text(&output));
    let findings = findings(data, journal.to_str().unwrap()).await;
    assert_eq!(
        findings["journal"]["accepted"]["total"], findings["journal"]["accepted"]["counted"],
        "{findings:#}"
    );
    server.kill().await;
}
