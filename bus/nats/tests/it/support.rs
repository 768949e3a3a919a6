//! A server, a bus over it, and a plain client for what the bus would never do.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::Client;
use ecs_bus::{Bus, Delivery, Event, Group, Settlement, SubscribeOptions, Subscription, Verdict};
use ecs_bus_conformance::kit::{SUBJECT, within};
use ecs_bus_nats::{NatsBus, Options};
use ecs_domain::EventId;
use ecs_servers::{Engine, Nats, NatsOptions, did_not_run, unavailable_privately};
use serde_json::Value;

/// A server of the test's own; `None`, and said loudly, where there is no NATS.
pub(crate) async fn server(test: &str, options: NatsOptions) -> Option<Nats> {
    if let Some(reason) = unavailable_privately(Engine::Nats) {
        did_not_run(test, &reason);
        return None;
    }
    Some(Nats::start(options).await.unwrap())
}

/// Options for tests: what takes seconds in production takes a part of one here. Only the server gets its time, as a small machine
/// runs many of them.
pub(crate) fn options(server: &Nats) -> Options {
    Options {
        patience: Duration::from_millis(500),
        breaker: ecs_breaker::Options { open_for: Duration::from_millis(300), ..Default::default() },
        ..Options::new(server.url())
    }
}

/// A bus that soon gives up a server that says nothing, for tests in which it does.
pub(crate) async fn open_impatient(server: &Nats) -> NatsBus {
    let publish_timeout = Duration::from_secs(2);
    within(NatsBus::open(Options { publish_timeout, ..options(server) })).await.unwrap()
}

pub(crate) async fn open(server: &Nats) -> NatsBus {
    within(NatsBus::open(options(server))).await.unwrap()
}

/// A plain client.
pub(crate) async fn client(server: &Nats) -> Client {
    let (_, rest) = server.url().split_once("nats://ecs:").unwrap();
    let (password, address) = rest.split_once('@').unwrap();
    let options = async_nats::ConnectOptions::with_user_and_password("ecs".to_owned(), password.to_owned());
    options.connect(address.to_owned()).await.unwrap()
}

/// Asks JetStream for something.
pub(crate) async fn api(client: &Client, what: &str, body: Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = within(client.request(format!("$JS.API.{what}"), body.into())).await.unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}

pub(crate) fn batches_of(max_batch: usize) -> SubscribeOptions {
    SubscribeOptions { max_batch, linger: Duration::ZERO, lease: Duration::from_secs(5) }
}

pub(crate) async fn join(bus: &NatsBus, group: &'static str, max_batch: usize) -> Box<dyn Subscription> {
    within(bus.subscribe(SUBJECT, Group(group), batches_of(max_batch))).await.unwrap()
}

/// Takes and acknowledges until nothing is pending; returns what came.
pub(crate) async fn work_off(bus: &NatsBus, group: &'static str) -> Vec<Delivery> {
    let mut member = join(bus, group, 1_000).await;
    let mut all = Vec::new();
    while within(bus.backlog(SUBJECT, Group(group))).await.unwrap().pending > 0 {
        let batch = within(member.next()).await.unwrap();
        ack(&mut member, &batch).await;
        all.extend(batch);
    }
    all
}

pub(crate) async fn ack(member: &mut Box<dyn Subscription>, batch: &[Delivery]) {
    let verdict = Verdict::Ack;
    let settled = batch.iter().map(|delivery| Settlement { tag: delivery.tag, verdict: verdict.clone() });
    within(member.settle(settled.collect())).await.unwrap();
}

pub(crate) fn ids(events: &[Event]) -> BTreeSet<EventId> {
    events.iter().map(|event| event.id).collect()
}

pub(crate) fn delivered(deliveries: &[Delivery]) -> BTreeSet<EventId> {
    deliveries.iter().map(|delivery| delivery.event.id).collect()
}
