//! The limits of NATS: its own protocol in a loop, with nothing around it. A publisher that sends one group after the other
//! and waits for its acknowledgement, publishers that await each message, and a consumer that does nothing but acknowledge.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_nats::header::{NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE};
use async_nats::{Client, ConnectOptions, HeaderMap, Message, ServerAddr, Subscriber};
use bytes::Bytes;
use ecs_bus::{Bus as _, Event, Headers, Subject};
use ecs_bus_nats::{NatsBus, Options};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};

use super::per_second;

/// The stream of emotion events, and a group of its own.
const STREAM: &str = "emotions";
const GROUP: &str = "limit";
/// The most messages that the server takes as one batch.
const LARGEST_BATCH: usize = 1_000;
/// How many messages are asked for at once, and how many of such requests stand.
const PULL: usize = 5_000;
const PULLS: usize = 2;
const SILENCE: Duration = Duration::from_secs(10);

/// How a group goes into the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Each message by itself, all sent before the first acknowledgement is awaited.
    Singles,
    /// As one atomic batch, or several.
    Batches,
}

/// A connection and the stream that the platform would make.
pub(crate) struct Raw {
    client: Client,
    inbox: String,
    answers: Subscriber,
    group: u64,
}

/// A message that is sent over and over: making it is not what is measured.
pub(crate) struct Prepared {
    headers: HeaderMap,
    payload: Bytes,
}

impl Prepared {
    /// The same bytes as the platform's.
    pub(crate) fn of(event: &Event) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("event-id", event.id.to_string());
        headers.insert("key", event.key.to_string());
        headers.insert(Headers::SCHEMA_VERSION, event.headers.schema_version.to_string());
        for (name, value) in [
            (Headers::REQUEST_ID, &event.headers.request_id),
            (Headers::TRACEPARENT, &event.headers.traceparent),
        ] {
            if let Some(value) = value {
                headers.insert(name, value.as_str());
            }
        }
        Self { headers, payload: event.payload.clone() }
    }
}

impl Raw {
    /// Lets the bus make its streams, and connects.
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        NatsBus::open(Options::new(url)).await?.close().await?;
        let address: ServerAddr = url.parse().context("the address of NATS")?;
        let (user, password) = address.username().zip(address.password()).context("no password")?;
        let options = ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned());
        let client = options.subscription_capacity(1 << 17).connect(address).await?;
        let inbox = client.new_inbox();
        let answers = client.subscribe(format!("{inbox}.*")).await?;
        Ok(Self { client, inbox, answers, group: 0 })
    }

    /// Sends groups of so many messages one after the other for some time, each in the way that is faster here. The first
    /// tenth of the time doesn't count.
    pub(crate) async fn append(
        &mut self,
        messages: &[Prepared],
        batch: usize,
        time: Duration,
    ) -> anyhow::Result<f64> {
        let mut fastest = 0.0_f64;
        for way in [Way::Singles, Way::Batches] {
            self.append_by(way, messages, batch, time / 20).await?;
            fastest = fastest.max(self.append_by(way, messages, batch, time / 2).await?);
        }
        Ok(fastest)
    }

    async fn append_by(
        &mut self,
        way: Way,
        messages: &[Prepared],
        batch: usize,
        time: Duration,
    ) -> anyhow::Result<f64> {
        let (started, mut appended) = (Instant::now(), 0);
        for group in messages.chunks_exact(batch.clamp(1, messages.len())).cycle() {
            if started.elapsed() >= time {
                break;
            }
            self.send(group, way).await?;
            appended += group.len() as u64;
        }
        Ok(per_second(appended, started.elapsed()))
    }

    /// Lays these messages, once each.
    pub(crate) async fn lay(&mut self, messages: &[Prepared]) -> anyhow::Result<()> {
        for group in messages.chunks(LARGEST_BATCH) {
            self.send(group, Way::Batches).await?;
        }
        Ok(())
    }

    /// Sends a group and waits until all of it is acknowledged.
    async fn send(&mut self, messages: &[Prepared], way: Way) -> anyhow::Result<()> {
        self.group += 1;
        let size = if way == Way::Singles { 1 } else { LARGEST_BATCH };
        let mut expected = 0;
        for (number, part) in messages.chunks(size).enumerate() {
            self.send_part(number, part, way).await?;
            expected += 1;
        }
        for _ in 0..expected {
            let answer = tokio::time::timeout(SILENCE, self.answers.next()).await?;
            acknowledged(&answer.context("the connection to NATS is gone")?)?;
        }
        Ok(())
    }

    async fn send_part(&self, number: usize, messages: &[Prepared], way: Way) -> anyhow::Result<()> {
        let subject = Subject::Emotions.as_str();
        let unique = self.inbox.trim_start_matches("_INBOX.");
        for (message, place) in messages.iter().zip(1..) {
            let mut headers = message.headers.clone();
            if way == Way::Batches {
                headers.insert(NATS_BATCH_ID, format!("{unique}-{}-{number}", self.group));
                headers.insert(NATS_BATCH_SEQUENCE, place.to_string());
            }
            let payload = message.payload.clone();
            if place < messages.len() {
                self.client.publish_with_headers(subject, headers, payload).await?;
                continue;
            }
            if way == Way::Batches {
                headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
            }
            let reply = format!("{}.{number}", self.inbox);
            self.client.publish_with_reply_and_headers(subject, reply, headers, payload).await?;
        }
        Ok(())
    }

    /// So many publishers at once, each of which awaits every message of its own: one flush per message.
    pub(crate) async fn singly(
        &self,
        messages: &[Prepared],
        publishers: usize,
        time: Duration,
    ) -> anyhow::Result<f64> {
        let started = Instant::now();
        let publisher = async |first: usize| {
            let mut published = 0_u64;
            for message in messages.iter().cycle().skip(first) {
                if started.elapsed() >= time {
                    break;
                }
                let (headers, payload) = (message.headers.clone(), message.payload.clone());
                let subject = Subject::Emotions.as_str();
                let answer = self.client.request_with_headers(subject, headers, payload).await?;
                acknowledged(&answer)?;
                published += 1;
            }
            anyhow::Ok(published)
        };
        let mut running: FuturesUnordered<_> = (0..publishers).map(publisher).collect();
        let mut published = 0;
        while let Some(own) = running.next().await {
            published += own?;
        }
        Ok(per_second(published, started.elapsed()))
    }

    /// Takes so many messages that wait and acknowledges each of them.
    pub(crate) async fn consume(&self, count: u64) -> anyhow::Result<f64> {
        self.make_consumer().await?;
        let (inbox, mut messages) = {
            let inbox = self.client.new_inbox();
            (inbox.clone(), self.client.subscribe(inbox).await?)
        };
        let started = Instant::now();
        let (mut consumed, mut asked) = (0_u64, 0_u64);
        while consumed < count {
            while asked < consumed + (PULL * PULLS) as u64 && asked < count {
                self.pull(&inbox).await?;
                asked += PULL as u64;
            }
            let message = tokio::time::timeout(SILENCE, messages.next()).await?;
            let message = message.context("the connection to NATS is gone")?;
            if message.status.is_some_and(|status| status.as_u16() >= 400) {
                anyhow::bail!("NATS delivers nothing: {:?}", message.description);
            }
            let Some(reply) = message.reply else { continue };
            consumed += 1;
            if consumed == count {
                // The server hears acknowledgements in order, and answers this one.
                self.client.request(reply, "+ACK".into()).await?;
            } else {
                self.client.publish(reply, Bytes::from_static(b"+ACK")).await?;
            }
        }
        let rate = per_second(consumed, started.elapsed());
        let info = self.ask(&format!("CONSUMER.INFO.{STREAM}.{GROUP}"), &Value::Null).await?;
        anyhow::ensure!(info["num_ack_pending"] == 0, "not everything was acknowledged: {info}");
        Ok(rate)
    }

    async fn make_consumer(&self) -> anyhow::Result<()> {
        let config = json!({"durable_name": GROUP, "ack_policy": "explicit", "max_ack_pending": 1_000_000});
        let body = json!({"stream_name": STREAM, "config": config});
        self.ask(&format!("CONSUMER.DURABLE.CREATE.{STREAM}.{GROUP}"), &body).await?;
        Ok(())
    }

    async fn pull(&self, inbox: &str) -> anyhow::Result<()> {
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{GROUP}");
        let body = json!({"batch": PULL, "expires": 30_000_000_000_u64}).to_string();
        Ok(self.client.publish_with_reply(subject, inbox.to_owned(), body.into()).await?)
    }

    async fn ask(&self, what: &str, body: &Value) -> anyhow::Result<Value> {
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let answer = self.client.request(format!("$JS.API.{what}"), body).await?;
        let answer: Value = serde_json::from_slice(&answer.payload)?;
        anyhow::ensure!(answer["error"].is_null(), "NATS refuses {what}: {}", answer["error"]);
        Ok(answer)
    }
}

fn acknowledged(answer: &Message) -> anyhow::Result<()> {
    let answer: Value = serde_json::from_slice(&answer.payload).context("no acknowledgement")?;
    anyhow::ensure!(answer["seq"].as_u64() > Some(0), "NATS refuses a message: {answer}");
    Ok(())
}
