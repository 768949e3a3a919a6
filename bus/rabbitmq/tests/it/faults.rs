//! Servers that die and servers that hang, under load.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ecs_bus::{Bus, BusError, Group, PublishError};
use ecs_bus_conformance::kit::{event, events, publish, settled, within};

use crate::load::{Load, follow, reaches};
use crate::support::{ack, delivered, ids, join, open, options_at, server, work_off};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_got_its_ok_survives_kill_9_of_the_server() {
    let Some(server) = server("kill -9 after the Ok").await else { return };
    let options = options_at(server.url());
    let mut durable = BTreeSet::new();
    for round in 0..2_u128 {
        let bus = open(&options).await;
        let batch = events(round * 1_000..round * 1_000 + 400 + round * 100);
        publish(&bus, batch.clone()).await;
        server.kill().await.unwrap();
        durable.extend(ids(&batch));
        drop(bus);
        server.restart().await.unwrap();
    }
    let bus = open(&options).await;
    assert_eq!(delivered(&work_off(&bus, "worker").await), durable, "the log has it");
    assert_eq!(delivered(&work_off(&bus, "emotion-processing").await), durable, "the queue has it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishers_and_members_go_on_after_kill_9_of_the_server() {
    let Some(server) = server("kill -9 under load").await else { return };
    let bus = Arc::new(open(&options_at(server.url())).await);
    let seen = Arc::new(AtomicUsize::new(0));
    let follower = follow(&bus, &seen);
    let load = Load::start(&bus, 8);
    load.proceeds(300).await;
    reaches(&seen, 1).await;
    server.kill().await.unwrap();
    load.is_refused().await;
    server.restart().await.unwrap();
    let before = seen.load(Ordering::Relaxed);
    load.proceeds(300).await;
    reaches(&seen, before + 1).await;
    let durable = load.finish().await;
    settled(&*bus, Group("follower")).await;
    within(bus.close()).await.unwrap();
    let effects = within(follower).await.unwrap();
    let lost: Vec<_> = durable.difference(&effects).collect();
    assert!(lost.is_empty(), "{} of {} are lost", lost.len(), durable.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_noticed_and_found_again() {
    let Some(server) = server("a server that hangs").await else { return };
    let bus = Arc::new(open(&options_at(server.url())).await);
    let mut member = join(&bus, "worker", 10).await;
    publish(&*bus, vec![event(0)]).await;
    let first = within(member.next()).await.unwrap();
    ack(&mut member, &first).await;

    server.pause().await.unwrap();
    let started = Instant::now();
    let refused = within(bus.publish(vec![event(1)])).await;
    assert!(matches!(refused.as_slice(), [Err(PublishError::Unavailable(_))]), "{refused:?}");
    assert!(matches!(within(bus.ping()).await, Err(BusError::Unavailable(_))));
    // Sooner than the heartbeats would tell.
    assert!(started.elapsed() < Duration::from_secs(10), "after {:?}", started.elapsed());

    server.resume().unwrap();
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

/// While the server is away long enough the breaker opens, and answers at once; it closes by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_breaker_opens_and_closes_by_itself() {
    let Some(server) = server("the breaker").await else { return };
    let options = ecs_bus_rabbitmq::Options {
        breaker: ecs_breaker::Options { open_for: Duration::from_secs(3), ..Default::default() },
        ..options_at(server.url())
    };
    let bus = open(&options).await;
    publish(&bus, vec![event(0)]).await;
    server.kill().await.unwrap();
    let open =
        |results: &[Result<(), PublishError>]| format!("{results:?}").contains("did not answer lately");
    within(async { while !open(&bus.publish(vec![event(1)]).await) {} }).await;
    assert!(open(&bus.publish(vec![event(1)]).await));
    server.restart().await.unwrap();
    within(async { while bus.publish(vec![event(2)]).await != [Ok(())] {} }).await;
}

/// Whoever stops a process must not wait for a server that is away, whatever its members hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_closes_while_its_server_is_away() {
    for hangs in [false, true] {
        let Some(server) = server("closing without a server").await else { return };
        let bus = open(&options_at(server.url())).await;
        publish(&bus, events(0..5_000)).await;
        let mut member = join(&bus, "worker", 5_000).await;
        let mut held = Vec::new();
        while held.len() < 5_000 {
            held.extend(within(member.next()).await.unwrap());
        }
        if hangs {
            server.pause().await.unwrap();
        } else {
            server.kill().await.unwrap();
        }
        let ack = |delivery: &ecs_bus::Delivery| ecs_bus::Settlement {
            tag: delivery.tag,
            verdict: ecs_bus::Verdict::Ack,
        };
        let settled = member.settle(held.iter().map(ack).collect());
        let heard = tokio::time::timeout(Duration::from_secs(9), settled).await;
        assert!(heard.is_ok(), "a worker waits for a server that is away (hangs: {hangs})");
        let closed = tokio::time::timeout(Duration::from_secs(10), bus.close()).await;
        assert!(closed.is_ok(), "it waits for a server that is away (hangs: {hangs})");
    }
}
