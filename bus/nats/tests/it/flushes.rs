//! Whether what was acknowledged was flushed, as the kernel saw it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use ecs_bus_conformance::kit::{event, events, publish, within};
use ecs_bus_nats::{NatsBus, Options};
use ecs_servers::{NatsOptions, did_not_run};
use tokio::process::{Child, Command};

use crate::support::{api, client, open, options, server};

/// How many groups are published, one after the other, and how many events are in each.
const GROUPS: u128 = 10;
const EVENTS: u128 = 1_000;
/// Longer than anything else that happens to a lone event.
const SLOW_FLUSH: Duration = Duration::from_millis(700);

/// The server's flushes of the stream's files while events are published. Each acknowledged group has its own, and there are far
/// fewer than events, because many go together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_group_is_flushed_before_it_is_acknowledged_and_most_events_share_one() {
    let Some(server) = server("counting flushes", NatsOptions::default()).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let bus = open(&server).await;
    let watched = match watch(server.pid().unwrap(), &trace, &[]).await {
        Ok(watched) => watched,
        Err(reason) => return did_not_run("counting the server's flushes", &reason),
    };
    for round in 0..GROUPS {
        let first = round * EVENTS;
        publish(&bus, (first..first + EVENTS).map(event).collect()).await;
        // The flush has returned by the time that the answer is here, so it is in the trace as soon as strace has written.
        let goal = usize::try_from(round).unwrap() + 1;
        within(async {
            while flushes(&trace) < goal {
                tokio::task::yield_now().await
            }
        })
        .await;
    }
    stop(watched).await;
    let flushed = flushes(&trace);
    let events = usize::try_from(GROUPS * EVENTS).unwrap();
    let groups = usize::try_from(GROUPS).unwrap();
    assert!(flushed >= groups, "{flushed} flushes for {groups} groups");
    // After a batch that was slow a group may go one by one, which is measured, too.
    assert!(flushed < events / 4, "{flushed} flushes for {events} events");
}

/// Where the flush of the stream's own file takes its time, the acknowledgement comes after it, of a lone event and of a batch. With
/// the server's default it comes without any.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledgement_waits_for_its_flush() {
    for (sync_always, batch) in [(true, events(1..2)), (true, events(1..1_001)), (false, events(1..2))] {
        let settings = NatsOptions { sync_always, ..NatsOptions::default() };
        let Some(server) = server("waiting for a flush", settings).await else { return };
        let folder = tempfile::tempdir().unwrap();
        let bus = open(&server).await;
        publish(&bus, vec![event(0)]).await;
        let slowly = format!("inject=fsync,fdatasync:delay_enter={}", SLOW_FLUSH.as_micros());
        let file = server.store_dir().unwrap().join("jetstream/$G/streams/emotions/msgs/1.blk");
        assert!(file.is_file(), "{file:?}");
        let how = ["-e", &slowly, "-P", file.to_str().unwrap()];
        let trace = folder.path().join("trace");
        let watched = watch(server.pid().unwrap(), &trace, &how).await;
        let watched = match watched {
            Ok(watched) => watched,
            Err(reason) => return did_not_run("waiting for a flush", &reason),
        };
        let (started, count) = (Instant::now(), batch.len());
        publish(&bus, batch).await;
        let took = started.elapsed();
        stop(watched).await;
        if sync_always {
            assert!(took >= SLOW_FLUSH, "{count} events were acknowledged after {took:?}");
        } else {
            assert_eq!(flushes(&trace), 0, "it was acknowledged without a flush");
        }
    }
}

/// The server answers in clumps. On a slow disk a large group that goes singly takes longer than anybody waits for an answer, and
/// is acknowledged all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_singles_on_a_slow_disk_are_all_heard_of() {
    let Some(server) = server("many singles", NatsOptions::default()).await else { return };
    let config = serde_json::json!({
        "name": "emotions", "subjects": ["user.emotions.topic"], "storage": "file", "retention": "limits",
        "discard": "new", "allow_direct": true, "num_replicas": 1,
    });
    api(&client(&server).await, "STREAM.CREATE.emotions", config).await;
    // A window of 128 takes 0.8 s, so there is room for a busy machine; all of them take longer than the bus waits.
    let publish_timeout = Duration::from_secs(4);
    let bus = within(NatsBus::open(Options { publish_timeout, ..options(&server) })).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let how = ["-e", "inject=fsync,fdatasync:delay_enter=6000"];
    let watched = match watch(server.pid().unwrap(), &folder.path().join("trace"), &how).await {
        Ok(watched) => watched,
        Err(reason) => return did_not_run("many singles on a slow disk", &reason),
    };
    publish(&bus, events(0..900)).await;
    stop(watched).await;
}

/// Starts to watch the flushes of a process. The reason when that is not possible here.
async fn watch(pid: i32, trace: &Path, how: &[&str]) -> Result<Child, String> {
    let child = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=fsync,fdatasync"])
        .args(how)
        .arg("-o")
        .arg(trace)
        .args(["-p", &pid.to_string()])
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = child.map_err(|error| format!("there is no strace: {error}"))?;
    let said = child.stderr.take().ok_or("strace says nothing")?;
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(said));
    let line = within(lines.next_line()).await.ok().flatten().unwrap_or_default();
    // It speaks of each new thread, and would die of a pipe that nobody reads.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    if line.contains("attached") { Ok(child) } else { Err(format!("strace says: {line}")) }
}

async fn stop(mut watched: Child) {
    let _ = watched.start_kill();
    let _ = within(watched.wait()).await;
}

/// How many flushes of the stream's own files have ended well. Those of the folder in which a batch is staged don't count.
fn flushes(trace: &Path) -> usize {
    let text = std::fs::read_to_string(trace).unwrap_or_default();
    // A call that another thread interrupted stands in two lines: its file in the first, its end in the second.
    let mut under_way: BTreeSet<&str> = BTreeSet::new();
    let mut ended = 0;
    for line in text.lines() {
        let Some((thread, call)) = line.trim_start().split_once(' ') else { continue };
        let ours = call.contains("/streams/emotions/msgs/");
        if ours && call.contains("<unfinished") {
            under_way.insert(thread);
        } else if call.trim_end().ends_with("= 0")
            && (ours || (call.contains("resumed>") && under_way.remove(thread)))
        {
            ended += 1;
        }
    }
    ended
}
