//! A group in this process: one consumer of Kafka, shared by all members of the group that are here. Kafka deals partitions out to
//! processes; within one, the members compete for single events.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ecs_bus::{BusError, Group, Subject, SubscribeOptions};
use ecs_domain::Timestamp;
use rdkafka::ClientConfig;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Message};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::client::unavailable;
use crate::message;
use crate::producer::Producer;
use crate::rebalance::Rebalancing;
use crate::state::{Item, Part, State, Topic};

/// How long one look for messages takes when there are none. A closing group ends after one such look.
const LOOK: Duration = Duration::from_millis(50);
/// How many messages are taken at once.
const GULP: usize = 1_000;
/// The fewest events that are fetched ahead for a member.
const AHEAD: usize = 200;
/// How long nobody takes anything before the fetching is halted in the client library, which drops what it has fetched.
const IDLE: Duration = Duration::from_secs(1);
/// How many retries may wait here for their time. More stay on the broker until these are fewer.
const MOST_WAITING: usize = 50_000;
/// No wait is longer: the clock of the runtime has an end.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// The consumer of a group.
pub(crate) type GroupConsumer = BaseConsumer<Rebalancing>;

/// The names of a group's topics.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) subject: Arc<str>,
    pub(crate) retries: Arc<str>,
}

impl Names {
    pub(crate) fn of(&self, topic: Topic) -> &str {
        match topic {
            Topic::Subject => &self.subject,
            Topic::Retries => &self.retries,
        }
    }

    pub(crate) fn topic(&self, name: &str) -> Topic {
        if name == &*self.retries { Topic::Retries } else { Topic::Subject }
    }
}

pub(crate) struct Engine {
    pub(crate) subject: Subject,
    pub(crate) group: Group,
    pub(crate) names: Names,
    /// How many partitions the topic of retries has.
    pub(crate) retry_partitions: i32,
    pub(crate) producer: Arc<Producer>,
    state: Mutex<State>,
    /// The members have taken or settled something, or the group ends: the thread should look.
    pub(crate) room: Condvar,
    /// Something can be handed out, or the group ends: a member should look.
    pub(crate) arrived: Notify,
    /// Leases have begun, or the group ends: their keeper should look.
    pub(crate) leased: Notify,
    /// One commit after the other: a later one must not be overtaken.
    pub(crate) committing: Arc<tokio::sync::Mutex<()>>,
    consumer: Mutex<Option<Arc<GroupConsumer>>>,
    ended: watch::Sender<bool>,
}

impl Engine {
    /// Joins the group in the name of this process. `config` is that of the consumer.
    pub(crate) fn start(
        (subject, group): (Subject, Group),
        names: Names,
        retry_partitions: i32,
        producer: Arc<Producer>,
        config: &ClientConfig,
    ) -> Result<Arc<Self>, BusError> {
        let engine = Arc::new(Self {
            subject,
            group,
            names,
            retry_partitions,
            producer,
            state: Mutex::default(),
            room: Condvar::new(),
            arrived: Notify::new(),
            leased: Notify::new(),
            committing: Arc::default(),
            consumer: Mutex::default(),
            ended: watch::Sender::new(false),
        });
        let consumer = config.create_with_context(Rebalancing(Arc::clone(&engine)));
        let consumer: GroupConsumer = consumer.map_err(|error| unavailable(&error))?;
        let topics = [&*engine.names.subject, &*engine.names.retries];
        consumer.subscribe(&topics).map_err(|error| unavailable(&error))?;
        *engine.consumer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(consumer));
        let runner = Arc::clone(&engine);
        let thread = std::thread::Builder::new().name(format!("kafka-{group}"));
        let spawned = thread.spawn(move || runner.run());
        spawned.map_err(|error| BusError::Unavailable(format!("no thread for a group: {error}")))?;
        tokio::spawn(Arc::clone(&engine).keep_leases());
        Ok(engine)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn consumer(&self) -> Option<Arc<GroupConsumer>> {
        self.consumer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A new member's number; `None` when the group ends here already.
    pub(crate) fn join(&self, options: SubscribeOptions) -> Option<u64> {
        let mut state = self.state();
        if state.closing {
            return None;
        }
        state.members += 1;
        state.appetite += appetite(options);
        let number = state.number();
        drop(state);
        self.room.notify_all();
        Some(number)
    }

    /// A member goes. With the last one the process leaves the group, so that others get its partitions.
    pub(crate) fn leave(&self, member: u64, options: SubscribeOptions) {
        let mut state = self.state();
        state.hand_back(member);
        state.members = state.members.saturating_sub(1);
        state.appetite = state.appetite.saturating_sub(appetite(options));
        let is_last = state.members == 0;
        drop(state);
        if is_last {
            self.end();
        }
        self.arrived.notify_one();
    }

    /// Ends the group here. What is settled is committed, and the partitions go to others.
    pub(crate) fn end(&self) {
        self.state().closing = true;
        self.room.notify_all();
        self.arrived.notify_waiters();
        self.arrived.notify_one();
        self.leased.notify_one();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.state().closing
    }

    /// Waits until the process has left the group.
    pub(crate) async fn ended(&self) {
        // The sender is ours, so it can't be gone.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// The thread: it looks for messages, which is also where Kafka tells which partitions are ours.
    fn run(self: Arc<Self>) {
        if let Some(consumer) = self.consumer() {
            let mut brake = Brake::default();
            while !self.is_closing() {
                let is_full = self.is_full();
                brake.apply(&self, &consumer, is_full);
                if !is_full || brake.is_on() {
                    self.fetch(&consumer);
                }
            }
        }
        // Nobody commits any more once the consumer is taken; its end commits what is left.
        let _last = self.committing.blocking_lock();
        let consumer = self.consumer.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(consumer);
        self.ended.send_replace(true);
    }

    /// Whether the members have enough. If so, this waits a moment for them to take some.
    fn is_full(&self) -> bool {
        let state = self.state();
        if state.closing || state.ready() < state.appetite {
            return false;
        }
        let waited = self.room.wait_timeout(state, LOOK);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !state.closing && state.ready() >= state.appetite
    }

    fn fetch(&self, consumer: &GroupConsumer) {
        let mut taken = 0;
        let mut message = consumer.poll(LOOK);
        while let Some(next) = message {
            match next {
                Ok(record) => self.arrive(&record),
                Err(error) => tracing::warn!(group = %self.group, %error, "Kafka"),
            }
            taken += 1;
            if taken >= GULP {
                break;
            }
            message = consumer.poll(Duration::ZERO);
        }
        if taken > 0 {
            self.arrived.notify_one();
        }
    }

    fn arrive(&self, record: &BorrowedMessage<'_>) {
        let part: Part = (self.names.topic(record.topic()), record.partition());
        let offset = record.offset();
        let event = message::event(self.subject, record);
        let again = (part.0 == Topic::Retries).then(|| message::again(record)).flatten();
        let now = Instant::now();
        let mut state = self.state();
        let Some(epoch) = state.arrive(part, offset) else { return };
        match again {
            None => {
                let published_at = message::published_at(record);
                let origin = (record.partition(), offset);
                let failures = ecs_bus::Failures::default();
                state.add(Item { event, published_at, failures, origin, part, offset, epoch, at: now });
            }
            Some(message::Again { origin, published_at, not_before, failures }) => {
                let due = now + until(not_before);
                let item = Item { event, published_at, failures, origin, part, offset, epoch, at: now };
                state.add_later(due, item);
            }
        }
    }
}

/// How many events should be here for a member, so that it never waits for the next batch.
fn appetite(options: SubscribeOptions) -> usize {
    options.max_batch.saturating_mul(2).max(AHEAD)
}

/// How long it is until a time.
fn until(time: Timestamp) -> Duration {
    let wait = Duration::try_from(time.duration_since(Timestamp::now())).unwrap_or_default();
    wait.min(LONGEST_WAIT)
}

/// Halts the fetching of partitions where there is enough.
#[derive(Default)]
struct Brake {
    full_since: Option<Instant>,
    all: bool,
    retries: bool,
}

impl Brake {
    fn is_on(&self) -> bool {
        self.all
    }

    fn apply(&mut self, engine: &Engine, consumer: &GroupConsumer, is_full: bool) {
        if !is_full {
            self.full_since = None;
        }
        let full_since = *self.full_since.get_or_insert_with(Instant::now);
        let all = is_full && full_since.elapsed() >= IDLE;
        let waiting = engine.state().waiting();
        let retries = waiting >= if self.retries { MOST_WAITING / 2 } else { MOST_WAITING };
        if (all, retries) == (self.all, self.retries) {
            return;
        }
        (self.all, self.retries) = (all, retries);
        let (mut halt, mut go_on) = (TopicPartitionList::new(), TopicPartitionList::new());
        for (topic, partition) in engine.state().parts() {
            let halted = all || (retries && topic == Topic::Retries);
            let list = if halted { &mut halt } else { &mut go_on };
            list.add_partition(engine.names.of(topic), partition);
        }
        for done in [consumer.pause(&halt), consumer.resume(&go_on)] {
            if let Err(error) = done {
                tracing::warn!(group = %engine.group, %error, "the pace of a group can't be set");
            }
        }
    }
}
