//! The bus's limits: its own statements in a loop, and a consumer that does nothing but acknowledge.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_trait::async_trait;
use ecs_bus::{Bus, Event, Group, Settlement, Subject, SubscribeOptions, Verdict};
use ecs_bus_embedded::raw::RawLog;
use ecs_bus_embedded::{EmbeddedBus, Options};
use ecs_domain::Timestamp;

use super::per_second;
use super::raw::{GROUP, RawBus};
use crate::platform::SystemClock;
use crate::population::Population;

/// Events per publish while a backlog is laid.
const CHUNK: u64 = 1_000;

fn options() -> Options {
    Options::new(Arc::new(SystemClock))
}

/// Appends the events, which are of one subject, over and over to a new log, `batch` of them in each transaction, each of
/// which is flushed to disk. The first tenth of the time doesn't count.
pub(crate) fn append(path: &Path, events: &[Event], batch: usize, time: Duration) -> anyhow::Result<f64> {
    let log = RawLog::open(path, &options())?;
    let subject = events.first().context("nothing to append")?.subject;
    let (mut appended, mut position) = (0_u64, 1);
    let warm = Instant::now() + time / 10;
    let mut started = warm;
    for batch in events.chunks_exact(batch.clamp(1, events.len())).cycle() {
        let now = Instant::now();
        if now < warm {
            started = now;
            appended = 0;
        }
        if now >= warm + time {
            break;
        }
        log.append(subject, position, Timestamp::now(), batch)?;
        position += batch.len() as u64;
        appended += batch.len() as u64;
    }
    Ok(per_second(appended, started.elapsed()))
}

/// Lays `count` events on a new bus, where nobody has taken any of them yet.
pub(crate) async fn prefill(path: &Path, population: &Population, count: u64) -> anyhow::Result<EmbeddedBus> {
    let bus = EmbeddedBus::open(path, options())?;
    let mut next = 0;
    while next < count {
        let end = (next + CHUNK).min(count);
        lay(&bus, (next..end).map(|n| population.event(n)).collect::<anyhow::Result<_>>()?).await?;
        next = end;
    }
    Ok(bus)
}

async fn lay(bus: &EmbeddedBus, events: Vec<Event>) -> anyhow::Result<()> {
    for result in bus.publish(events).await {
        result.context("laying a backlog")?;
    }
    Ok(())
}

/// Takes a backlog from the bus, batch by batch, and acknowledges it. Its first batch doesn't count, unless it is all.
pub(crate) async fn consume(bus: &EmbeddedBus, group: Group, count: u64) -> anyhow::Result<f64> {
    let mut subscription = bus.subscribe(Subject::Emotions, group, SubscribeOptions::default()).await?;
    let mut started = Instant::now();
    let (mut consumed, mut uncounted) = (0, 0);
    while consumed < count {
        let batch = subscription.next().await?;
        let acks = batch.iter().map(|it| Settlement { tag: it.tag, verdict: Verdict::Ack }).collect();
        subscription.settle(acks).await?;
        consumed += batch.len() as u64;
        if uncounted == 0 && consumed < count {
            (started, uncounted) = (Instant::now(), consumed);
        }
    }
    Ok(per_second(consumed - uncounted, started.elapsed()))
}

/// The embedded bus as one of several transports. Its statements are all the client library it has.
pub(crate) struct Raw {
    bus: PathBuf,
    events: Vec<Event>,
    /// How many logs were made to append to.
    logs: u32,
}

impl Raw {
    /// Over the file of the platform's bus, and other files beside it.
    pub(crate) fn new(bus: PathBuf) -> Self {
        Self { bus, events: Vec::new(), logs: 0 }
    }
}

#[async_trait(?Send)]
impl RawBus for Raw {
    fn prepare(&mut self, events: &[Event]) {
        self.events = events.to_vec();
    }

    /// To a new log each time.
    async fn groups(&mut self, size: usize, time: Duration) -> anyhow::Result<f64> {
        self.logs += 1;
        append(&self.bus.with_file_name(format!("append-{}.sqlite", self.logs)), &self.events, size, time)
    }

    /// The file has one writer: publishers would stand in line.
    async fn singly(&mut self, _: usize, time: Duration) -> anyhow::Result<f64> {
        self.groups(1, time).await
    }

    async fn lay(&mut self) -> anyhow::Result<()> {
        let bus = EmbeddedBus::open(&self.bus, options())?;
        for events in self.events.chunks(usize::try_from(CHUNK)?) {
            lay(&bus, events.to_vec()).await?;
        }
        Ok(bus.close().await?)
    }

    async fn consume(&mut self) -> anyhow::Result<f64> {
        let bus = EmbeddedBus::open(&self.bus, options())?;
        let rate = consume(&bus, GROUP, self.events.len() as u64).await?;
        bus.close().await?;
        Ok(rate)
    }
}
