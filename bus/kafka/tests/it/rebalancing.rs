//! Partitions that move between processes. Each bus here stands for a process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ecs_bus::{Bus, Event, Settlement, Verdict};
use ecs_bus_conformance::kit::{event, events};
use ecs_bus_kafka::KafkaBus;
use ecs_domain::UserId;

use crate::load::{Load, Seen, all_seen, follow};
use crate::support::{acks, delivered, ids, join, open, options, pending, publish, shared, within, work_off};

/// Processes join a group and leave it while events flow: each event is delivered, and in good order only once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_come_and_go_under_load_and_each_event_is_delivered_once() {
    let Some(server) = shared("rebalances under load").await else { return };
    let options = options(server);
    let first = Arc::new(open(&options).await);
    let seen = Seen::default();
    let mut members = vec![(Arc::clone(&first), follow(&first, &seen))];
    let load = Load::start(&first, 8);
    load.proceeds(100).await;
    for _ in 0..2 {
        let bus = Arc::new(open(&options).await);
        members.push((Arc::clone(&bus), follow(&bus, &seen)));
        load.proceeds(500).await;
    }
    let leave = async |(bus, member): (Arc<KafkaBus>, tokio::task::JoinHandle<()>)| {
        within(bus.close()).await.unwrap();
        within(member).await.unwrap();
    };
    leave(members.pop().unwrap()).await;
    load.proceeds(500).await;
    let durable = load.finish().await;
    all_seen(&seen, &durable).await;
    within(async { while pending(&first, "follower").await > 0 {} }).await;
    let again = seen.lock().unwrap().values().filter(|count| **count > 1).count();
    assert_eq!(again, 0, "of {} events", durable.len());
    for member in members.into_iter().rev() {
        leave(member).await;
    }
}

/// What a process has settled out of order stays settled when another takes over, retries included.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_settled_behind_something_open_stays_settled_elsewhere() {
    let Some(server) = shared("settled out of order").await else { return };
    let options = options(server);
    let one = open(&options).await;
    publish(&one, events(0..200)).await;
    let mut member = join(&one, "worker", 1_000).await;
    let mut batch = Vec::new();
    while batch.len() < 200 {
        batch.extend(within(member.next()).await.unwrap());
    }
    // Every third is done, every third fails, and every third is in hand when the process goes.
    let (done, rest): (Vec<_>, Vec<_>) = batch.into_iter().enumerate().partition(|(at, _)| at % 3 == 0);
    let done: Vec<_> = done.into_iter().map(|(_, delivery)| delivery).collect();
    let failed = rest.iter().filter(|(at, _)| at % 3 == 1).map(|(_, delivery)| Settlement {
        tag: delivery.tag,
        verdict: Verdict::Retry { after: Duration::ZERO, reason: "not now".to_owned() },
    });
    within(member.settle(acks(&done))).await.unwrap();
    within(member.settle(failed.collect())).await.unwrap();
    let other = open(&options).await;
    let open_ones = u64::try_from(rest.len()).unwrap();
    assert_eq!(pending(&other, "worker").await, open_ones);
    drop(member);
    within(one.close()).await.unwrap();
    let again = work_off(&other, "worker").await;
    assert_eq!(again.len(), rest.len(), "each once");
    let attempts: BTreeMap<_, _> = again.iter().map(|it| (it.event.id, it.attempt)).collect();
    for (at, delivery) in rest {
        let expect = if at % 3 == 1 { 2 } else { 1 };
        assert_eq!(attempts.get(&delivery.event.id), Some(&expect));
    }
}

/// More processes than partitions: some have nothing to do, and take over when others go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_surplus_process_waits_and_takes_over() {
    let Some(server) = shared("a surplus process").await else { return };
    let options = ecs_bus_kafka::Options { partitions: Some(1), ..options(server) };
    let (one, other) = (open(&options).await, open(&options).await);
    let mut first = join(&one, "worker", 100).await;
    publish(&one, events(0..10)).await;
    let batch = within(first.next()).await.unwrap();
    within(first.settle(acks(&batch))).await.unwrap();
    let mut second = join(&other, "worker", 100).await;
    drop(first);
    within(one.close()).await.unwrap();
    publish(&other, events(10..20)).await;
    let mut came = batch;
    while came.len() < 20 {
        let batch = within(second.next()).await.unwrap();
        within(second.settle(acks(&batch))).await.unwrap();
        came.extend(batch);
    }
    assert_eq!(delivered(&came), ids(&events(0..20)));
}

/// The first deliveries of one user's events come in the order of their publication.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_users_events_come_in_order() {
    let Some(server) = shared("order per key").await else { return };
    let bus = open(&options(server)).await;
    for chunk in 0..20 {
        publish(&bus, events(chunk * 100..chunk * 100 + 100)).await;
    }
    let mut by_user: BTreeMap<UserId, Vec<Event>> = BTreeMap::new();
    for delivery in work_off(&bus, "worker").await {
        by_user.entry(delivery.event.key).or_default().push(delivery.event);
    }
    assert_eq!(by_user.len(), 7);
    for (user, came) in by_user {
        let sent: Vec<Event> = (0..2_000).map(event).filter(|event| event.key == user).collect();
        assert!(came == sent, "{user}");
    }
}
