//! How fast the bus is over a private broker that flushes every message, beside what the client library does alone:
//! `cargo run --release -p ecs-bus-kafka --example rates`.
//!
//! Prints, three times in turn, the rate of 256 publishers that await each event, of uploads of 1,000 events, and of one publisher,
//! by one producer of the library alone and by the bus, and then the rate at which a consumer takes events and acknowledges them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use ecs_bus::{Bus, Event, Group, Headers, Settlement, Subject, SubscribeOptions, Verdict};
use ecs_bus_kafka::{KafkaBus, Options};
use ecs_domain::{EventId, UserId};
use ecs_servers::{Kafka, KafkaOptions};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use uuid::Uuid;

const PAYLOAD: &[u8] = br#"{"userId":"0198f0a0-0000-7000-8000-000000000001","timestamp":"2025-08-19T14:30:00Z","emotionEvent":{"type":"calm","metrics":{"positivity":0.81,"intensity":0.4,"stress_level":0.12}},"eventId":"0198f0a0-0000-7000-8000-000000000002","traceId":"4bf92f3577b34da6a3ce929d0e0e4736"}"#;
const REQUEST: &str = "0198f0a0-0000-7000-8000-000000000003";
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn event() -> Event {
    let id = Uuid::now_v7();
    Event {
        id: EventId::new(id),
        subject: Subject::Emotions,
        key: UserId::new(Uuid::from_u128(id.as_u128() % 1_000)),
        payload: Bytes::from_static(PAYLOAD),
        headers: Headers {
            schema_version: 1,
            request_id: Some(REQUEST.to_owned()),
            traceparent: Some(TRACE.to_owned()),
        },
    }
}

#[expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "printing rates is what this is for")]
fn report(what: &str, events: usize, took: Duration) {
    println!("{what:<52} {:>10.0} events/s", events as f64 / took.as_secs_f64());
}

/// `publishers` publishers, each of which awaits `size` events at once, for three seconds.
async fn publish(bus: &Arc<KafkaBus>, what: &str, publishers: usize, size: usize) -> anyhow::Result<()> {
    let started = Instant::now();
    let until = started + Duration::from_secs(3);
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

/// The same by the library alone, to the same topic.
async fn raw(url: &str, what: &str, publishers: usize, size: usize) -> anyhow::Result<()> {
    let (login, hosts) = url.trim_start_matches("kafka://").split_once('@').context("no login")?;
    let (user, password) = login.split_once(':').context("no password")?;
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", hosts)
        .set("security.protocol", "sasl_plaintext")
        .set("sasl.mechanism", "PLAIN")
        .set("sasl.username", user)
        .set("sasl.password", password)
        .set("enable.idempotence", "true")
        .set("linger.ms", "1")
        .create()?;
    let started = Instant::now();
    let until = started + Duration::from_secs(3);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..publishers {
        let producer = producer.clone();
        tasks.spawn(async move {
            let mut published = 0;
            while Instant::now() < until {
                let mut sent = Vec::with_capacity(size);
                for _ in 0..size {
                    let id = Uuid::now_v7();
                    let (id, key) = (id.to_string(), Uuid::from_u128(id.as_u128() % 1_000).to_string());
                    let headers = OwnedHeaders::new()
                        .insert(Header { key: "event-id", value: Some(&id) })
                        .insert(Header { key: "schema-version", value: Some("1") })
                        .insert(Header { key: "x-request-id", value: Some(REQUEST) })
                        .insert(Header { key: "traceparent", value: Some(TRACE) });
                    let record = FutureRecord::to(Subject::Emotions.as_str()).key(&key).payload(PAYLOAD);
                    let queued = producer.send_result(record.headers(headers));
                    sent.push(queued.map_err(|(error, _)| error)?);
                }
                for one in sent {
                    one.await?.map_err(|(error, _)| error)?;
                }
                published += size;
            }
            anyhow::Ok(published)
        });
    }
    let mut published = 0;
    while let Some(task) = tasks.join_next().await {
        published += task??;
    }
    report(what, published, started.elapsed());
    rdkafka::producer::Producer::flush(&producer, Timeout::After(Duration::from_secs(5)))?;
    Ok(())
}

/// Takes everything that is there, and acknowledges it if told so.
async fn consume(bus: &KafkaBus, what: &str, group: Group, acknowledge: bool) -> anyhow::Result<()> {
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
    let server = Kafka::start(KafkaOptions::default()).await.context("no Kafka")?;
    // An argument is the number of partitions: each is a flush of its own.
    let partitions = std::env::args().nth(1).map(|count| count.parse()).transpose()?;
    let bus = Arc::new(KafkaBus::open(Options { partitions, ..Options::new(server.url()) }).await?);
    // A broker is slow while it is new, so the two take turns.
    for _ in 0..3 {
        raw(server.url(), "256 publishers, the library alone", 256, 1).await?;
        publish(&bus, "256 publishers, awaiting each", 256, 1).await?;
        raw(server.url(), "8 uploads at once, the library alone", 8, 1_000).await?;
        publish(&bus, "8 uploads at once of 1,000", 8, 1_000).await?;
        raw(server.url(), "one publisher, the library alone", 1, 1).await?;
        publish(&bus, "one publisher, awaiting each", 1, 1).await?;
        publish(&bus, "one upload after the other of 1,000", 1, 1_000).await?;
    }
    consume(&bus, "taken in batches of up to 5,000", Group("taker"), false).await?;
    consume(&bus, "taken and acknowledged", Group("worker"), true).await?;
    bus.close().await?;
    Ok(())
}
