//! The bus itself: the contract over topics, a producer and groups.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ecs_breaker::Breaker;
use ecs_bus::{
    Backlog, Bus, BusError, Capabilities, Event, Frontier, Group, LogPage, LogRecord, Position, PublishError,
    Subject, SubscribeOptions, Subscription, Window,
};
use ecs_bus_outgoing::{Queues, group_commit, locked};
use ecs_domain::Timestamp;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use tokio::task::JoinSet;

use crate::backlog::{self, Observers};
use crate::client::{blocking, unavailable};
use crate::groups::{self, Groups};
use crate::producer::Producer;
use crate::publisher::{self, LARGEST_GROUP, Publisher};
use crate::reader::{Offsets, Reader, Then};
use crate::topics::{self, Topics};
use crate::{Options, message, murmur};

/// How long a ping waits for its answer.
const PING: Duration = Duration::from_secs(1);

/// A bus over a Kafka broker or cluster, shared by all processes that name the same one. [`Bus::close`] ends it in good order.
/// Dropping it leaves the groups in the background.
pub struct KafkaBus {
    options: Arc<Options>,
    topics: Topics,
    /// The subjects' topics, and how many partitions each had when we came.
    names: HashMap<Subject, (Arc<str>, i32)>,
    /// One per subject and partition.
    queues: Queues<(Subject, i32)>,
    publishers: Mutex<JoinSet<()>>,
    producer: Arc<Producer>,
    groups: Groups,
    observers: Arc<Observers>,
    /// One reads the log, the other looks at single messages, so that a long page holds up no backlog.
    log: Arc<Mutex<Reader>>,
    probe: Arc<Mutex<Reader>>,
    closing: AtomicBool,
    breaker: Breaker,
}

impl KafkaBus {
    /// Connects, makes the topics that are missing, and checks those that are there. [`BusError::Corrupt`] names each setting of a
    /// topic that would break a promise; [`BusError::Unavailable`] when Kafka can't be reached.
    pub async fn open(options: Options) -> Result<Self, BusError> {
        let options = Arc::new(options);
        let topics = Topics::open(&options)?;
        let name = |subject| topics::of_subject(&options.prefix, subject);
        let there = topics.ensure(&Subject::ALL.map(name)).await?;
        let partitions = |topic: &str| there.get(topic).copied().unwrap_or(1);
        let named = |subject| (subject, (name(subject).into(), partitions(&name(subject))));
        let most = there.values().copied().max().unwrap_or(1);
        let producer = Arc::new(Producer::open(&options, most)?);
        let breaker = Breaker::new("bus", options.breaker, &options.metrics);
        let names = Subject::ALL.map(named).into();
        let (queues, publishers) = publishing(&options, &names, &producer, &breaker);
        let reader = || Reader::open(&options).map(|reader| Arc::new(Mutex::new(reader)));
        Ok(Self {
            names,
            groups: Groups::new(&options, &topics, &producer),
            observers: Arc::new(Observers::new(&options)),
            log: reader()?,
            probe: reader()?,
            closing: AtomicBool::new(false),
            queues,
            publishers: Mutex::new(publishers),
            breaker,
            producer,
            topics,
            options,
        })
    }

    fn check_open(&self) -> Result<(), BusError> {
        if self.closing.load(Ordering::Acquire) { Err(BusError::Closed) } else { Ok(()) }
    }

    fn name(&self, subject: Subject) -> Arc<str> {
        self.names.get(&subject).map_or_else(|| subject.as_str().into(), |(name, _)| Arc::clone(name))
    }

    /// Where an event is published: its subject, and the partition that its key decides.
    fn place(&self, event: &Event) -> (Subject, i32) {
        let partitions = self.names.get(&event.subject).map_or(1, |(_, partitions)| *partitions);
        (event.subject, murmur::partition(event.key.to_string().as_bytes(), partitions))
    }

    /// Runs what looks into topics.
    async fn look<T: Send + 'static>(
        reader: &Arc<Mutex<Reader>>,
        work: impl FnOnce(&Reader) -> Result<T, BusError> + Send + 'static,
    ) -> Result<T, BusError> {
        let reader = Arc::clone(reader);
        blocking(move || work(&locked(&reader))).await
    }
}

#[async_trait]
impl Bus for KafkaBus {
    async fn publish(&self, batch: Vec<Event>) -> Vec<Result<(), PublishError>> {
        let count = batch.len();
        if self.check_open().is_err() {
            return vec![Err(PublishError::Closed); count];
        }
        if let Some(refusal) = publisher::refusal(&self.breaker) {
            return vec![Err(refusal); count];
        }
        self.queues.publish(batch, |event| self.place(event)).await
    }

    async fn subscribe(
        &self,
        subject: Subject,
        group: Group,
        options: SubscribeOptions,
    ) -> Result<Box<dyn Subscription>, BusError> {
        self.check_open()?;
        self.groups.join(subject, group, options).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            transport: "kafka",
            stored_once_per_id: false,
            ordered_per_key: true,
            keeps_log: true,
            shared: true,
        }
    }

    async fn backlog(&self, subject: Subject, group: Group) -> Result<Backlog, BusError> {
        self.check_open()?;
        let prefix = &self.options.prefix;
        let (name, names) = (groups::name(prefix, subject, group), groups::names(prefix, subject, group));
        let observers = Arc::clone(&self.observers);
        Self::look(&self.probe, move |reader| backlog::of_group(&observers, reader, &name, &names)).await
    }

    async fn log(&self, subject: Subject, after: &Frontier, limit: usize) -> Result<LogPage, BusError> {
        self.check_open()?;
        let (topic, after, observers) = (self.name(subject), after.clone(), Arc::clone(&self.observers));
        Self::look(&self.log, move |reader| page(reader, &observers, subject, &topic, &after, limit)).await
    }

    async fn prune(&self, subject: Subject, before: Timestamp) -> Result<u64, BusError> {
        self.check_open()?;
        let (topic, observers) = (self.name(subject), Arc::clone(&self.observers));
        let mut topics = self.topics.retries_of(subject).await?;
        let (forgotten, list) = Self::look(&self.probe, move |reader| {
            let partitions = reader.partitions(&topic)?;
            let mut list = TopicPartitionList::new();
            let forgotten = older(reader, &topic, partitions, before, &mut list)?;
            if forgotten > 0 {
                // Noted first: what is said to be forgotten may be there, but never the other way round.
                observers.note_pruned(&topic, before)?;
            }
            for (retries, partitions) in topics.drain(..) {
                older(reader, &retries, partitions, before, &mut list)?;
            }
            Ok((forgotten, list))
        })
        .await?;
        if list.count() > 0 {
            self.topics.forget(&list).await?;
        }
        Ok(forgotten)
    }

    async fn ping(&self) -> Result<(), BusError> {
        self.check_open()?;
        self.topics.ping(self.name(Subject::Emotions).to_string(), PING).await
    }

    async fn close(&self) -> Result<(), BusError> {
        if self.closing.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let (producer, patience) = (Arc::clone(&self.producer), self.options.publish_timeout + PING);
        self.queues.drain();
        let mut publishers = std::mem::take(&mut *locked(&self.publishers));
        let finished = async { while publishers.join_next().await.is_some() {} };
        // Whatever they have begun ends by then.
        let _ = tokio::time::timeout(patience, finished).await;
        let flushed = blocking(move || producer.flush(patience)).await;
        self.groups.close().await;
        flushed
    }
}

impl Drop for KafkaBus {
    fn drop(&mut self) {
        self.queues.drain();
        locked(&self.publishers).detach_all();
        self.groups.end();
    }
}

/// A queue for each partition, and who publishes what is in it.
fn publishing(
    options: &Options,
    names: &HashMap<Subject, (Arc<str>, i32)>,
    producer: &Arc<Producer>,
    breaker: &Breaker,
) -> (Queues<(Subject, i32)>, JoinSet<()>) {
    let window = Window::new(options.window_events, options.window_bytes, options.max_payload);
    let (mut queues, mut publishers) = (Queues::new(window), JoinSet::new());
    for (&subject, (topic, partitions)) in names {
        for place in 0..(*partitions).max(1) {
            let queue = queues.add((subject, place), LARGEST_GROUP);
            let publisher = Publisher {
                subject,
                topic: Arc::clone(topic),
                place,
                queue: Arc::clone(&queue),
                producer: Arc::clone(producer),
                breaker: breaker.clone(),
                metrics: options.metrics.clone(),
            };
            publishers.spawn(group_commit(queue, publisher));
        }
    }
    (queues, publishers)
}

/// A page of a topic's log.
fn page(
    reader: &Reader,
    observers: &Observers,
    subject: Subject,
    topic: &str,
    after: &Frontier,
    limit: usize,
) -> Result<LogPage, BusError> {
    let spans = reader.spans(topic, reader.partitions(topic)?)?;
    let (mut from, mut to) = (Offsets::new(), Offsets::new());
    for (partition, span) in (0_u16..).zip(&spans) {
        let next = i64::try_from(after.next(partition)).unwrap_or(i64::MAX);
        from.insert(i32::from(partition), next.max(span.start));
        to.insert(i32::from(partition), span.end);
    }
    let mut records = Vec::new();
    if limit > 0 {
        reader.read(topic, &from, &to, |record| {
            records.push(LogRecord {
                position: position(record.partition(), record.offset())?,
                published_at: message::published_at(record),
                event: message::event(subject, record),
            });
            Ok(if records.len() < limit { Then::On } else { Then::End })
        })?;
    }
    // Looked at last: events that are forgotten meanwhile are missing from the page and named here.
    let spans = reader.spans(topic, reader.partitions(topic)?)?;
    let pruned_at = match spans.iter().any(|span| span.start > 0) {
        false => None,
        true => match observers.pruned_at(topic)? {
            Some(noted) => Some(noted),
            None => Some(complete_since(reader, topic, &spans)?),
        },
    };
    Ok(LogPage { records, pruned_at })
}

fn position(partition: i32, offset: i64) -> Result<Position, BusError> {
    match (u16::try_from(partition), u64::try_from(offset)) {
        (Ok(shard), Ok(offset)) => Ok(Position { shard, offset }),
        _ => Err(BusError::Corrupt(format!("no event can stand in partition {partition} at {offset}"))),
    }
}

/// Since when a topic is complete of which somebody else has removed something.
fn complete_since(
    reader: &Reader,
    topic: &str,
    spans: &[std::ops::Range<i64>],
) -> Result<Timestamp, BusError> {
    let parts = || (0..).zip(spans).filter(|(_, span)| span.start > 0);
    let from = parts().map(|(partition, span)| (partition, span.start)).collect();
    let to = parts().map(|(partition, span)| (partition, span.end)).collect();
    let first = backlog::first_time(reader, topic, &from, &to, Timestamp::max)?;
    let is_empty = parts().any(|(_, span)| span.is_empty());
    Ok(first.filter(|_| !is_empty).unwrap_or_else(Timestamp::now))
}

/// Adds the places before which a topic's records are older than a time, and counts these.
fn older(
    reader: &Reader,
    topic: &str,
    partitions: i32,
    before: Timestamp,
    list: &mut TopicPartitionList,
) -> Result<u64, BusError> {
    // In this order: what is published in between is behind the end, and stays.
    let spans = reader.spans(topic, partitions)?;
    let stays = reader.first_since(topic, partitions, before)?;
    let mut count = 0;
    for ((span, stays), partition) in spans.iter().zip(stays).zip(0..) {
        let stays = stays.unwrap_or(span.end).min(span.end);
        if stays > span.start {
            let added = list.add_partition_offset(topic, partition, Offset::Offset(stays));
            added.map_err(|error| unavailable(&error))?;
            count += u64::try_from(stays - span.start).unwrap_or_default();
        }
    }
    Ok(count)
}
