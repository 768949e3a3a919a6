//! The limits of NATS: its own protocol in a loop, with nothing around it. A publisher that sends one group after the other
//! and waits for its acknowledgement, publishers that await each message, and a consumer that does nothing but acknowledge.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_nats::header::{NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE};
use async_nats::{Client, ConnectOptions, HeaderMap, Message, ServerAddr, Subscriber};
use async_trait::async_trait;
use bytes::Bytes;
use ecs_bus::{Event, Headers, Subject};
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::per_second;
use super::raw::{GROUP, RawBus, SILENCE, by_publishers, in_groups};

/// The stream of emotion events.
const STREAM: &str = "emotions";
/// The most messages that the server takes as one batch.
const LARGEST_BATCH: usize = 1_000;
/// How many messages are asked for at once, and how many of such requests stand.
const PULL: usize = 5_000;
const PULLS: usize = 2;

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
    messages: Vec<Prepared>,
}

struct Prepared {
    headers: HeaderMap,
    payload: Bytes,
}

impl Prepared {
    /// The same bytes as the platform's.
    fn of(event: &Event) -> Self {
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
    /// Connects to a server on which the bus has made its streams.
    pub(crate) async fn connect(url: &str) -> anyhow::Result<Self> {
        let address: ServerAddr = url.parse().context("the address of NATS")?;
        let (user, password) = address.username().zip(address.password()).context("no password")?;
        let options = ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned());
        let client = options.subscription_capacity(1 << 17).connect(address).await?;
        let inbox = client.new_inbox();
        let answers = client.subscribe(format!("{inbox}.*")).await?;
        Ok(Self { client, inbox, answers, group: 0, messages: Vec::new() })
    }

    /// Sends a group and waits until all of it is acknowledged.
    async fn send(&mut self, group: Range<usize>, way: Way) -> anyhow::Result<()> {
        self.group += 1;
        let size = if way == Way::Singles { 1 } else { LARGEST_BATCH };
        let mut expected = 0;
        let messages = self.messages.get(group).unwrap_or_default();
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

    async fn make_consumer(&self) -> anyhow::Result<()> {
        let config = json!({"durable_name": GROUP.0, "ack_policy": "explicit", "max_ack_pending": 1_000_000});
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

#[async_trait(?Send)]
impl RawBus for Raw {
    fn prepare(&mut self, events: &[Event]) {
        self.messages = events.iter().map(Prepared::of).collect();
    }

    /// Half of the time in each way, of which the faster one counts.
    async fn groups(&mut self, size: usize, time: Duration) -> anyhow::Result<f64> {
        let mut fastest = 0.0_f64;
        for way in [Way::Singles, Way::Batches] {
            let count = self.messages.len();
            let rate = in_groups(count, size, time / 2, async |group| self.send(group, way).await).await?;
            fastest = fastest.max(rate);
        }
        Ok(fastest)
    }

    /// One flush per message.
    async fn singly(&mut self, publishers: usize, time: Duration) -> anyhow::Result<f64> {
        let send = async |number: usize| {
            let message = self.messages.get(number).context("there is no such message")?;
            let (headers, payload) = (message.headers.clone(), message.payload.clone());
            let subject = Subject::Emotions.as_str();
            acknowledged(&self.client.request_with_headers(subject, headers, payload).await?)
        };
        by_publishers(self.messages.len(), publishers, time, send).await
    }

    async fn lay(&mut self) -> anyhow::Result<()> {
        let count = self.messages.len();
        for first in (0..count).step_by(LARGEST_BATCH) {
            self.send(first..(first + LARGEST_BATCH).min(count), Way::Batches).await?;
        }
        Ok(())
    }

    /// Acknowledges each message by itself, as the protocol has it.
    async fn consume(&mut self) -> anyhow::Result<f64> {
        let count = self.messages.len() as u64;
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
}

fn acknowledged(answer: &Message) -> anyhow::Result<()> {
    let answer: Value = serde_json::from_slice(&answer.payload).context("no acknowledgement")?;
    anyhow::ensure!(answer["seq"].as_u64() > Some(0), "NATS refuses a message: {answer}");
    Ok(())
}
