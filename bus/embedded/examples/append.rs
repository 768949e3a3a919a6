//! How fast the bus is against its own statements: `cargo run --release -p ecs-bus-embedded --example append`.
//!
//! Prints the raw append loop in batches, the bus under 256 publishers that each await one event at a time, and the
//! rate at which a consumer takes events from the file and acknowledges them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use ecs_bus::{Bus, Event, Headers, Settlement, Subject, SubscribeOptions, Verdict};
use ecs_bus_embedded::raw::RawLog;
use ecs_bus_embedded::{EmbeddedBus, Options};
use ecs_domain::{Clock, EventId, Timestamp, UserId};
use uuid::Uuid;

const PUBLISHERS: usize = 256;
const PER_PUBLISHER: usize = 2_000;
const PAYLOAD: &[u8] = br#"{"userId":"0198f0a0-0000-7000-8000-000000000001","timestamp":"2025-08-19T14:30:00Z","emotionEvent":{"type":"calm","metrics":{"positivity":0.81,"intensity":0.4,"stress_level":0.12}},"eventId":"0198f0a0-0000-7000-8000-000000000002","traceId":"4bf92f3577b34da6a3ce929d0e0e4736"}"#;

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

fn options() -> Options {
    Options::new(Arc::new(SystemClock))
}

fn event() -> Event {
    Event {
        id: EventId::new(Uuid::now_v7()),
        subject: Subject::Emotions,
        key: UserId::new(Uuid::from_u128(1)),
        payload: Bytes::copy_from_slice(PAYLOAD),
        headers: Headers {
            schema_version: 1,
            request_id: Some("0198f0a0-0000-7000-8000-000000000003".to_owned()),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        },
    }
}

#[expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "printing rates is what this is for")]
fn report(what: &str, events: usize, took: Duration) -> f64 {
    let rate = events as f64 / took.as_secs_f64();
    println!("{what:<44} {rate:>10.0} events/s");
    rate
}

fn raw_append(folder: &Path, batch: usize) -> anyhow::Result<f64> {
    let log = RawLog::open(&folder.join(format!("raw-{batch}.db")), &options())?;
    let total = (PUBLISHERS * PER_PUBLISHER).min(batch * 4_000);
    let mut next = 1;
    let started = Instant::now();
    while next <= total as u64 {
        let events: Vec<Event> = (0..batch).map(|_| event()).collect();
        log.append(Subject::Emotions, next, Timestamp::now(), &events)?;
        next += batch as u64;
    }
    Ok(report(&format!("raw append, batches of {batch}"), total, started.elapsed()))
}

async fn publish(bus: &Arc<EmbeddedBus>) -> anyhow::Result<f64> {
    let started = Instant::now();
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|_| {
            let bus = Arc::clone(bus);
            tokio::spawn(async move {
                for _ in 0..PER_PUBLISHER {
                    bus.publish(vec![event()]).await.pop().context("one result per event")??;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await??;
    }
    Ok(report("256 publishers of one event each", PUBLISHERS * PER_PUBLISHER, started.elapsed()))
}

async fn consume(bus: &EmbeddedBus, what: &str) -> anyhow::Result<()> {
    let total = PUBLISHERS * PER_PUBLISHER;
    let mut subscription =
        bus.subscribe(Subject::Emotions, Subject::Emotions.group(), SubscribeOptions::default()).await?;
    let started = Instant::now();
    let mut consumed = 0;
    while consumed < total {
        let batch = subscription.next().await?;
        consumed += batch.len();
        let acks =
            batch.iter().map(|delivery| Settlement { tag: delivery.tag, verdict: Verdict::Ack }).collect();
        subscription.settle(acks).await?;
    }
    report(what, total, started.elapsed());
    Ok(())
}

async fn publish_and_consume(folder: &Path) -> anyhow::Result<f64> {
    let bus = Arc::new(EmbeddedBus::open(folder.join("both.db"), options())?);
    let consumer = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move { consume(&bus, "consume while they publish").await }
    });
    let rate = publish(&bus).await?;
    consumer.await??;
    bus.close().await?;
    Ok(rate)
}

fn raw_read(folder: &Path) -> anyhow::Result<()> {
    let log = RawLog::open(&folder.join("raw-256.db"), &options())?;
    let started = Instant::now();
    let mut next = 1;
    loop {
        let page = log.read(Subject::Emotions, next, 5_000)?;
        let Some(last) = page.last() else { break };
        next = last.position.offset + 1;
    }
    report("raw read, pages of 5000", usize::try_from(next - 1)?, started.elapsed());
    Ok(())
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "printing rates is what this is for")]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    raw_append(folder.path(), 1)?;
    raw_append(folder.path(), 64)?;
    let raw = raw_append(folder.path(), 256)?;
    raw_append(folder.path(), 1_000)?;
    raw_read(folder.path())?;
    let bus = Arc::new(EmbeddedBus::open(folder.path().join("bus.db"), options())?);
    let published = publish(&bus).await?;
    consume(&bus, "consume from the file").await?;
    bus.close().await?;
    let both = publish_and_consume(folder.path()).await?;
    println!("publish / raw append in batches of 256:        {:.2}", published / raw);
    println!("the same with a consumer beside it:            {:.2}", both / raw);
    Ok(())
}
