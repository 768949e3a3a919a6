//! The bus's limits: its own statements in a loop, and a consumer that does nothing but acknowledge.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ecs_bus::{Bus, Event, Settlement, Subject, SubscribeOptions, Verdict};
use ecs_bus_embedded::raw::RawLog;
use ecs_bus_embedded::{EmbeddedBus, Options};
use ecs_domain::Timestamp;

use super::per_second;
use crate::platform::SystemClock;
use crate::population::Population;

/// Events that are made beforehand and appended over and over: making them is not what is measured.
const PREPARED: u64 = 50_000;
/// Events per publish while a backlog is laid.
const CHUNK: u64 = 1_000;

fn options() -> Options {
    Options::new(Arc::new(SystemClock))
}

/// Appends batches to a log for some time, each a transaction that is flushed to disk.
pub(crate) fn append(
    folder: &Path,
    population: &Population,
    batch: usize,
    time: Duration,
) -> anyhow::Result<f64> {
    let path = folder.join("append.sqlite");
    let log = RawLog::open(&path, &options())?;
    let events = (0..PREPARED).map(|n| population.event(n)).collect::<anyhow::Result<Vec<Event>>>()?;
    let mut appended = 0_u64;
    let started = Instant::now();
    while started.elapsed() < time {
        for batch in events.chunks_exact(batch.clamp(1, events.len())) {
            log.append(Subject::Emotions, appended + 1, Timestamp::now(), batch)?;
            appended += batch.len() as u64;
            if started.elapsed() >= time {
                break;
            }
        }
    }
    let rate = per_second(appended, started.elapsed());
    drop(log);
    remove(&path)?;
    Ok(rate)
}

/// Lays `count` events on a new bus, where nobody has taken any of them yet.
pub(crate) async fn prefill(path: &Path, population: &Population, count: u64) -> anyhow::Result<EmbeddedBus> {
    let bus = EmbeddedBus::open(path, options())?;
    let mut next = 0;
    while next < count {
        let end = (next + CHUNK).min(count);
        let events = (next..end).map(|n| population.event(n)).collect::<anyhow::Result<Vec<Event>>>()?;
        for result in bus.publish(events).await {
            result.context("laying a backlog")?;
        }
        next = end;
    }
    Ok(bus)
}

/// Takes a backlog from the bus, batch by batch, and acknowledges it.
pub(crate) async fn consume(bus: &EmbeddedBus, count: u64) -> anyhow::Result<f64> {
    let subject = Subject::Emotions;
    let mut subscription = bus.subscribe(subject, subject.group(), SubscribeOptions::default()).await?;
    let started = Instant::now();
    let mut consumed = 0;
    while consumed < count {
        let batch = subscription.next().await?;
        consumed += batch.len() as u64;
        let acks =
            batch.iter().map(|delivery| Settlement { tag: delivery.tag, verdict: Verdict::Ack }).collect();
        subscription.settle(acks).await?;
    }
    Ok(per_second(consumed, started.elapsed()))
}

/// Removes a database with its log.
pub(crate) fn remove(path: &Path) -> anyhow::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}
