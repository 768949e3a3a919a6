//! What a member of a group gets, and when it gets it again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ecs_bus::{Settlement, SubscribeOptions, Verdict};
use ecs_domain::EventId;

use crate::kit::{
    GROUP, ack, batches_of, event, events, full_batches_of, ids, ids_of, join, next, publish, retry, settled,
    take, within,
};
use crate::{Harness, Settings};

/// A retry is delivered again not before its delay, as the next attempt, with the reason remembered.
pub async fn a_retry_comes_after_its_delay_and_is_counted<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    publish(&*bus, vec![event(0)]).await;
    let mut member = join(&*bus, GROUP, batches_of(10)).await;
    let first = take(&mut member, 1).await;
    assert_eq!((first[0].attempt, first[0].history.len()), (1, 0));
    let delay = Duration::from_millis(120);
    let started = Instant::now();
    retry(&mut member, &first, delay, "the store was away").await;

    let second = take(&mut member, 1).await;
    assert!(started.elapsed() >= delay, "it came after {:?}", started.elapsed());
    assert_eq!(second[0].attempt, 2);
    assert_eq!(second[0].event, first[0].event);
    assert_eq!(second[0].published_at, first[0].published_at);
    assert_eq!(second[0].history[0].reason, "the store was away");
    ack(&mut member, &second).await;
    settled(&*bus, GROUP).await;
}

/// A member that waits when events are published gets the same as one that reads them later.
pub async fn a_waiting_member_gets_what_a_late_one_gets<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    let mut waiting = join(&*bus, GROUP, batches_of(100)).await;
    let early = tokio::spawn(async move { take(&mut waiting, 60).await });
    for chunk in [0..1, 1..20, 20..60] {
        publish(&*bus, events(chunk)).await;
    }
    let mut early = within(early).await.unwrap();
    drop(bus);
    let harness = harness.restart().await;
    let mut late = join(&*harness.bus(), ecs_bus::Group("late"), batches_of(60)).await;
    let mut late = take(&mut late, 60).await;
    // Events of different keys may come in any order.
    early.sort_by_key(|delivery| delivery.event.id);
    late.sort_by_key(|delivery| delivery.event.id);
    for (early, late) in early.iter().zip(&late) {
        assert_eq!((&early.event, early.published_at), (&late.event, late.published_at));
    }
}

/// Events behind a waiting retry are delivered meanwhile.
pub async fn a_waiting_retry_does_not_hold_up_what_follows<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    publish(&*bus, events(0..5)).await;
    let mut member = join(&*bus, GROUP, batches_of(1)).await;
    let first = take(&mut member, 1).await;
    retry(&mut member, &first, Duration::from_secs(3600), "later").await;
    let rest = take(&mut member, 4).await;
    ack(&mut member, &rest).await;
    publish(&*bus, events(5..6)).await;
    let sixth = take(&mut member, 1).await;
    assert_eq!(ids_of(&sixth), ids(5..6));
}

/// A delivery that isn't settled in time goes to another member, and the first one's word no longer counts.
pub async fn a_lease_that_ran_out_goes_to_the_group_again<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    publish(&*bus, events(0..3)).await;
    // All three at once, so that their leases end together.
    let short = SubscribeOptions { lease: Duration::from_millis(50), ..full_batches_of(3) };
    let mut slow = join(&*bus, GROUP, short).await;
    let held = take(&mut slow, 3).await;
    let mut other = join(&*bus, GROUP, batches_of(3)).await;
    let again = take(&mut other, 3).await;
    assert_eq!(ids_of(&again), ids_of(&held));
    assert!(again.iter().all(|delivery| delivery.attempt == 2));

    ack(&mut slow, &held).await;
    assert_eq!(within(bus.backlog(crate::kit::SUBJECT, GROUP)).await.unwrap().pending, 3);
    ack(&mut other, &again).await;
    settled(&*bus, GROUP).await;
}

/// What a member held goes to the others when it leaves, long before the lease runs out, and that counts as no attempt:
/// a worker leaves when what it needs is away, which is no event's fault.
pub async fn a_dropped_subscription_hands_back_at_once<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    publish(&*bus, events(0..20)).await;
    let hour = SubscribeOptions { lease: Duration::from_secs(3600), ..batches_of(20) };
    let mut leaving = join(&*bus, GROUP, hour).await;
    let held = take(&mut leaving, 20).await;
    ack(&mut leaving, &held[..5]).await;
    let mut staying = join(&*bus, GROUP, hour).await;
    let waiting = tokio::spawn(async move { take(&mut staying, 15).await });
    drop(leaving);
    let again = within(waiting).await.unwrap();
    assert_eq!(ids_of(&again), ids_of(&held[5..]));
    assert!(again.iter().all(|delivery| delivery.attempt == 1));
}

/// A future of `next` may be dropped at any point: each event is still delivered, as its first attempt.
pub async fn a_dropped_next_loses_nothing<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    let mut member = join(&*bus, GROUP, batches_of(7)).await;
    publish(&*bus, events(0..200)).await;
    let mut delivered = Vec::new();
    let mut patience = 0;
    while delivered.len() < 200 {
        // Cut off after 0 µs, 1 µs, 2 µs, …: while it waits, while it reads, and just before it returns.
        let cut = tokio::time::timeout(Duration::from_micros(patience), member.next()).await;
        patience += 1;
        if let Ok(batch) = cut {
            let batch = batch.unwrap();
            assert!(batch.iter().all(|delivery| delivery.attempt == 1));
            ack(&mut member, &batch).await;
            delivered.extend(batch);
        }
    }
    assert_eq!(delivered.len(), 200);
    assert_eq!(ids_of(&delivered), ids(0..200));
}

/// `max_batch` holds for new events and for retries.
pub async fn a_batch_is_never_larger_than_asked_for<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    publish(&*bus, events(0..50)).await;
    let mut member = join(&*bus, GROUP, batches_of(8)).await;
    let mut seen = 0;
    while seen < 50 {
        let batch = next(&mut member).await;
        assert!(batch.len() <= 8, "{} at once", batch.len());
        seen += batch.iter().filter(|delivery| delivery.attempt == 1).count();
        let (again, done): (Vec<_>, Vec<_>) = batch.into_iter().partition(|delivery| delivery.attempt == 1);
        retry(&mut member, &again, Duration::ZERO, "once more").await;
        ack(&mut member, &done).await;
    }
}

/// The first word about a delivery counts, later ones are ignored.
pub async fn a_delivery_is_settled_once<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    publish(&*bus, events(0..2)).await;
    let mut member = join(&*bus, GROUP, batches_of(2)).await;
    let both = take(&mut member, 2).await;
    ack(&mut member, &both[..1]).await;
    retry(&mut member, &both[..1], Duration::ZERO, "too late").await;
    let unknown = Settlement { tag: ecs_bus::Tag(u64::MAX), verdict: Verdict::Ack };
    within(member.settle(vec![unknown])).await.unwrap();
    retry(&mut member, &both[1..], Duration::ZERO, "again").await;
    assert_eq!(ids_of(&take(&mut member, 1).await), ids_of(&both[1..]));
}

/// Published several times and delivered several times: a fold that is idempotent by id counts each event once.
pub async fn duplicates_have_one_effect<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    for _ in 0..3 {
        publish(&*bus, events(0..40)).await;
    }
    let mut member = join(&*bus, GROUP, batches_of(16)).await;
    let mut counted: BTreeSet<EventId> = BTreeSet::new();
    let mut effects: BTreeMap<EventId, u32> = BTreeMap::new();
    while within(bus.backlog(crate::kit::SUBJECT, GROUP)).await.unwrap().pending > 0 {
        let batch = next(&mut member).await;
        for delivery in &batch {
            if counted.insert(delivery.event.id) {
                *effects.entry(delivery.event.id).or_default() += 1;
            }
        }
        // Every first delivery is repeated, as after a crash between the fold and its acknowledgement.
        let (first, again): (Vec<_>, Vec<_>) = batch.into_iter().partition(|delivery| delivery.attempt == 1);
        retry(&mut member, &first, Duration::ZERO, "crashed before the ack").await;
        ack(&mut member, &again).await;
    }
    assert_eq!(effects.keys().copied().collect::<BTreeSet<_>>(), ids(0..40));
    assert!(effects.values().all(|count| *count == 1));
}
