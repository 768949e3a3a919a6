//! SQLite over the disk: what it promises with syncs, and what it can't without.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ecs_powerloss::{Disk, Image, Moment, Trigger, VFS};
use rusqlite::{Connection, OpenFlags};

const SYNC: Duration = Duration::from_micros(10);

fn open(folder: &Path, synchronous: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = Connection::open_with_flags_and_vfs(folder.join("test.db"), flags, VFS)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "wal_autocheckpoint", 10)?;
    connection.execute_batch("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, text TEXT NOT NULL)")?;
    Ok(connection)
}

/// Inserts numbers until the power goes. Returns the last one whose commit was answered.
fn fill(folder: &Path, synchronous: &str, from: i64) -> i64 {
    let mut last = from;
    let mut run = || -> rusqlite::Result<()> {
        let connection = open(folder, synchronous)?;
        loop {
            connection.execute("INSERT INTO t VALUES (?1, ?2)", (last + 1, "x".repeat(500)))?;
            last += 1;
        }
    };
    assert!(run().is_err());
    last
}

fn integrity(connection: &Connection) -> String {
    connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
}

/// Cuts again and again, and counts the cuts after which an answered commit was gone or the file was broken.
fn broken(synchronous: &str, cuts: u64, moment: Option<Moment>) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let (mut image, mut promised, mut broken) = (Image::default(), 0, 0);
    for seed in 0..cuts {
        let disk = Disk::restored(image, SYNC);
        let mount = disk.mount(folder.path()).unwrap();
        disk.arm(Trigger { moment, nth: 1 + seed * 7 % 90 });
        promised = fill(folder.path(), synchronous, promised);
        assert!(disk.cut().is_some());
        image = disk.wreck(seed).0;
        drop(mount);

        let disk = Disk::restored(image.clone(), SYNC);
        let mount = disk.mount(folder.path()).unwrap();
        let held = open(folder.path(), synchronous).and_then(|connection| {
            let last: i64 =
                connection.query_row("SELECT coalesce(max(n), 0) FROM t", [], |row| row.get(0))?;
            let count: i64 = connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?;
            Ok((last, count, integrity(&connection)))
        });
        drop(mount);
        match held {
            Ok((last, count, intact)) if last >= promised && count == last && intact == "ok" => {
                promised = last
            }
            _ => {
                broken += 1;
                (image, promised) = (Image::default(), 0);
            }
        }
    }
    broken
}

#[test]
fn what_was_committed_with_syncs_survives_every_cut() {
    for moment in [None, Some(Moment::CommitWrite), Some(Moment::CommitSync), Some(Moment::Checkpoint)] {
        assert_eq!(broken("full", 150, moment), 0, "{moment:?}");
    }
}

#[test]
fn what_was_committed_without_syncs_does_not() {
    for synchronous in ["normal", "off"] {
        let broken = broken(synchronous, 60, None);
        assert!(broken > 5, "{synchronous}: only {broken} of 60 cuts did any harm");
        println!("{synchronous}: {broken}");
    }
}

#[test]
fn a_cut_while_the_database_is_made_leaves_one_that_can_be_made() {
    let folder = tempfile::tempdir().unwrap();
    for nth in 1..60 {
        let disk = Disk::blank(SYNC);
        let mount = disk.mount(folder.path()).unwrap();
        disk.arm(Trigger { moment: None, nth });
        fill(folder.path(), "full", 0);
        let (image, _) = disk.wreck(nth);
        drop(mount);
        let disk = Disk::restored(image, SYNC);
        let _mount = disk.mount(folder.path()).unwrap();
        assert_eq!(integrity(&open(folder.path(), "full").unwrap()), "ok", "operation {nth}");
    }
}

/// SQLite writes a commit anew whose sync failed, and doesn't trust the next sync with it.
#[test]
fn what_was_committed_after_a_failed_sync_survives() {
    let folder = tempfile::tempdir().unwrap();
    for failing in 1..40 {
        let disk = Disk::blank(SYNC);
        let mount = disk.mount(folder.path()).unwrap();
        let connection = open(folder.path(), "full").unwrap();
        disk.fail_sync(failing);
        let (mut last, mut failures) = (0, 0);
        for _ in 0..60 {
            match connection.execute("INSERT INTO t VALUES (?1, ?2)", (last + 1, "x".repeat(500))) {
                Ok(_) => last += 1,
                Err(_) => failures += 1,
            }
        }
        // A failure that hits a checkpoint fails no commit.
        assert!(failures <= 1, "sync {failing}");
        disk.cut_now();
        drop((connection, mount));
        for seed in 0..10 {
            let again = Disk::restored(disk.wreck(seed).0, SYNC);
            let _mount = again.mount(folder.path()).unwrap();
            let connection = open(folder.path(), "full").unwrap();
            let count: i64 = connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
            assert_eq!((count, integrity(&connection).as_str()), (last, "ok"), "sync {failing}, seed {seed}");
        }
    }
}

#[test]
fn nothing_works_without_power() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::blank(SYNC);
    let _mount = disk.mount(folder.path()).unwrap();
    let connection = open(folder.path(), "full").unwrap();
    let reader = open(folder.path(), "full").unwrap();
    connection.execute("INSERT INTO t VALUES (1, '')", []).unwrap();
    disk.cut_now();
    assert_eq!(disk.cut().unwrap().moment, Moment::Idle);
    assert!(connection.execute("INSERT INTO t VALUES (2, '')", []).is_err());
    assert!(reader.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).is_err());
    assert!(open(folder.path(), "full").is_err());
}

#[test]
fn several_connections_share_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::blank(Duration::from_micros(50));
    let _mount = disk.mount(folder.path()).unwrap();
    drop(open(folder.path(), "full").unwrap());
    let folder = Arc::new(folder);
    std::thread::scope(|scope| {
        for writer in 0..3_i64 {
            let folder = Arc::clone(&folder);
            scope.spawn(move || {
                let connection = open(folder.path(), "full").unwrap();
                connection.busy_timeout(Duration::from_secs(30)).unwrap();
                for n in 0..100 {
                    connection.execute("INSERT INTO t VALUES (?1, 'x')", [writer * 1000 + n]).unwrap();
                    let seen: i64 =
                        connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
                    assert!(seen > n);
                }
            });
        }
    });
    let connection = open(folder.path(), "full").unwrap();
    let count: i64 = connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!((count, integrity(&connection).as_str()), (300, "ok"));
}
