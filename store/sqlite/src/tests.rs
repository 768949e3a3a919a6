//! What SQLite can do to the engine, and what the engine makes of it: full disks, locks, panics, newer files.

use std::sync::mpsc;
use std::time::Duration;

use ecs_domain::permission::{Access, Permission, Role};
use ecs_store::{Folded, Folds, Maintenance, RightsChange, RightsOfUsers, StoreError, Users};
use ecs_store_conformance::fixtures::{emotion, new_user, now, register, rules, user};
use ecs_vault::Keyring;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::engine::Size;
use crate::{Options, SqliteStore};

const MORNING: &str = "2026-11-20T08:00:00Z";

fn open(folder: &TempDir) -> SqliteStore {
    let options = Options { busy_timeout: Duration::from_millis(20), ..Options::default() };
    SqliteStore::open(folder.path().join("store.db"), Keyring::in_memory(), options).unwrap()
}

/// Lets the file grow by so many pages and no further, as a full disk would.
async fn allow_pages(store: &SqliteStore, more: i64) {
    let allow = move |connection: &Connection| {
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        connection.pragma_update(None, "max_page_count", pages + more)?;
        Ok(())
    };
    store.write("test", allow).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_fails_the_call_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    register(&store, [1]).await;
    let events: Vec<_> = (0..2_000).map(|id| emotion(1, id, MORNING, [0.5; 3])).collect();
    allow_pages(&store, 4).await;
    for batch in [&events[..], &events[..500]] {
        let refused = store.fold_emotions(batch, rules(), now()).await.unwrap_err();
        assert!(refused.is_retryable(), "{refused}");
    }
    allow_pages(&store, 10_000).await;
    let folded = store.fold_emotions(&events, rules(), now()).await.unwrap();
    assert!(folded.iter().all(|folded| *folded == Folded::Counted), "the failed batch left a trace");
}

#[tokio::test]
async fn a_held_lock_fails_writes_but_not_reads() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    register(&store, [1]).await;
    let other = Connection::open(folder.path().join("store.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = store.register(new_user(2, "bia@example.com"), None).await.unwrap_err();
    assert!(refused.is_retryable(), "{refused}");
    assert!(store.user(user(1)).await.unwrap().is_some());
    other.execute_batch("ROLLBACK").unwrap();
    store.register(new_user(2, "bia@example.com"), None).await.unwrap();
}

#[tokio::test]
async fn a_failing_task_does_not_fail_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    // Holds the writer until all the others wait behind it, so that they share one transaction.
    let (release, held) = mpsc::channel::<()>();
    let gate = store.write_sized("test", Size::Large, move |_| Ok(held.recv().ok()));
    let first = store.register(new_user(1, "ana@example.com"), None);
    let taken = store.register(new_user(2, "ana@example.com"), None);
    let panics = store.write::<(), _>("test", |connection| {
        connection.execute("INSERT INTO users VALUES ('x', NULL, NULL, NULL, '', '')", [])?;
        panic!("a defect")
    });
    let last = store.register(new_user(3, "eva@example.com"), None);
    let unblock = async { release.send(()).unwrap() };
    // `join!` polls in order: everything is queued before the gate opens.
    let (_, first, taken, panics, last, ()) = tokio::join!(gate, first, taken, panics, last, unblock);
    last.unwrap();
    // Keys are made before anything is queued, so either may come first.
    let (won, lost) = if first.is_ok() { (first, taken) } else { (taken, first) };
    won.unwrap();
    assert!(matches!(lost, Err(StoreError::Taken("email"))));
    assert!(matches!(panics, Err(StoreError::Corrupt(_))));
    let users: i64 = store
        .read("test", |c| Ok(c.query_row("SELECT count(*) FROM users", [], |row| row.get(0))?))
        .await
        .unwrap();
    assert_eq!(users, 2, "what the panicking task wrote is gone");
}

#[tokio::test]
async fn a_reader_survives_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    for _ in 0..4 {
        assert!(store.read::<(), _>("test", |_| panic!("a defect")).await.is_err());
    }
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    open(&folder).close().await.unwrap();
    let path = folder.path().join("store.db");
    assert_eq!(SqliteStore::pending_migrations(&path, &Options::default()).unwrap(), []);
    let other = Connection::open(&path).unwrap();
    other.execute("INSERT INTO schema_migrations VALUES (9999, 'later', '', '')", []).unwrap();
    let refused =
        SqliteStore::open(&path, Keyring::in_memory(), Options::default()).err().unwrap().to_string();
    assert!(refused.contains("use a newer binary"), "{refused}");
}

#[test]
fn asking_what_is_pending_makes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let options = Options::default();
    let pending = SqliteStore::pending_migrations(&path, &options).unwrap();
    assert!(!pending.is_empty() && !path.exists());
    assert_eq!(SqliteStore::migrate(&path, &options).unwrap(), pending);
    assert_eq!(SqliteStore::pending_migrations(&path, &options).unwrap(), []);
}

#[tokio::test]
async fn closing_folds_the_log_back_into_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    register(&store, [1]).await;
    store.close().await.unwrap();
    assert!(!folder.path().join("store.db-wal").exists());
}

#[tokio::test]
async fn contract_columns_read_as_others_expect_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    register(&store, [1]).await;
    let of_transaction = ecs_store_conformance::fixtures::transaction(1, 1, MORNING, 1_205);
    store.fold_transactions(&[of_transaction], now()).await.unwrap();
    let sql = "SELECT user_id, amount, occurred_at, created_at FROM transactions";
    let row: (String, String, String, String) = store
        .read("test", move |c| {
            Ok(c.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?)
        })
        .await
        .unwrap();
    let at = |text: &str| text.to_owned();
    let expect = (
        user(1).to_string(),
        at("12.05"),
        at("2026-11-20T08:00:00.000000Z"),
        at("2026-11-20T12:00:00.000000Z"),
    );
    assert_eq!(row, expect);
}

/// A newer version that runs beside this one granted what this one doesn't know, and mustn't find it gone.
#[tokio::test]
async fn a_change_of_rights_keeps_what_only_a_newer_version_knows() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    register(&store, [1]).await;
    let change = |access| RightsChange {
        user: user(1),
        access,
        granter: user(2),
        held: Permission::ALL.iter().copied().collect(),
        now: now(),
    };
    store.change_rights(change(Access::of([Role::Analyst], []))).await.unwrap();
    let grant = "UPDATE user_rights SET roles = ' analyst auditor ', permissions = ' audit:read moons:land '";
    store.write("test", move |connection| Ok(connection.execute(grant, [])?)).await.unwrap();
    let check = async |access: Access, expect: [&str; 2]| {
        store.change_rights(change(access.clone())).await.unwrap();
        assert_eq!(store.rights(user(1)).await.unwrap().unwrap().access, access);
        let words = "SELECT roles, permissions FROM user_rights";
        let read = |connection: &Connection| {
            Ok(connection.query_row(words, [], |row| Ok([row.get::<_, String>(0)?, row.get(1)?]))?)
        };
        assert_eq!(store.write("test", read).await.unwrap(), expect);
    };
    check(Access::of([Role::Operator], []), [" operator auditor ", " moons:land "]).await;
    check(Access::of([], [Permission::AuditRead]), [" auditor ", " audit:read moons:land "]).await;
    check(Access::default(), [" auditor ", " moons:land "]).await;
}

/// They hold what customers felt and bought.
#[cfg(unix)]
#[tokio::test]
async fn the_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    register(&store, [1]).await;
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 3, "the database and the two files beside it: {files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{file:?}");
    }
}

/// Where flushing has two strengths, as on macOS, a commit is answered after the stronger one.
#[tokio::test]
async fn a_commit_reaches_the_disk_itself() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    for (pragma, expect) in [("synchronous", 2), ("fullfsync", 1), ("checkpoint_fullfsync", 1)] {
        let read =
            move |connection: &Connection| Ok(connection.pragma_query_value(None, pragma, |row| row.get(0))?);
        let value: i64 = store.write("test", read).await.unwrap();
        assert_eq!(value, expect, "{pragma}");
    }
}
