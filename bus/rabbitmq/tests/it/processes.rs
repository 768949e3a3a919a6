//! Several processes over one server.

use std::time::Duration;

use ecs_bus::{Bus, Group, Settlement, SubscribeOptions, Verdict};
use ecs_bus_conformance::kit::{
    SUBJECT, event, events, full_batches_of, ids, ids_of, publish, take, whole_log, within,
};
use ecs_bus_rabbitmq::RabbitBus;
use ecs_domain::Timestamp;

use crate::support::{ack, batches_of, join, open, shared, work_off};

const WORKER: Group = Group("worker");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_holds_is_pending() {
    let Some(options) = shared("what another process holds").await else { return };
    let (one, other) = (open(&options).await, open(&options).await);
    publish(&one, events(0..30)).await;
    let (mut here, mut there) = (join(&one, "worker", 10).await, join(&other, "worker", 10).await);
    let mut held = take(&mut here, 10).await;
    let far = take(&mut there, 10).await;
    let backlog = async || within(one.backlog(SUBJECT, WORKER)).await.unwrap();
    assert_eq!(backlog().await.pending, 30);
    ack(&mut there, &far).await;
    assert_eq!(backlog().await.pending, 20);
    held.extend(within(here.next()).await.unwrap());
    ack(&mut here, &held).await;
    drop(here);
    within(async {
        while backlog().await.pending > 0 {
            let batch = there.next().await.unwrap();
            ack(&mut there, &batch).await;
        }
    })
    .await;
    let done = backlog().await;
    let end = whole_log(&one).await.last().unwrap().position;
    assert!(done.settled_through.covers(end), "{done:?}");
}

/// A group that nobody of this process joined, and a process that dies while its members hold something.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_process_held_goes_to_the_others_when_it_dies() {
    let Some(options) = shared("a process that dies").await else { return };
    let (one, other) = (open(&options).await, open(&options).await);
    publish(&one, events(0..20)).await;
    let mut there = join(&other, "worker", 20).await;
    take(&mut there, 20).await;
    assert_eq!(within(one.backlog(SUBJECT, WORKER)).await.unwrap().pending, 20);
    drop((there, other));
    let mut here = join(&one, "worker", 20).await;
    let again = take(&mut here, 20).await;
    assert!(again.iter().all(|delivery| delivery.attempt == 1));
    ack(&mut here, &again).await;
    assert_eq!(within(one.backlog(SUBJECT, WORKER)).await.unwrap().pending, 0);
}

/// One process forgets; the members of another drop what they have, and a third one that comes later never sees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_process_forgets_is_forgotten_by_all() {
    let Some(options) = shared("forgetting").await else { return };
    let (one, other) = (open(&options).await, open(&options).await);
    let mut there = within(other.subscribe(SUBJECT, WORKER, full_batches_of(10))).await.unwrap();
    publish(&one, events(0..40)).await;
    let held = take(&mut there, 10).await;
    let later = Verdict::Retry { after: Duration::from_secs(600), reason: "later".to_owned() };
    let settled = held.iter().map(|delivery| Settlement { tag: delivery.tag, verdict: later.clone() });
    within(there.settle(settled.collect())).await.unwrap();
    assert_eq!(within(one.backlog(SUBJECT, WORKER)).await.unwrap().pending, 40);

    let before = Timestamp::now() + Duration::from_millis(2);
    within(async { while Timestamp::now() <= before {} }).await;
    let mut forgotten = 0;
    within(async {
        loop {
            match one.prune(SUBJECT, before).await.unwrap() {
                0 => return,
                events => forgotten += events,
            }
        }
    })
    .await;
    assert_eq!(forgotten, 40);
    within(async { while one.backlog(SUBJECT, WORKER).await.unwrap().pending > 0 {} }).await;
    publish(&one, vec![event(40)]).await;
    assert_eq!(ids_of(&take(&mut there, 1).await), ids(40..41));
    let third = open(&options).await;
    assert_eq!(whole_log(&third).await.len(), 1);
    let mut late = join(&third, "late", 10).await;
    assert_eq!(ids_of(&take(&mut late, 1).await), ids(40..41));
}

/// A member that is slow keeps what it works on and nothing else: what was sent ahead goes to the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_member_keeps_nothing_from_the_others() {
    let Some(options) = shared("a busy member").await else { return };
    let (one, other) = (open(&options).await, open(&options).await);
    let hour = SubscribeOptions { lease: Duration::from_secs(3_600), ..batches_of(20) };
    let mut busy = within(one.subscribe(SUBJECT, WORKER, hour)).await.unwrap();
    publish(&one, events(0..10)).await;
    let held = take(&mut busy, 10).await;
    // They are sent ahead to the busy one, for nobody else is there.
    publish(&one, events(10..20)).await;
    let mut free = join(&other, "worker", 10).await;
    let rest = take(&mut free, 10).await;
    ack(&mut free, &rest).await;
    ack(&mut busy, &held).await;
    assert!(ids_of(&held).is_disjoint(&ids_of(&rest)));
    // It comes back for more.
    publish(&one, events(20..21)).await;
    drop(free);
    assert_eq!(ids_of(&take(&mut busy, 1).await), ids(20..21));
}

/// A process that comes when the group is busy knows what others saw when it was idle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_never_saw_a_group_idle_hears_how_far_it_had_come() {
    let Some(options) = shared("how far a group has come").await else { return };
    let one = open(&options).await;
    publish(&one, events(0..10)).await;
    assert_eq!(work_off(&one, "worker").await.len(), 10);
    let end = whole_log(&one).await.last().unwrap().position;
    publish(&one, events(10..15)).await;
    let late = open(&options).await;
    let backlog = within(late.backlog(SUBJECT, WORKER)).await.unwrap();
    assert_eq!(backlog.pending, 5);
    assert!(backlog.settled_through.covers(end), "{backlog:?}");
    let next = whole_log(&one).await.get(10).unwrap().position;
    assert!(!backlog.settled_through.covers(next), "{backlog:?}");
}

/// What somebody only looks at is in no queue and with no member meanwhile, and still not settled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_looked_at_is_not_settled() {
    let Some(options) = shared("looking into a queue").await else { return };
    let (one, other) = (open(&options).await, open(&options).await);
    drop(join(&one, "worker", 1).await);
    publish(&one, vec![event(0)]).await;
    let position = within(async {
        loop {
            if let Some(record) = whole_log(&one).await.pop() {
                return record.position;
            }
        }
    })
    .await;
    let ask = async |bus: &RabbitBus| {
        for _ in 0..10 {
            let backlog = bus.backlog(SUBJECT, WORKER).await.unwrap();
            assert!(!backlog.settled_through.covers(position), "{backlog:?}");
        }
    };
    // The event is almost always in the hands of one of them.
    within(async { tokio::join!(ask(&one), ask(&one), ask(&one), ask(&one), ask(&other), ask(&other)) })
        .await;
}
