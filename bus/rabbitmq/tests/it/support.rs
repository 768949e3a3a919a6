//! A server, a bus over it, and a plain client for what the bus would never do.

use std::collections::BTreeSet;
use std::time::Duration;

use ecs_bus::{Bus, Delivery, Event, Group, Settlement, SubscribeOptions, Subscription, Verdict};
use ecs_bus_conformance::kit::{SUBJECT, within};
use ecs_bus_rabbitmq::{Options, RabbitBus};
use ecs_domain::EventId;
use ecs_servers::{Engine, RabbitMq, RabbitMqOptions, did_not_run, unavailable, unavailable_privately};
use lapin::{Channel, Connection, ConnectionProperties};
use uuid::Uuid;

/// A server of the test's own; `None`, and said loudly, where there is no RabbitMQ.
pub(crate) async fn server(test: &str) -> Option<RabbitMq> {
    if let Some(reason) = unavailable_privately(Engine::RabbitMq) {
        did_not_run(test, &reason);
        return None;
    }
    Some(RabbitMq::start(RabbitMqOptions::default()).await.unwrap())
}

/// Options over the server that the tests share, with names of the test's own, which has its time; `None`, and said loudly, where there is no RabbitMQ.
pub(crate) async fn shared(test: &str) -> Option<Options> {
    if let Some(reason) = unavailable(Engine::RabbitMq) {
        did_not_run(test, &reason);
        return None;
    }
    let options = options_at(RabbitMq::shared().await.unwrap().url());
    Some(Options { patience: Duration::from_secs(10), publish_timeout: Duration::from_secs(10), ..options })
}

/// Options for tests: what takes seconds in production takes a part of one here.
pub(crate) fn options_at(url: &str) -> Options {
    Options {
        prefix: format!("{}.", Uuid::new_v4()),
        publish_timeout: Duration::from_secs(3),
        patience: Duration::from_millis(500),
        breaker: ecs_breaker::Options { open_for: Duration::from_millis(300), ..Default::default() },
        ..Options::new(url)
    }
}

pub(crate) async fn open(options: &Options) -> RabbitBus {
    within(RabbitBus::open(options.clone())).await.unwrap()
}

/// A channel of a plain client.
pub(crate) async fn plain(options: &Options) -> (Connection, Channel) {
    let connection = Connection::connect(&options.url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

pub(crate) fn batches_of(max_batch: usize) -> SubscribeOptions {
    SubscribeOptions { max_batch, linger: Duration::ZERO, lease: Duration::from_secs(5) }
}

pub(crate) async fn join(bus: &RabbitBus, group: &'static str, max_batch: usize) -> Box<dyn Subscription> {
    within(bus.subscribe(SUBJECT, Group(group), batches_of(max_batch))).await.unwrap()
}

/// Takes and acknowledges until nothing is pending; returns what came.
pub(crate) async fn work_off(bus: &RabbitBus, group: &'static str) -> Vec<Delivery> {
    let mut member = join(bus, group, 1_000).await;
    let mut all = Vec::new();
    while within(bus.backlog(SUBJECT, Group(group))).await.unwrap().pending > 0 {
        // What is pending may be with another member, or on its way back from one.
        if let Ok(batch) = tokio::time::timeout(Duration::from_millis(500), member.next()).await {
            let batch = batch.unwrap();
            ack(&mut member, &batch).await;
            all.extend(batch);
        }
    }
    all
}

pub(crate) async fn ack(member: &mut Box<dyn Subscription>, batch: &[Delivery]) {
    let settled = batch.iter().map(|delivery| Settlement { tag: delivery.tag, verdict: Verdict::Ack });
    within(member.settle(settled.collect())).await.unwrap();
}

pub(crate) fn ids(events: &[Event]) -> BTreeSet<EventId> {
    events.iter().map(|event| event.id).collect()
}

pub(crate) fn delivered(deliveries: &[Delivery]) -> BTreeSet<EventId> {
    deliveries.iter().map(|delivery| delivery.event.id).collect()
}
