//! kill -9 while events are published: whatever was answered with `Ok` is in the log.
#![expect(clippy::unwrap_used, reason = "a surprise ends the test that meets it")]

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use ecs_bus::{Bus, Event, SubscribeOptions};
use ecs_bus_conformance::kit::{
    GROUP, SUBJECT, SystemClock, ack, event, join, next, retry, whole_log, within,
};
use ecs_bus_embedded::{EmbeddedBus, Options};
use ecs_domain::EventId;
use uuid::Uuid;

/// Names the file for the child; without it the child's half of this file does nothing.
const FILE: &str = "ECS_BUS_KILL_TEST_FILE";

/// Stands before each durable id, since the test runner writes to the same stream.
const MARK: &str = "durable:";

/// Large payloads make long commits, so that the kill falls into one.
const LARGE: usize = 16 << 10;

fn open(file: &Path) -> EmbeddedBus {
    EmbeddedBus::open(file, Options::new(Arc::new(SystemClock))).unwrap()
}

/// The child: publishes without end from several tasks and writes each durable id to its output.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_publishes() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let bus = Arc::new(open(Path::new(&file)));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let bus = Arc::clone(&bus);
        tasks.spawn(async move {
            loop {
                let id = EventId::new(Uuid::now_v7());
                let result = bus
                    .publish(vec![Event { id, payload: Bytes::from(vec![b' '; LARGE]), ..event(0) }])
                    .await;
                assert_eq!(result, vec![Ok(())]);
                writeln!(std::io::stdout().lock(), "{MARK}{id}").unwrap();
            }
        });
    }
    tasks.join_all().await;
}

fn spawn(file: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_publishes", "--nocapture"])
        .env(FILE, file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets the child publish until `count` ids came, kills it, and returns every id that it wrote.
fn publish_and_kill(file: &Path, count: usize) -> HashSet<EventId> {
    let mut child = spawn(file);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut durable = HashSet::new();
    let mut killed = false;
    while let Some(Ok(line)) = lines.next() {
        // The last line may be cut off, and then it isn't a whole id.
        let id: Option<EventId> = line.split_once(MARK).and_then(|(_, id)| id.parse().ok());
        durable.extend(id);
        if durable.len() >= count && !killed {
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    assert!(killed, "the child ended by itself after {} events", durable.len());
    durable
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_durable_is_lost_to_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bus.db");
    let mut durable = HashSet::new();
    for count in [1, 7, 64, 150, 400, 800] {
        let path = file.clone();
        durable.extend(tokio::task::spawn_blocking(move || publish_and_kill(&path, count)).await.unwrap());
        let bus = open(&file);
        let logged: HashSet<EventId> = whole_log(&bus).await.iter().map(|record| record.event.id).collect();
        let lost = durable.difference(&logged).count();
        assert_eq!(lost, 0, "{lost} of {} durable events are not in the log", durable.len());
        deliver_some(&bus, durable.len()).await;
    }
}

/// The group goes on where it was, and each delivery is an event of the log.
async fn deliver_some(bus: &EmbeddedBus, at_most: usize) {
    let mut member =
        join(bus, GROUP, SubscribeOptions { max_batch: at_most.min(50), ..SubscribeOptions::default() })
            .await;
    let batch = next(&mut member).await;
    let (again, done) = batch.split_at(batch.len() / 2);
    retry(&mut member, again, std::time::Duration::ZERO, "once more").await;
    ack(&mut member, done).await;
    drop(member);
    let pending = within(bus.backlog(SUBJECT, GROUP)).await.unwrap().pending;
    let total = whole_log(bus).await.len() as u64;
    assert!(pending < total, "{pending} of {total} are pending");
}
