//! Asking all members of a group, in all processes, what they hold: the server tells only what nobody holds.
//!
//! Each process has a queue of its own that hears every question and gets the answers to those that it asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ecs_bus::BusError;
use ecs_bus_outgoing::locked;
use ecs_domain::Timestamp;
use futures::StreamExt;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Consumer};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use uuid::Uuid;

use crate::courier::{Courier, Parcel};
use crate::link::{Link, away};
use crate::member::Holding;
use crate::puller::Asked;

/// How long answers are waited for.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);
/// How long to wait before the process's queue is made again.
const PAUSE: Duration = Duration::from_millis(100);
/// How long that may take.
const OPENED_WITHIN: Duration = Duration::from_secs(5);

/// What goes over the queues.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    Question { id: Uuid, queue: String, reply_to: String },
    Answer { id: Uuid, held: Held },
}

/// What the members of a group hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    /// How many channels of members have been counted.
    pub(crate) channels: u64,
    /// How many events they have.
    pub(crate) events: u64,
    /// How many they have ever been sent.
    pub(crate) received: u64,
    /// When the oldest of what they have was published.
    pub(crate) oldest: Option<Timestamp>,
}

impl Held {
    fn add(&mut self, other: Self) {
        self.channels += other.channels;
        self.events += other.events;
        self.received += other.received;
        self.oldest = [self.oldest, other.oldest].into_iter().flatten().min();
    }
}

impl From<Holding> for Held {
    fn from(holding: Holding) -> Self {
        let Holding { channels, events, received, oldest } = holding;
        Self { channels, events, received, oldest }
    }
}

/// Asks, and answers for the members of this process.
pub(crate) struct Census {
    courier: Arc<Courier>,
    exchange: String,
    /// The members here, by the queue of their group.
    members: Mutex<HashMap<String, Vec<mpsc::Sender<Asked>>>>,
    /// Those here that look into a group's queues without being members, by the queue of the group.
    looks: Mutex<HashMap<String, Held>>,
    /// Who waits for answers.
    asking: Mutex<HashMap<Uuid, mpsc::UnboundedSender<Held>>>,
    /// Our own queue, while there is one.
    inbox: watch::Sender<Option<String>>,
}

impl Census {
    pub(crate) fn open(
        listen: &Link,
        courier: Arc<Courier>,
        exchange: String,
        closing: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let census = Arc::new(Self {
            courier,
            exchange,
            members: Mutex::default(),
            looks: Mutex::default(),
            asking: Mutex::default(),
            inbox: watch::Sender::new(None),
        });
        tokio::spawn(Arc::clone(&census).listen(listen.clone(), closing));
        census
    }

    /// Adds a member of this process. It leaves when it drops its end.
    pub(crate) fn join(&self, queue: &str) -> mpsc::Receiver<Asked> {
        let (member, questions) = mpsc::channel(4);
        let mut members = locked(&self.members);
        let own = members.entry(queue.to_owned()).or_default();
        own.retain(|member| !member.is_closed());
        own.push(member);
        questions
    }

    /// Changes what those hold that look into a group's queues.
    pub(crate) fn look(&self, queue: &str, change: impl FnOnce(&mut Held)) {
        change(locked(&self.looks).entry(queue.to_owned()).or_default());
    }

    fn looks(&self, queue: &str) -> Held {
        locked(&self.looks).get(queue).copied().unwrap_or_default()
    }

    /// Asks until so many channels of members are counted. Fewer, where somebody doesn't answer in time.
    pub(crate) async fn ask(&self, queue: &str, channels: u64) -> Result<Held, BusError> {
        let mut inbox = self.inbox.subscribe();
        let named = tokio::time::timeout(ANSWERED_WITHIN, inbox.wait_for(Option::is_some)).await;
        let name = named.ok().and_then(|name| name.ok()?.clone());
        let reply_to = name.ok_or_else(|| away(&"nobody hears the answers"))?;
        let (id, (answer, mut answers)) = (Uuid::new_v4(), mpsc::unbounded_channel());
        locked(&self.asking).insert(id, answer);
        let question = Word::Question { id, queue: queue.to_owned(), reply_to };
        let asked = self.say(&self.exchange, "", &question).await;
        let mut held = Held::default();
        let until = Instant::now() + ANSWERED_WITHIN;
        while asked.is_ok() && held.channels < channels {
            match tokio::time::timeout_at(until, answers.recv()).await {
                Ok(Some(more)) => held.add(more),
                Ok(None) | Err(_) => break,
            }
        }
        locked(&self.asking).remove(&id);
        asked.map(|()| held)
    }

    async fn say(&self, exchange: &str, routing_key: &str, word: &Word) -> Result<(), BusError> {
        let payload = serde_json::to_vec(word).map_err(|error| BusError::Corrupt(error.to_string()))?;
        let parcel = Parcel {
            exchange: exchange.into(),
            routing_key: routing_key.into(),
            properties: BasicProperties::default(),
            payload: payload.into(),
        };
        self.courier.deliver_one(parcel).await
    }

    /// Hears questions and answers for as long as the bus is open.
    async fn listen(self: Arc<Self>, listen: Link, mut closing: watch::Receiver<bool>) {
        loop {
            let ended = tokio::select! {
                _ = closing.wait_for(|closing| *closing) => return,
                ended = self.hear(&listen) => ended,
            };
            self.inbox.send_replace(None);
            if let Err(error) = ended {
                tracing::debug!(%error, "the queue of questions is made again");
            }
            tokio::select! {
                _ = closing.wait_for(|closing| *closing) => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    async fn hear(self: &Arc<Self>, listen: &Link) -> Result<(), BusError> {
        let opening = tokio::time::timeout(OPENED_WITHIN, self.open_inbox(listen)).await;
        let (mut words, name) = opening.unwrap_or_else(|_| Err(away(&"it does not answer")))?;
        self.inbox.send_replace(Some(name));
        while let Some(word) = words.next().await {
            let word = word.map_err(|error| away(&error))?;
            match serde_json::from_slice(&word.data) {
                Ok(Word::Answer { id, held }) => {
                    let asking = locked(&self.asking).get(&id).cloned();
                    // Who asked may have given up.
                    let _ = asking.map(|asking| asking.send(held));
                }
                Ok(Word::Question { id, queue, reply_to }) => {
                    let members = locked(&self.members).get(&queue).cloned().unwrap_or_default();
                    if !members.is_empty() || self.looks(&queue).channels > 0 {
                        tokio::spawn(Arc::clone(self).answer(id, queue, members, reply_to));
                    }
                }
                Err(error) => tracing::warn!(%error, "a question can't be understood"),
            }
        }
        Ok(())
    }

    async fn open_inbox(&self, listen: &Link) -> Result<(Consumer, String), BusError> {
        let channel = listen.channel().await?.channel;
        let open = async {
            let own = QueueDeclareOptions::exclusive().auto_delete();
            let inbox = channel.queue_declare(ShortString::default(), own, FieldTable::default()).await?;
            let name = inbox.name().clone();
            let (exchange, table) = (ShortString::from(self.exchange.as_str()), FieldTable::default());
            let options = QueueBindOptions::default();
            channel.queue_bind(name.clone(), exchange, ShortString::default(), options, table).await?;
            let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
            let tag = ShortString::default();
            let words = channel.basic_consume(name.clone(), tag, options, FieldTable::default()).await?;
            lapin::Result::Ok((words, name.to_string()))
        };
        open.await.map_err(|error| away(&error))
    }

    async fn answer(
        self: Arc<Self>,
        id: Uuid,
        queue: String,
        members: Vec<mpsc::Sender<Asked>>,
        reply_to: String,
    ) {
        let mut held = self.looks(&queue);
        let mut answers = Vec::with_capacity(members.len());
        for member in members {
            let (asked, answer) = oneshot::channel();
            if member.try_send(asked).is_ok() {
                answers.push(answer);
            }
        }
        for answer in answers {
            if let Ok(holding) = answer.await {
                held.add(holding.into());
            }
        }
        if let Err(error) = self.say("", &reply_to, &Word::Answer { id, held }).await {
            tracing::debug!(%error, "an answer is lost");
        }
    }
}
