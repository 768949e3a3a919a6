//! How fast the bus is over a private server, and how fast the server is without it:
//! `cargo run --release -p ecs-bus-rabbitmq --example rates`.
//!
//! `-- take` only takes and acknowledges, three rounds in turn: the plain library bare messages and the bus's, and the bus its own.
//!
//! Prints the rate at which the plain client library publishes to a quorum queue, and to one with a stream beside it, with a window of
//! confirmations; then that of the bus with one publisher that awaits each event, with 256 of them, and with uploads of 1,000; and
//! the rates at which the plain library and a member take events and acknowledge them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use ecs_bus::{Bus, Event, Group, Headers, Settlement, Subject, SubscribeOptions, Verdict};
use ecs_bus_rabbitmq::{Options, RabbitBus};
use ecs_domain::{EventId, UserId};
use ecs_servers::{RabbitMq, RabbitMqOptions};
use futures::StreamExt;
use futures::future::join_all;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
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
async fn publish(bus: &Arc<RabbitBus>, what: &str, publishers: usize, size: usize) -> anyhow::Result<()> {
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
async fn consume(bus: &RabbitBus, what: &str, group: Group, acknowledge: bool) -> anyhow::Result<()> {
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

/// A queue by its arguments, bound to an exchange of the same name.
async fn queue(channel: &Channel, exchange: &str, name: &str, kind: &'static str) -> lapin::Result<()> {
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(exchange.into(), ExchangeKind::Topic, durable, FieldTable::default()).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString(kind.into()));
    channel.queue_declare(name.into(), QueueDeclareOptions::durable(), arguments).await?;
    let (options, table) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(name.into(), exchange.into(), "key".into(), options, table).await
}

/// The plain library, `size` messages at once, for five seconds.
async fn publish_plainly(channel: &Channel, what: &str, exchange: &str, size: usize) -> anyhow::Result<u32> {
    let started = Instant::now();
    let mut published = 0;
    while started.elapsed() < Duration::from_secs(5) {
        let one = || async {
            let properties = BasicProperties::default().with_delivery_mode(2);
            let options = BasicPublishOptions { mandatory: true, immediate: false };
            let sent =
                channel.basic_publish(exchange.into(), "key".into(), options, PAYLOAD, properties).await?;
            sent.await
        };
        for confirmed in join_all((0..size).map(|_| one())).await {
            ensure!(confirmed?.is_ack(), "not durable");
        }
        published += size;
    }
    report(what, published, started.elapsed());
    Ok(u32::try_from(published)?)
}

/// The plain library takes so many messages and acknowledges them by the thousand.
async fn consume_plainly(channel: &Channel, what: &str, queue: &str, count: u32) -> anyhow::Result<()> {
    channel.basic_qos(10_000, BasicQosOptions::default()).await?;
    let (options, table) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut messages = channel.basic_consume(queue.into(), "".into(), options, table).await?;
    let started = Instant::now();
    for number in 1..=count {
        let message = messages.next().await.context("the messages end")??;
        if number % 1_000 == 0 {
            channel.basic_ack(message.delivery_tag, BasicAckOptions { multiple: true }).await?;
        }
    }
    report(what, usize::try_from(count)?, started.elapsed());
    Ok(())
}

async fn plainly(url: &str) -> anyhow::Result<()> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    queue(&channel, "raw", "raw", "quorum").await?;
    let count = publish_plainly(&channel, "plain: a quorum queue, 1,000 at once", "raw", 1_000).await?;
    consume_plainly(&channel, "plain: taken and acknowledged", "raw", count.min(300_000)).await?;
    queue(&channel, "both", "both", "quorum").await?;
    queue(&channel, "both", "both.log", "stream").await?;
    for size in [1, 256, 1_000, 4_000] {
        publish_plainly(&channel, &format!("plain: with a stream, {size} at once"), "both", size).await?;
    }
    connection.close(200, "OK".into()).await?;
    Ok(())
}

/// Rounds of taking and acknowledging, which are short and in turn because a machine's other work comes and goes.
async fn take(url: &str) -> anyhow::Result<()> {
    const EVENTS: usize = 100_000;
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    queue(&channel, "raw", "raw", "quorum").await?;
    let bus = Arc::new(RabbitBus::open(Options::new(url)).await?);
    let group = Subject::Emotions.group();
    let own = format!("ecs.{}.{group}", Subject::Emotions);
    let fill = async || {
        for _ in 0..EVENTS / 1_000 {
            let results = bus.publish((0..1_000).map(|_| event()).collect()).await;
            ensure!(results.iter().all(Result::is_ok), "not durable");
        }
        Ok(())
    };
    for _ in 0..3 {
        let count = publish_plainly(&channel, "plain: a quorum queue, 1,000 at once", "raw", 1_000).await?;
        let taker = connection.create_channel().await?;
        consume_plainly(&taker, "plain: taken, bare", "raw", count).await?;
        taker.close(200, "OK".into()).await?;
        fill().await?;
        let taker = connection.create_channel().await?;
        consume_plainly(&taker, "plain: taken, with the bus's headers", &own, u32::try_from(EVENTS)?).await?;
        taker.close(200, "OK".into()).await?;
        fill().await?;
        consume(&bus, "bus: taken", group, true).await?;
    }
    bus.close().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = RabbitMq::start(RabbitMqOptions::default()).await.context("no RabbitMQ server")?;
    if std::env::args().nth(1).as_deref() == Some("take") {
        return take(server.url()).await;
    }
    plainly(server.url()).await?;
    let bus = Arc::new(RabbitBus::open(Options::new(server.url())).await?);
    publish(&bus, "one publisher, awaiting each", 1, 1).await?;
    publish(&bus, "256 publishers, awaiting each", PUBLISHERS, 1).await?;
    publish(&bus, "one upload after the other of 1,000", 1, 1_000).await?;
    publish(&bus, "8 uploads at once of 1,000", 8, 1_000).await?;
    let group = Subject::Emotions.group();
    consume(&bus, "taken and acknowledged, batches of up to 5,000", group, true).await?;
    bus.close().await?;
    Ok(())
}
