//! The file under the bus: damaged, foreign, newer, full.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ecs_bus::{Bus, BusError, Event, Frontier, PublishError, Subject};
use ecs_bus_conformance::kit::{
    GROUP, SUBJECT, SystemClock, ack, batches_of, event, events, join, publish, take, whole_log, within,
};
use ecs_bus_embedded::{EmbeddedBus, Options};
use ecs_domain::Timestamp;

fn options() -> Options {
    Options::new(Arc::new(SystemClock))
}

fn open(file: &Path) -> Result<EmbeddedBus, BusError> {
    EmbeddedBus::open(file, options())
}

fn refusal(file: &Path) -> String {
    match open(file) {
        Err(BusError::Corrupt(reason)) => reason,
        Err(other) => panic!("refused for another reason: {other}"),
        Ok(_) => panic!("the file was taken"),
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bus.db");
    let text = "not a database, but long enough to look like one. ".repeat(100);
    std::fs::write(&file, &text).unwrap();
    assert_eq!(refusal(&file), "the file is not a SQLite database");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[tokio::test]
async fn a_database_of_something_else_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bus.db");
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    drop(other);
    let before = std::fs::read(&file).unwrap();
    assert_eq!(refusal(&file), "the file is a database of something else");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bus.db");
    open(&file).unwrap().close().await.unwrap();
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    assert_eq!(refusal(&file), "the file has schema 99, this version knows up to 3");
}

/// A file from before there were evaluations and alerts takes them.
#[tokio::test]
async fn a_file_of_an_earlier_version_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bus.db");
    open(&file).unwrap().close().await.unwrap();
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection
        .execute_batch("DROP TABLE log_evaluations; DROP TABLE log_alerts; PRAGMA user_version = 1")
        .unwrap();
    drop(connection);
    let bus = open(&file).unwrap();
    for subject in [Subject::Evaluations, Subject::Alerts] {
        let page = bus.log(subject, &Frontier::default(), 1).await.unwrap();
        assert!(page.records.is_empty(), "{subject}");
    }
    bus.close().await.unwrap();
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let result = open(&folder.path().join("nowhere/bus.db"));
    assert!(matches!(result, Err(BusError::Unavailable(_))));
}

/// The file reaches its limit: publishing says so, nothing that was durable suffers, and forgetting makes room again.
#[tokio::test]
async fn a_full_file_refuses_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bus.db");
    let limited = Options { max_file_bytes: Some(1 << 20), ..options() };
    let bus = EmbeddedBus::open(&file, limited).unwrap();
    let large = |number| Event { payload: Bytes::from(vec![b'x'; 50_000]), ..event(number) };
    let mut durable = 0;
    let error = loop {
        match within(bus.publish(vec![large(durable)])).await.remove(0) {
            Ok(()) => durable += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, PublishError::Unavailable(_)), "{error}");
    assert!((10..22).contains(&durable), "{durable} of 50 KB went into 1 MiB");
    assert!(matches!(within(bus.publish(vec![large(durable)])).await[0], Err(PublishError::Unavailable(_))));

    let mut member = join(&bus, GROUP, batches_of(100)).await;
    let held = take(&mut member, usize::try_from(durable).unwrap()).await;
    ack(&mut member, &held).await;
    assert_eq!(whole_log(&bus).await.len(), held.len());
    let now = Timestamp::now() + std::time::Duration::from_secs(1);
    assert_eq!(within(bus.prune(SUBJECT, now)).await.unwrap(), held.len() as u64);
    publish(&bus, vec![large(durable)]).await;
    assert_eq!(take(&mut member, 1).await[0].event, large(durable));
    within(bus.ping()).await.unwrap();
}

/// Progress that is only in memory is written within moments, without another event.
#[tokio::test]
async fn an_idle_bus_writes_its_progress_down() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bus.db");
    let bus = open(&file).unwrap();
    publish(&bus, events(0..10)).await;
    let mut member = join(&bus, GROUP, batches_of(10)).await;
    let batch = take(&mut member, 10).await;
    ack(&mut member, &batch).await;
    let reader = rusqlite::Connection::open(&file).unwrap();
    within(async move {
        let sql = "SELECT max(cursor) FROM progress";
        while reader.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).unwrap() != Some(10) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Dropping the bus while publishers wait answers each of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_bus_leaves_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bus.db");
    let bus = Arc::new(open(&file).unwrap());
    let mut member = join(&*bus, GROUP, batches_of(10)).await;
    let waiting = tokio::spawn(async move { member.next().await.map(|batch| batch.len()) });
    drop(bus);
    assert!(matches!(within(waiting).await.unwrap(), Err(BusError::Closed)));
    open(&file).unwrap();
}

/// A commit is in the file before the groups are told of it, and the log is read from the file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_log_shows_the_backlog_counts() {
    const EVENTS: u128 = 500;
    let folder = tempfile::tempdir().unwrap();
    let bus = Arc::new(open(&folder.path().join("bus.db")).unwrap());
    let publisher = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move {
            for event in events(0..EVENTS) {
                publish(&*bus, vec![event]).await;
            }
        }
    });
    let (mut end, mut shown) = (Frontier::default(), 0);
    while shown < EVENTS as usize {
        let page = within(bus.log(SUBJECT, &end, 100)).await.unwrap();
        end.extend(page.records.iter().map(|record| record.position));
        shown += page.records.len();
        let pending = within(bus.backlog(SUBJECT, GROUP)).await.unwrap().pending;
        assert!(pending >= shown as u64, "{pending} of {shown}");
    }
    within(publisher).await.unwrap();
}

/// They hold what customers felt and bought.
#[cfg(unix)]
#[tokio::test]
async fn the_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let bus = open(&folder.path().join("bus.db")).unwrap();
    publish(&bus, events(0..1)).await;
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 3, "the database and the two files beside it: {files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{file:?}");
    }
}
