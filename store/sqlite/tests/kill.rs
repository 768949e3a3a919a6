//! A process that dies in the middle of its work: what it said is done is done, and nothing is half done.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use ecs_domain::emotion::EmotionEvent;
use ecs_store::{Books, Folded, Folds, Maintenance};
use ecs_store_conformance::fixtures::{day, emotion, now, register, rules};
use ecs_store_sqlite::{Options, SqliteStore};
use ecs_vault::Keyring;

/// Where the child finds its store. Without it, the child's test has nothing to do.
const STORE: &str = "ECS_KILL_TEST_STORE";
/// The first batch that the child folds.
const FIRST: &str = "ECS_KILL_TEST_FIRST";

fn batch(number: u128) -> Vec<EmotionEvent> {
    (0..700).map(|event| emotion(event % 7, number * 700 + event, "2026-11-20T08:00:00Z", [0.5; 3])).collect()
}

/// Not a test of its own: the process that the other test kills.
#[tokio::test]
async fn child_that_folds_until_it_is_killed() {
    let (Ok(path), Ok(first)) = (std::env::var(STORE), std::env::var(FIRST)) else { return };
    let store = SqliteStore::open(path, Keyring::in_memory(), Options::default()).unwrap();
    let first: u128 = first.parse().unwrap();
    for number in first..first + 100_000 {
        store.fold_emotions(&batch(number), rules(), now()).await.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nfolded {number}").unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test]
async fn a_killed_process_leaves_whole_batches() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path, Keyring::in_memory(), Options::default()).unwrap();
    register(&store, 0..7).await;
    store.close().await.unwrap();
    let mut first = 0;
    for lines in [1, 5, 12] {
        let last = fold_and_kill(&path, first, lines);
        let store = SqliteStore::open(&path, Keyring::in_memory(), Options::default()).unwrap();
        for number in 0..=last {
            let again = store.fold_emotions(&batch(number), rules(), now()).await.unwrap();
            assert!(
                again.iter().all(|folded| *folded == Folded::Repeated),
                "batch {number} was answered, and lost"
            );
        }
        // The batch that was under way is there or not, but whole.
        let under_way = store.fold_emotions(&batch(last + 1), rules(), now()).await.unwrap();
        assert!(under_way.iter().all(|folded| *folded == under_way[0]), "half a batch");
        assert_eq!(store.summary_mismatches(day("2026-11-20"), 10).await.unwrap(), []);
        store.close().await.unwrap();
        assert_sound(&path);
        first = last + 2;
    }
}

/// Runs the child, kills it after it has said so many times that it folded a batch, returns the last one it spoke of.
fn fold_and_kill(path: &Path, first: u128, lines: usize) -> u128 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_folds_until_it_is_killed", "--nocapture"])
        .env(STORE, path)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .filter_map(|line| line.unwrap().strip_prefix("folded ").map(|number| number.parse().unwrap()));
    for _ in 0..lines {
        said.next().unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it managed to say before it died was said after the commit.
    said.last().unwrap_or(first + lines as u128 - 1)
}

fn assert_sound(path: &Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}
