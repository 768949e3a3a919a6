//! The bus itself: the contract over streams, publishers and pullers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ecs_breaker::Breaker;
use ecs_bus::{
    Backlog, Bus, BusError, Capabilities, Event, Frontier, Group, LogPage, Position, PublishError, Subject,
    SubscribeOptions, Subscription, Window,
};
use ecs_bus_outgoing::{Queues, group_commit, locked};
use ecs_domain::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::ledger::Ledger;
use crate::link::Link;
use crate::member::Member;
use crate::message::HEADER_ROOM;
use crate::publisher::{self, LARGEST_GROUP, Publisher};
use crate::puller::Puller;
use crate::subscription::NatsSubscription;
use crate::{Options, consumers, flushes, log, streams};

/// How long a ping waits for its answer.
const PING: Duration = Duration::from_secs(1);
/// How long a close waits for its members to hand back what they have. Each of their steps ends sooner by itself.
const FAREWELL: Duration = Duration::from_secs(15);

/// A bus over a NATS server or cluster with JetStream, shared by all processes that name the same address. [`Bus::close`] ends
/// it in good order. Dropping it finishes what was published in the background.
pub struct NatsBus {
    link: Link,
    queues: Queues<Subject>,
    publishers: Mutex<JoinSet<()>>,
    members: Mutex<JoinSet<()>>,
    closing: watch::Sender<bool>,
    /// Whether a first close has begun; a second one waits for it.
    closed: tokio::sync::Mutex<bool>,
    ledger: Arc<Ledger>,
    breaker: Breaker,
    patience: Duration,
}

impl NatsBus {
    /// Connects, makes the streams that are missing, and checks those that are there. [`BusError::Corrupt`] names each setting
    /// of a stream or server that would break a promise; [`BusError::Unavailable`] when NATS can't be reached.
    pub async fn open(options: Options) -> Result<Self, BusError> {
        let link = Link::connect(&options).await?;
        flushes::check(options.monitor.as_deref(), options.replicas).await?;
        let max_payload = largest_payload(&link, options.max_payload);
        let breaker = Breaker::new("bus", options.breaker, &options.metrics);
        let mut queues = Queues::new(Window::new(options.window_events, options.window_bytes, max_payload));
        let mut publishers = JoinSet::new();
        for subject in Subject::ALL {
            let atomic = streams::open(&link, subject, options.replicas, max_payload).await?;
            let publisher = Publisher::open(subject, &link, &breaker, atomic, &options).await?;
            publishers.spawn(group_commit(queues.add(subject, LARGEST_GROUP), publisher));
        }
        let ledger = Arc::new(Ledger::open(&link, options.replicas, options.publish_timeout).await?);
        Ok(Self {
            link,
            queues,
            publishers: Mutex::new(publishers),
            members: Mutex::default(),
            closing: watch::Sender::new(false),
            closed: tokio::sync::Mutex::default(),
            ledger,
            breaker,
            patience: options.publish_timeout,
        })
    }

    fn check_open(&self) -> Result<(), BusError> {
        if *self.closing.borrow() { Err(BusError::Closed) } else { Ok(()) }
    }
}

/// The server's limit holds for headers and payload together.
fn largest_payload(link: &Link, wanted: usize) -> usize {
    let offered = link.client.max_payload().saturating_sub(HEADER_ROOM);
    if offered < wanted {
        tracing::warn!(wanted, offered, "NATS takes smaller events than the bus is set to (max_payload)");
    }
    wanted.min(offered)
}

#[async_trait]
impl Bus for NatsBus {
    async fn publish(&self, batch: Vec<Event>) -> Vec<Result<(), PublishError>> {
        let count = batch.len();
        if *self.closing.borrow() {
            return vec![Err(PublishError::Closed); count];
        }
        if let Some(refusal) = publisher::refusal(&self.breaker) {
            return vec![Err(refusal); count];
        }
        self.queues.publish(batch, |event| event.subject).await
    }

    async fn subscribe(
        &self,
        subject: Subject,
        group: Group,
        options: SubscribeOptions,
    ) -> Result<Box<dyn Subscription>, BusError> {
        self.check_open()?;
        consumers::open(&self.link, subject, group, options).await?;
        let member = Arc::new(Member::new(options));
        let (link, ledger) = (self.link.clone(), Arc::clone(&self.ledger));
        let closing = self.closing.subscribe();
        let puller =
            Puller::new(subject, group, link.clone(), Arc::clone(&ledger), Arc::clone(&member), closing);
        {
            let mut members = locked(&self.members);
            // Those that have ended take no more room.
            while members.try_join_next().is_some() {}
            members.spawn(puller.run());
        }
        Ok(Box::new(NatsSubscription { subject, group, member, link, ledger }))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            transport: "nats",
            stored_once_per_id: false,
            ordered_per_key: false,
            keeps_log: true,
            shared: true,
        }
    }

    async fn backlog(&self, subject: Subject, group: Group) -> Result<Backlog, BusError> {
        self.check_open()?;
        // In this order: what is published in between is missing from the stream's numbers and shows up next time.
        let stream = streams::info(&self.link, streams::name(subject)).await?.state;
        let consumer = consumers::info(&self.link, subject, group).await?;
        let settled_through = consumers::settled_through(consumer.as_ref(), &stream);
        let pending = consumers::pending(consumer.as_ref(), &stream);
        let oldest = match consumers::oldest_known(settled_through, &stream) {
            _ if pending == 0 => None,
            Some(oldest) => Some(oldest),
            None => log::first_from(&self.link, subject, settled_through + 1).await?.map(|(_, at)| at),
        };
        Ok(Backlog { settled_through: Position::single(settled_through).into(), pending, oldest })
    }

    async fn log(&self, subject: Subject, after: &Frontier, limit: usize) -> Result<LogPage, BusError> {
        self.check_open()?;
        let first = after.next(0);
        // In this order: events that are forgotten in between are missing from the page and named by pruned_at, never
        // missing without a word.
        let records = log::read(&self.link, subject, first, limit, self.patience).await?;
        let pruned_at = streams::info(&self.link, streams::name(subject)).await?.state.gone_until();
        Ok(LogPage { records, pruned_at })
    }

    async fn prune(&self, subject: Subject, before: Timestamp) -> Result<u64, BusError> {
        self.check_open()?;
        log::forget(&self.link, subject, before).await
    }

    async fn ping(&self) -> Result<(), BusError> {
        self.check_open()?;
        if !self.link.is_connected() {
            return Err(BusError::Unavailable("there is no connection to NATS".to_owned()));
        }
        Ok(log::ping(&self.link, Subject::Emotions, PING).await?)
    }

    async fn close(&self) -> Result<(), BusError> {
        self.closing.send_replace(true);
        let mut closed = self.closed.lock().await;
        if std::mem::replace(&mut *closed, true) {
            return Ok(());
        }
        self.queues.drain();
        let mut publishers = std::mem::take(&mut *locked(&self.publishers));
        let mut members = std::mem::take(&mut *locked(&self.members));
        while publishers.join_next().await.is_some() {}
        let left = async { while members.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, left).await.is_err() {
            tracing::warn!("members don't leave in time; what they have comes again after its lease");
            members.abort_all();
        }
        // Whatever they had to say waits for the connection now, if there is one.
        let flushed = match self.link.is_connected() {
            true => tokio::time::timeout(PING, self.link.client.flush()).await,
            false => Ok(Ok(())),
        };
        // Ends the connection, if it is still there and takes the word.
        let _ = tokio::time::timeout(PING, self.link.client.drain()).await;
        match flushed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(BusError::Unavailable(error.to_string())),
            Err(_) => Err(BusError::Unavailable("NATS does not hear the last words".to_owned())),
        }
    }
}

impl Drop for NatsBus {
    fn drop(&mut self) {
        self.queues.drain();
        locked(&self.publishers).detach_all();
        self.closing.send_replace(true);
        locked(&self.members).detach_all();
    }
}
