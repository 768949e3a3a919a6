//! The limits of Kafka: the plain client library in a loop, with nothing around it. The topic is the platform's: one broker flushes
//! every message before it acknowledges.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use ecs_bus::{Event, Headers, Subject};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::message::{BorrowedMessage, Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::per_second;
use super::raw::{GROUP, RawBus, SILENCE, at_once, by_publishers, in_groups, in_windows};

/// How many messages are on their way at once while a backlog is laid.
const WINDOW: usize = 20_000;
/// How many messages are acknowledged at once.
const TOGETHER: usize = 5_000;

/// A connection to a broker on which the platform's topics are.
pub(crate) struct Raw {
    config: ClientConfig,
    producer: FutureProducer,
    messages: Vec<Prepared>,
}

struct Prepared {
    key: String,
    headers: OwnedHeaders,
    payload: Bytes,
}

impl Prepared {
    /// The same bytes as the platform's.
    fn of(event: &Event) -> Self {
        let (id, version) = (event.id.to_string(), event.headers.schema_version.to_string());
        let told = [
            (Headers::REQUEST_ID, &event.headers.request_id),
            (Headers::TRACEPARENT, &event.headers.traceparent),
        ];
        let told = told.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let headers = [("event-id", &id), (Headers::SCHEMA_VERSION, &version)].into_iter().chain(told);
        let headers = headers.fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value) })
        });
        Self { key: event.key.to_string(), headers, payload: event.payload.clone() }
    }
}

impl Raw {
    /// Connects to a broker on which the bus has made its topics.
    pub(crate) fn connect(url: &str) -> anyhow::Result<Self> {
        let (login, hosts) = url.trim_start_matches("kafka://").split_once('@').context("no login")?;
        let (user, password) = login.split_once(':').context("no password")?;
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", hosts)
            .set("security.protocol", "sasl_plaintext")
            .set("sasl.mechanism", "PLAIN")
            .set("sasl.username", user)
            .set("sasl.password", password);
        let mut sending = config.clone();
        sending
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("linger.ms", "1")
            .set("partitioner", "murmur2_random");
        Ok(Self { producer: sending.create()?, config, messages: Vec::new() })
    }

    async fn send(&self, number: usize) -> anyhow::Result<()> {
        let Prepared { key, headers, payload } =
            self.messages.get(number).context("there is no such message")?;
        let record = FutureRecord::to(Subject::Emotions.as_str()).key(key).payload(payload.as_ref());
        let queued = self.producer.send_result(record.headers(headers.clone()));
        queued.map_err(|(error, _)| error)?.await?.map_err(|(error, _)| error)?;
        Ok(())
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

    async fn singly(&mut self, publishers: usize, time: Duration) -> anyhow::Result<f64> {
        by_publishers(self.messages.len(), publishers, time, async |number| self.send(number).await).await
    }

    async fn lay(&mut self) -> anyhow::Result<()> {
        in_windows(self.messages.len(), WINDOW, async |number| self.send(number).await).await
    }

    /// From the first message on: to join a group takes longer than to read what is there.
    async fn consume(&mut self) -> anyhow::Result<f64> {
        let mut config = self.config.clone();
        config
            .set("group.id", GROUP.0)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false");
        let count = self.messages.len();
        tokio::task::spawn_blocking(move || consume(&config, count)).await?
    }
}

fn consume(config: &ClientConfig, count: usize) -> anyhow::Result<f64> {
    let consumer: BaseConsumer = config.create()?;
    consumer.subscribe(&[Subject::Emotions.as_str()])?;
    let mut started = Instant::now();
    for number in 0..count {
        let message = next(&consumer)?;
        if number == 0 {
            started = Instant::now();
        }
        drop(message);
        if number + 1 == count {
            consumer.commit_consumer_state(CommitMode::Sync)?;
        } else if (number + 1) % TOGETHER == 0 {
            consumer.commit_consumer_state(CommitMode::Async)?;
        }
    }
    let rate = per_second(count as u64, started.elapsed());
    let offsets = consumer.committed(SILENCE)?;
    let committed: i64 =
        offsets.elements().iter().filter_map(|it| it.offset().to_raw()).filter(|it| *it > 0).sum();
    ensure!(usize::try_from(committed)? == count, "{committed} of {count} messages were acknowledged");
    Ok(rate)
}

/// The next message. The library also comes back with nothing when it was only busy with its group.
fn next(consumer: &BaseConsumer) -> anyhow::Result<BorrowedMessage<'_>> {
    let asked = Instant::now();
    loop {
        if let Some(message) = consumer.poll(SILENCE) {
            return Ok(message?);
        }
        ensure!(asked.elapsed() < SILENCE, "Kafka delivers nothing");
    }
}
