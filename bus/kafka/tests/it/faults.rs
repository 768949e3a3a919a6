//! Brokers that die and brokers that hang, under load.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ecs_bus::{Bus, BusError, PublishError};
use ecs_bus_conformance::kit::{event, events};
use ecs_bus_kafka::Options;

use crate::load::{Load, Seen, all_seen, follow};
use crate::support::{acks, delivered, ids, join, open, options, own, pending, publish, within, work_off};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_got_its_ok_survives_kill_9_of_the_broker() {
    let Some(server) = own("kill -9 after the Ok", 1).await else { return };
    let options = options(&server);
    let mut durable = BTreeSet::new();
    for round in 0..2_u128 {
        let bus = open(&options).await;
        let batch = events(round * 1_000..round * 1_000 + 400 + round * 100);
        publish(&bus, batch.clone()).await;
        server.kill(0).await.unwrap();
        durable.extend(ids(&batch));
        drop(bus);
        server.restart(0).await.unwrap();
    }
    assert_eq!(delivered(&work_off(&open(&options).await, "worker").await), durable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishers_and_members_go_on_after_kill_9_of_the_broker() {
    let Some(server) = own("kill -9 under load", 1).await else { return };
    let bus = Arc::new(open(&options(&server)).await);
    let seen = Seen::default();
    let follower = follow(&bus, &seen);
    let load = Load::start(&bus, 8);
    load.proceeds(300).await;
    server.kill(0).await.unwrap();
    server.restart(0).await.unwrap();
    load.proceeds(300).await;
    let durable = load.finish().await;
    all_seen(&seen, &durable).await;
    let delivered = delivered(&work_off(&bus, "worker").await);
    assert!(durable.is_subset(&delivered), "{} are lost", durable.difference(&delivered).count());
    within(bus.close()).await.unwrap();
    within(follower).await.unwrap();
}

/// One of three brokers dies under load: the others go on, and have everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_loses_a_broker_and_no_event() {
    let Some(cluster) = own("a broker of three", 3).await else { return };
    let options = Options { replicas: 3, ..options(&cluster) };
    let bus = Arc::new(open(&options).await);
    let seen = Seen::default();
    let follower = follow(&bus, &seen);
    let load = Load::start(&bus, 8);
    load.proceeds(200).await;
    cluster.kill(1).await.unwrap();
    load.proceeds(200).await;
    let durable = load.finish().await;
    all_seen(&seen, &durable).await;
    let delivered = delivered(&work_off(&bus, "worker").await);
    assert!(durable.is_subset(&delivered), "{} are lost", durable.difference(&delivered).count());
    within(bus.close()).await.unwrap();
    within(follower).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_hangs_is_noticed_and_found_again() {
    let Some(server) = own("a broker that hangs", 1).await else { return };
    let breaker = ecs_breaker::Options { open_for: Duration::from_secs(6), ..Default::default() };
    let bus = open(&Options { breaker, ..options(&server) }).await;
    let mut member = join(&bus, "worker", 10).await;
    publish(&bus, vec![event(0)]).await;
    let first = within(member.next()).await.unwrap();
    within(member.settle(acks(&first))).await.unwrap();

    server.pause(0).await.unwrap();
    let started = Instant::now();
    // Those who wait behind the first one don't wait as long again.
    let publishers = (100..130).map(|number| bus.publish(vec![event(number)]));
    for refused in within(futures::future::join_all(publishers)).await {
        assert!(matches!(refused.as_slice(), [Err(PublishError::Unavailable(_))]), "{refused:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(15), "after {:?}", started.elapsed());
    let [Err(PublishError::Unavailable(reason))] = &bus.publish(vec![event(1)]).await[..] else {
        unreachable!("nothing can be durable");
    };
    assert!(reason.contains("lately"), "the breaker is closed: {reason}");
    assert!(matches!(within(bus.ping()).await, Err(BusError::Unavailable(_))));

    server.resume(0).unwrap();
    within(async { while bus.publish(vec![event(2)]).await != [Ok(())] {} }).await;
    within(async { while bus.ping().await.is_err() {} }).await;
    within(async {
        loop {
            let batch = member.next().await.unwrap();
            if batch.iter().any(|delivery| delivery.event.id == event(2).id) {
                return;
            }
        }
    })
    .await;
}

/// Whoever stops a process must not wait for a broker that is away; nor must whoever tells it what is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settling_and_closing_end_while_the_broker_is_away() {
    let Some(server) = own("closing without a broker", 1).await else { return };
    let bus = open(&options(&server)).await;
    publish(&bus, events(0..100)).await;
    let mut member = join(&bus, "worker", 100).await;
    let batch = within(member.next()).await.unwrap();
    server.kill(0).await.unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(6), member.settle(acks(&batch))).await;
    assert!(matches!(heard, Ok(Err(BusError::Unavailable(_)))), "{heard:?}");
    let closed = tokio::time::timeout(Duration::from_secs(14), bus.close()).await;
    assert!(closed.is_ok(), "it waits for a broker that is away");
    assert!(matches!(within(member.next()).await, Err(BusError::Closed)));
}

/// A broker that never had a group has to make the topic in which it keeps what groups have settled. Until then it says that it
/// coordinates none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_broker_can_be_asked_about_groups_at_once() {
    let Some(server) = own("groups of a new broker", 1).await else { return };
    let bus = open(&options(&server)).await;
    publish(&bus, vec![event(0)]).await;
    for group in ["one", "two", "three", "four", "five", "six"] {
        assert_eq!(pending(&bus, group).await, 1);
    }
}
