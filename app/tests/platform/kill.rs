//! kill -9 under load: nothing that got its 202 is lost, nothing counts twice, nothing is made up.

use std::path::Path;
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use tokio::process::Child;

use crate::support::eventually;
use crate::support::process::{Server, ecs, run, text};

/// How often the process dies: ten times in every run, more in a soak (`make soak`), with other moments each time.
fn kills() -> (u64, u64) {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    (number("ECS_TEST_KILLS", 10), number("ECS_TEST_SEED", 20_251_120))
}

/// Starts a crowd that goes on however often the platform dies, and notes every promise it gets in the journal.
fn crowd(data: &Path, url: &str, round: u64) -> Child {
    let seed = round.to_string();
    let arguments = [
        "simulate",
        "--url",
        url,
        "--rate",
        "3000",
        "--users",
        "60",
        "--seconds",
        "600",
        "--seed",
        &seed,
        "--journeys-every",
        "0.02",
    ];
    let mut command = ecs(data, &arguments);
    command.arg("--journal").arg(data.join("journal"));
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
}

/// How many events the journal holds the promise of.
fn promised(data: &Path) -> usize {
    let journal = std::fs::read_to_string(data.join("journal")).unwrap_or_default();
    journal.lines().filter(|line| line.contains("\"accepted\"")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_at_ten_random_moments_loses_nothing_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (kills, seed) = kills();
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    for round in 0..kills {
        let server = Server::start(data).await;
        let before = promised(data);
        let mut crowd = crowd(data, &server.url, round);
        eventually("the crowd is being served", async || (promised(data) > before + 50).then_some(())).await;
        // The moment of death is a number of promises rather than a time: on a slow machine the test is as hard.
        let more = random.random_range(1..1_500);
        eventually("the moment has come", async || (promised(data) > before + more).then_some(())).await;
        server.kill().await;
        crowd.kill().await.unwrap();
        // The books must balance over what the dead process left behind, and again once it has caught up.
        let verified = run(ecs(data, &["verify"])).await;
        assert!(verified.status.success(), "round {round}, stopped: {}", text(&verified));
    }
    let server = Server::start(data).await;
    let journal = data.join("journal");
    let verify = ["verify", "--wait", "30", "--json", "--journal", journal.to_str().unwrap()];
    let verified = run(ecs(data, &verify)).await;
    assert!(verified.status.success(), "{}", text(&verified));
    let findings: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    let accepted = &findings["journal"]["accepted"];
    assert_eq!(accepted["total"], accepted["counted"], "{findings:#}");
    assert!(accepted["total"].as_u64().unwrap() > kills * 50, "{findings:#}");
    println!("{kills} kills, seed {seed}: {}", findings["journal"]["accepted"]);
    assert_eq!(findings["books"]["offers"]["pending"], 0, "{findings:#}");
    assert_eq!(
        findings["books"]["offers"]["active"], findings["books"]["offers"]["notified"],
        "{findings:#}"
    );
    assert!(findings["books"]["offers"]["active"].as_u64().unwrap() > 0, "nobody got a credit: {findings:#}");
    server.signal("TERM");
    let mut child = server.child;
    let ended = tokio::time::timeout(Duration::from_secs(30), child.wait()).await.unwrap().unwrap();
    assert!(ended.success(), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_books_notice_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let server = Server::start(data).await;
    let journal = data.join("journal");
    let arguments = [
        "simulate",
        "--url",
        &server.url,
        "--rate",
        "0",
        "--users",
        "5",
        "--count",
        "200",
        "--journal",
        journal.to_str().unwrap(),
    ];
    let simulated = run(ecs(data, &arguments)).await;
    assert!(simulated.status.success(), "{}", text(&simulated));
    let verify = ["verify", "--wait", "30", "--journal", journal.to_str().unwrap()];
    assert!(run(ecs(data, &verify)).await.status.success());
    server.kill().await;

    let store = rusqlite::Connection::open(data.join("store.sqlite")).unwrap();
    let removed =
        store.execute("DELETE FROM transactions WHERE id = (SELECT min(id) FROM transactions)", []).unwrap();
    assert_eq!(removed, 1);
    drop(store);
    let verified = run(ecs(data, &verify)).await;
    assert_eq!(verified.status.code(), Some(1), "{}", text(&verified));
    assert!(
        text(&verified).contains("DO NOT balance") && text(&verified).contains("transactions"),
        "{}",
        text(&verified)
    );
}
