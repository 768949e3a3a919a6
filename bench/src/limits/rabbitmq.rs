//! The limits of RabbitMQ: the plain client library in a loop, with nothing around it. What it publishes goes to the platform's
//! exchange, so that a message is confirmed when the quorum queue has flushed it and the stream has it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use ecs_bus::{Event, Headers, Subject};
use ecs_domain::Timestamp;
use futures::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};

use super::per_second;
use super::raw::{GROUP, RawBus, SILENCE, at_once, by_publishers, in_groups, in_windows};

/// The platform's exchange.
const EXCHANGE: &str = "ecs.events";
/// Flushed before it is confirmed.
const PERSISTENT: u8 = 2;
/// How many messages are on their way at once while a backlog is laid.
const WINDOW: usize = 4_000;
/// How many messages the server sends ahead, and how many are acknowledged at once.
const AHEAD: u16 = 10_000;
const TOGETHER: usize = 1_000;

/// A connection to a server on which the platform's queues are.
pub(crate) struct Raw {
    connection: Connection,
    channel: Channel,
    messages: Vec<Prepared>,
}

struct Prepared {
    properties: BasicProperties,
    payload: Bytes,
}

impl Prepared {
    /// The same bytes as the platform's.
    fn of(event: &Event) -> Self {
        let mut headers = FieldTable::default();
        let mut set = |name: &'static str, value: AMQPValue| {
            headers.insert(ShortString::from(name), value);
        };
        set("key", text(&event.key.to_string()));
        set("published-at", AMQPValue::LongLongInt(Timestamp::now().as_microsecond()));
        set(Headers::SCHEMA_VERSION, AMQPValue::LongInt(event.headers.schema_version.into()));
        for (name, value) in [
            (Headers::REQUEST_ID, &event.headers.request_id),
            (Headers::TRACEPARENT, &event.headers.traceparent),
        ] {
            if let Some(value) = value {
                set(name, text(value));
            }
        }
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_content_type("application/json".into())
            .with_message_id(event.id.to_string().into())
            .with_headers(headers);
        Self { properties, payload: event.payload.clone() }
    }
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.as_bytes().to_vec().into())
}

impl Raw {
    /// Connects to a server on which the bus has made its queues.
    pub(crate) async fn connect(url: &str) -> anyhow::Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { connection, channel, messages: Vec::new() })
    }

    async fn send(&self, number: usize) -> anyhow::Result<()> {
        let Prepared { properties, payload } =
            self.messages.get(number).context("there is no such message")?;
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let key = Subject::Emotions.as_str().into();
        let sent =
            self.channel.basic_publish(EXCHANGE.into(), key, options, payload, properties.clone()).await?;
        let confirmed = sent.await?;
        ensure!(matches!(confirmed, Confirmation::Ack(None)), "RabbitMQ refuses a message");
        Ok(())
    }

    /// A quorum queue as the platform's groups have one, which gets what is published from now on.
    async fn make_queue(&self) -> anyhow::Result<()> {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), text("quorum"));
        let (durable, queue) = (QueueDeclareOptions::durable(), GROUP.0);
        self.channel.queue_declare(queue.into(), durable, arguments).await?;
        let (options, table) = (QueueBindOptions::default(), FieldTable::default());
        let subject = Subject::Emotions.as_str().into();
        Ok(self.channel.queue_bind(queue.into(), EXCHANGE.into(), subject, options, table).await?)
    }

    /// How many messages are ready in that queue.
    async fn ready(&self) -> anyhow::Result<u32> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let found = self.channel.queue_declare(GROUP.0.into(), passive, FieldTable::default()).await?;
        Ok(found.message_count())
    }
}

#[async_trait(?Send)]
impl RawBus for Raw {
    fn prepare(&mut self, events: &[Event]) {
        self.messages = events.iter().map(Prepared::of).collect();
    }

    async fn groups(&mut self, size: usize, time: Duration) -> anyhow::Result<f64> {
        in_groups(self.messages.len(), size, time, async |group| {
            at_once(group, async |number| self.send(number).await).await
        })
        .await
    }

    /// All over one channel. What one task publishes there comes in order, so the library counts it right.
    async fn singly(&mut self, publishers: usize, time: Duration) -> anyhow::Result<f64> {
        by_publishers(self.messages.len(), publishers, time, async |number| self.send(number).await).await
    }

    async fn lay(&mut self) -> anyhow::Result<()> {
        self.make_queue().await?;
        in_windows(self.messages.len(), WINDOW, async |number| self.send(number).await).await
    }

    /// From a queue that got the same messages as the platform's, and is gone afterwards.
    async fn consume(&mut self) -> anyhow::Result<f64> {
        let channel = self.connection.create_channel().await?;
        channel.basic_qos(AHEAD, BasicQosOptions::default()).await?;
        let started = Instant::now();
        let (options, table) = (BasicConsumeOptions::default(), FieldTable::default());
        let mut messages = channel.basic_consume(GROUP.0.into(), "".into(), options, table).await?;
        let count = self.messages.len();
        for number in 1..=count {
            let message = tokio::time::timeout(SILENCE, messages.next()).await?;
            let message = message.context("the messages end")??;
            if number % TOGETHER == 0 || number == count {
                channel.basic_ack(message.delivery_tag, BasicAckOptions { multiple: true }).await?;
            }
        }
        // The server hears acknowledgements in order, and answers this.
        channel.basic_qos(AHEAD, BasicQosOptions::default()).await?;
        let rate = per_second(count as u64, started.elapsed());
        // What was not acknowledged would come back.
        channel.close(200, "done".into()).await?;
        let left = self.ready().await?;
        ensure!(left == 0, "{left} messages were not acknowledged");
        self.channel.queue_delete(GROUP.0.into(), QueueDeleteOptions::default()).await?;
        Ok(rate)
    }
}
