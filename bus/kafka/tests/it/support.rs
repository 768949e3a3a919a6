//! A broker, a bus over it, and what tests say again and again.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ecs_bus::{Bus, Delivery, Event, Group, Settlement, SubscribeOptions, Subscription, Verdict};
use ecs_bus_conformance::kit::SUBJECT;
use ecs_bus_kafka::{KafkaBus, Options};
use ecs_domain::EventId;
use ecs_servers::{Engine, Kafka, KafkaOptions, did_not_run, unavailable};

/// When a test gives up. A broker that comes back takes some seconds.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap()
}

/// The broker that tests share which harm nobody; `None`, and said loudly, where there is no Kafka.
pub(crate) async fn shared(test: &str) -> Option<&'static Kafka> {
    if let Some(reason) = unavailable(Engine::Kafka) {
        did_not_run(test, &reason);
        return None;
    }
    Some(Kafka::shared().await.unwrap())
}

/// Brokers of the test's own.
pub(crate) async fn own(test: &str, brokers: usize) -> Option<Kafka> {
    if let Some(reason) = unavailable(Engine::Kafka) {
        did_not_run(test, &reason);
        return None;
    }
    Some(Kafka::start(KafkaOptions { brokers, ..KafkaOptions::default() }).await.unwrap())
}

/// Options for tests: topics of their own, and what takes seconds in production takes a part of one here.
pub(crate) fn options(server: &Kafka) -> Options {
    static TESTS: AtomicU32 = AtomicU32::new(0);
    let (process, test) = (std::process::id(), TESTS.fetch_add(1, Ordering::Relaxed));
    Options {
        prefix: format!("it-{process}-{test}."),
        partitions: Some(4),
        session_timeout: Duration::from_secs(6),
        breaker: ecs_breaker::Options { open_for: Duration::from_millis(300), ..Default::default() },
        ..Options::new(server.url())
    }
}

pub(crate) async fn open(options: &Options) -> KafkaBus {
    within(KafkaBus::open(options.clone())).await.unwrap()
}

pub(crate) fn batches_of(max_batch: usize) -> SubscribeOptions {
    SubscribeOptions { max_batch, linger: Duration::ZERO, lease: Duration::from_secs(30) }
}

pub(crate) async fn join(bus: &KafkaBus, group: &'static str, max_batch: usize) -> Box<dyn Subscription> {
    within(bus.subscribe(SUBJECT, Group(group), batches_of(max_batch))).await.unwrap()
}

/// Publishes, and insists that all of it is durable.
pub(crate) async fn publish(bus: &KafkaBus, events: Vec<Event>) {
    let count = events.len();
    assert_eq!(within(bus.publish(events)).await, vec![Ok(()); count]);
}

pub(crate) fn acks(batch: &[Delivery]) -> Vec<Settlement> {
    batch.iter().map(|delivery| Settlement { tag: delivery.tag, verdict: Verdict::Ack }).collect()
}

pub(crate) async fn pending(bus: &KafkaBus, group: &'static str) -> u64 {
    within(bus.backlog(SUBJECT, Group(group))).await.unwrap().pending
}

/// Takes and acknowledges until nothing is pending; returns what came.
pub(crate) async fn work_off(bus: &KafkaBus, group: &'static str) -> Vec<Delivery> {
    let mut member = join(bus, group, 1_000).await;
    let mut all = Vec::new();
    while pending(bus, group).await > 0 {
        let batch = within(member.next()).await.unwrap();
        within(member.settle(acks(&batch))).await.unwrap();
        all.extend(batch);
    }
    all
}

pub(crate) fn ids(events: &[Event]) -> BTreeSet<EventId> {
    events.iter().map(|event| event.id).collect()
}

pub(crate) fn delivered(deliveries: &[Delivery]) -> BTreeSet<EventId> {
    deliveries.iter().map(|delivery| delivery.event.id).collect()
}
