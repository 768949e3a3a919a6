//! What the behaviours share: events, deadlines, a member that acknowledges, a sink that remembers.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ecs_bus::{
    Bus, DeadLetter, DeadLetterSink, Delivery, Event, Frontier, Group, Headers, LogRecord, Settlement,
    SinkError, Subject, SubscribeOptions, Subscription, Verdict,
};
use ecs_domain::{Clock, EventId, Timestamp, UserId};
use uuid::Uuid;

/// The subject that most behaviours use.
pub const SUBJECT: Subject = Subject::Emotions;

/// The group that most behaviours use.
pub const GROUP: Group = Group("conformance");

/// When a test gives up.
const DEADLINE: Duration = Duration::from_secs(60);

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// What the future gives, or the end of the test at the deadline.
pub async fn within<T>(future: impl Future<Output = T> + Send) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap()
}

/// The `number`th event: its id, key, payload and headers follow from the number.
#[must_use]
pub fn event(number: u128) -> Event {
    Event {
        id: EventId::new(Uuid::from_u128(number + 1)),
        subject: SUBJECT,
        key: UserId::new(Uuid::from_u128(number % 7)),
        payload: Bytes::from(format!("{{\"number\":{number}}}")),
        headers: Headers {
            schema_version: 1,
            request_id: Some(format!("request-{number}")),
            traceparent: number
                .is_multiple_of(2)
                .then(|| "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        },
    }
}

/// The events with these numbers.
#[must_use]
pub fn events(numbers: std::ops::Range<u128>) -> Vec<Event> {
    numbers.map(event).collect()
}

/// The ids of the events with these numbers.
#[must_use]
pub fn ids(numbers: std::ops::Range<u128>) -> BTreeSet<EventId> {
    numbers.map(|number| event(number).id).collect()
}

/// Publishes, and insists that all of it is durable.
pub async fn publish(bus: &dyn Bus, events: Vec<Event>) {
    let count = events.len();
    let results = within(bus.publish(events)).await;
    assert_eq!(results.len(), count);
    let refused: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert!(
        refused.is_empty(),
        "{} of {} are not durable, the first for: {:?}",
        refused.len(),
        count,
        refused[0]
    );
}

/// Batches of at most `max_batch`, without waiting for more.
#[must_use]
pub fn batches_of(max_batch: usize) -> SubscribeOptions {
    SubscribeOptions { max_batch, linger: Duration::ZERO, lease: Duration::from_secs(60) }
}

/// Batches of exactly `max_batch`, as long as so many are there: the first one waits a moment for its mates, which a transport with
/// shards may have from several places.
#[must_use]
pub fn full_batches_of(max_batch: usize) -> SubscribeOptions {
    SubscribeOptions { linger: Duration::from_secs(1), ..batches_of(max_batch) }
}

/// Joins the group.
pub async fn join(bus: &dyn Bus, group: Group, options: SubscribeOptions) -> Box<dyn Subscription> {
    within(bus.subscribe(SUBJECT, group, options)).await.unwrap()
}

/// The next batch.
pub async fn next(subscription: &mut Box<dyn Subscription>) -> Vec<Delivery> {
    let batch = within(subscription.next()).await.unwrap();
    assert!(!batch.is_empty(), "next waits for at least one event");
    batch
}

/// The next `count` deliveries, not settled yet.
pub async fn take(subscription: &mut Box<dyn Subscription>, count: usize) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    while deliveries.len() < count {
        deliveries.extend(next(subscription).await);
    }
    assert_eq!(deliveries.len(), count);
    deliveries
}

/// Acknowledges.
pub async fn ack(subscription: &mut Box<dyn Subscription>, deliveries: &[Delivery]) {
    let settlements =
        deliveries.iter().map(|delivery| Settlement { tag: delivery.tag, verdict: Verdict::Ack });
    within(subscription.settle(settlements.collect())).await.unwrap();
}

/// Asks for another delivery of each.
pub async fn retry(
    subscription: &mut Box<dyn Subscription>,
    deliveries: &[Delivery],
    after: Duration,
    reason: &str,
) {
    let verdict = Verdict::Retry { after, reason: reason.to_owned() };
    let settlements =
        deliveries.iter().map(|delivery| Settlement { tag: delivery.tag, verdict: verdict.clone() });
    within(subscription.settle(settlements.collect())).await.unwrap();
}

/// The ids of deliveries.
#[must_use]
pub fn ids_of(deliveries: &[Delivery]) -> BTreeSet<EventId> {
    deliveries.iter().map(|delivery| delivery.event.id).collect()
}

/// The whole log of the subject, read in pages.
pub async fn whole_log(bus: &dyn Bus) -> Vec<LogRecord> {
    let mut records: Vec<LogRecord> = Vec::new();
    let mut after = Frontier::default();
    loop {
        let page = within(bus.log(SUBJECT, &after, 1_000)).await.unwrap();
        after.extend(page.records.iter().map(|record| record.position));
        if page.records.is_empty() {
            return records;
        }
        records.extend(page.records);
    }
}

/// Waits until nothing of the group is pending.
pub async fn settled(bus: &dyn Bus, group: Group) {
    within(async {
        while bus.backlog(SUBJECT, group).await.unwrap().pending > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A sink that remembers, and fails while it is told to.
#[derive(Default)]
pub struct RecordingSink {
    /// Whether it fails.
    pub broken: AtomicBool,
    letters: Mutex<Vec<DeadLetter>>,
    refusals: std::sync::atomic::AtomicU32,
}

impl RecordingSink {
    /// What it kept.
    #[must_use]
    pub fn letters(&self) -> Vec<DeadLetter> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often it failed.
    #[must_use]
    pub fn refusals(&self) -> u32 {
        self.refusals.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl DeadLetterSink for RecordingSink {
    async fn keep(&self, letters: Vec<DeadLetter>) -> Result<(), SinkError> {
        if self.broken.load(Ordering::SeqCst) {
            self.refusals.fetch_add(1, Ordering::SeqCst);
            return Err(SinkError("told to fail".to_owned()));
        }
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).extend(letters);
        Ok(())
    }
}
