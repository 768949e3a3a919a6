//! How fast the bus is over a private server that flushes before it acknowledges:
//! `cargo run --release -p ecs-bus-nats --example rates`.
//!
//! Prints the rate of one publisher that awaits each event, of 256 such publishers with and without atomic batches, of uploads of
//! 1,000 events, and the rate at which a consumer takes events and acknowledges them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use ecs_bus::{Bus, Event, Group, Headers, Settlement, Subject, SubscribeOptions, Verdict};
use ecs_bus_nats::{NatsBus, Options};
use ecs_domain::{EventId, UserId};
use ecs_servers::{Nats, NatsOptions};
use uuid::Uuid;

const PUBLISHERS: usize = 256;
const PAYLOAD: &[u8] = br#"{"userId":"0198f0a0-0000-7000-8000-000000000001","timestamp":"2025-08-19T14:30:00Z","emotionEvent":{"type":"calm","metrics":{"positivity":0.81,"intensity":0.4,"stress_level":0.12}},"eventId":"0198f0a0-0000-7000-8000-000000000002","traceId":"4bf92f3577b34da6a3ce929d0e0e4736"}"#;

fn event() -> Event {
    Event {
        id: EventId::new(Uuid::now_v7()),
        subject: Subject::Emotions,
        key: UserId::new(Uuid::from_u128(1)),
        payload: Bytes::from_static(PAYLOAD),
        headers: Headers {
            schema_version: 1,
            request_id: Some("0198f0a0-0000-7000-8000-000000000003".to_owned()),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        },
    }
}

#[expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "printing rates is what this is for")]
fn report(what: &str, events: usize, took: Duration) {
    println!("{what:<52} {:>10.0} events/s", events as f64 / took.as_secs_f64());
}

/// `publishers` publishers, each of which awaits `size` events at once, for five seconds.
async fn publish(bus: &Arc<NatsBus>, what: &str, publishers: usize, size: usize) -> anyhow::Result<()> {
    let started = Instant::now();
    let until = started + Duration::from_secs(5);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..publishers {
        let bus = Arc::clone(bus);
        tasks.spawn(async move {
            let mut published = 0;
            while Instant::now() < until {
                let results = bus.publish((0..size).map(|_| event()).collect()).await;
                ensure!(results.iter().all(Result::is_ok), "not durable: {results:?}");
                published += size;
            }
            Ok(published)
        });
    }
    let mut published = 0;
    while let Some(task) = tasks.join_next().await {
        published += task??;
    }
    report(what, published, started.elapsed());
    Ok(())
}

/// Takes everything that is there, and acknowledges it if told so.
async fn consume(bus: &NatsBus, what: &str, group: Group, acknowledge: bool) -> anyhow::Result<()> {
    let total = bus.backlog(Subject::Emotions, group).await?.pending;
    let total = usize::try_from(total)?.min(300_000);
    let mut member = bus.subscribe(Subject::Emotions, group, SubscribeOptions::default()).await?;
    let started = Instant::now();
    let mut consumed = 0;
    while consumed < total {
        let batch = member.next().await?;
        consumed += batch.len();
        if acknowledge {
            let settled =
                batch.iter().map(|delivery| Settlement { tag: delivery.tag, verdict: Verdict::Ack });
            member.settle(settled.collect()).await?;
        }
    }
    report(what, consumed, started.elapsed());
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = Nats::start(NatsOptions::default()).await.context("no NATS server")?;
    let singly = Nats::start(NatsOptions::default()).await?;
    refuse_batches(&singly).await?;
    let bus = Arc::new(NatsBus::open(Options::new(server.url())).await?);
    let without = Arc::new(NatsBus::open(Options::new(singly.url())).await?);

    publish(&bus, "one publisher, awaiting each", 1, 1).await?;
    publish(&without, "256 publishers, windowed singles", PUBLISHERS, 1).await?;
    publish(&bus, "256 publishers, batches where they pay", PUBLISHERS, 1).await?;
    publish(&bus, "one upload after the other of 1,000", 1, 1_000).await?;
    publish(&bus, "8 uploads at once of 1,000", 8, 1_000).await?;
    consume(&bus, "taken in batches of up to 5,000", Group("taker"), false).await?;
    consume(&bus, "taken and acknowledged", Group("worker"), true).await?;
    bus.close().await?;
    without.close().await?;
    Ok(())
}

/// Makes the stream as a server before 2.12 has it.
async fn refuse_batches(server: &Nats) -> anyhow::Result<()> {
    let address = server.address()?;
    let password =
        server.url().split(':').nth(2).and_then(|rest| rest.split('@').next()).context("no password")?;
    let options = async_nats::ConnectOptions::with_user_and_password("ecs".into(), password.to_owned());
    let client = options.connect(address.to_string()).await?;
    let stream = r#"{"name":"emotions","subjects":["user.emotions.topic"],"storage":"file","discard":"new","allow_direct":true}"#;
    client.request("$JS.API.STREAM.CREATE.emotions", stream.into()).await?;
    Ok(())
}
