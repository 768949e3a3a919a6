//! What outlives an end of the bus.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ecs_bus::{BusError, Event, PublishError};
use ecs_domain::EventId;
use tokio::task::JoinSet;

use crate::kit::{
    GROUP, ack, batches_of, event, events, full_batches_of, ids, ids_of, join, publish, retry, settled, take,
    within,
};
use crate::{Harness, Settings};

/// Everything that was published is delivered after a restart, unchanged.
pub async fn what_was_published_survives_an_orderly_end<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    publish(&*harness.bus(), events(0..100)).await;
    delivers_all(&harness.restart().await).await;
}

/// Everything that was published is delivered after an end without a word, unchanged.
pub async fn what_was_published_survives_an_abrupt_end<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    publish(&*harness.bus(), events(0..100)).await;
    delivers_all(&harness.crash().await).await;
}

async fn delivers_all<H: Harness>(harness: &H) {
    let mut member = join(&*harness.bus(), GROUP, batches_of(100)).await;
    let mut delivered: Vec<Event> =
        take(&mut member, 100).await.into_iter().map(|delivery| delivery.event).collect();
    delivered.sort_by_key(|event| event.id);
    assert_eq!(delivered, events(0..100));
}

/// An orderly end keeps every acknowledgement, so nothing is delivered twice over it.
pub async fn what_was_settled_stays_settled_over_an_orderly_end<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    publish(&*bus, events(0..30)).await;
    let mut member = join(&*bus, GROUP, full_batches_of(20)).await;
    let first = take(&mut member, 20).await;
    ack(&mut member, &first).await;
    drop((member, bus));

    let harness = harness.restart().await;
    let mut member = join(&*harness.bus(), GROUP, batches_of(100)).await;
    let rest = take(&mut member, 10).await;
    let all: BTreeSet<EventId> = ids_of(&first).union(&ids_of(&rest)).copied().collect();
    assert_eq!(all, ids(0..30));
    ack(&mut member, &rest).await;
    settled(&*harness.bus(), GROUP).await;
}

/// What a member held when the bus ended comes again.
pub async fn what_was_not_settled_is_delivered_again_after_an_abrupt_end<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    publish(&*bus, events(0..10)).await;
    let mut member = join(&*bus, GROUP, batches_of(10)).await;
    take(&mut member, 10).await;
    drop((member, bus));

    let harness = harness.crash().await;
    let mut member = join(&*harness.bus(), GROUP, batches_of(10)).await;
    assert_eq!(ids_of(&take(&mut member, 10).await), ids(0..10));
}

/// An attempt whose failure was reported is counted and remembered whatever happens next.
pub async fn attempts_and_history_survive_an_abrupt_end<H: Harness>() {
    let mut harness = H::start(Settings::default()).await;
    publish(&*harness.bus(), vec![event(0)]).await;
    for attempt in 1..=3 {
        let bus = harness.bus();
        let mut member = join(&*bus, GROUP, batches_of(10)).await;
        let delivered = take(&mut member, 1).await;
        assert_eq!(delivered[0].attempt, attempt);
        let reasons: Vec<&str> = delivered[0].history.iter().map(|failure| failure.reason.as_str()).collect();
        assert_eq!(reasons, ["first", "second"][..reasons.len()]);
        assert_eq!(reasons.len() + 1, attempt as usize);
        retry(&mut member, &delivered, Duration::ZERO, if attempt == 1 { "first" } else { "second" }).await;
        drop((member, bus));
        harness = harness.crash().await;
    }
}

/// Closing while many publish: what got its `Ok` is there after the restart, what was refused says `Closed`.
pub async fn closing_finishes_what_was_taken<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    let mut publishers = JoinSet::new();
    for publisher in 0..16_u128 {
        let bus = Arc::clone(&bus);
        publishers.spawn(async move { publish_until_closed(&*bus, publisher * 1_000_000).await });
    }
    publish(&*bus, events(900..1_000)).await;
    within(bus.close()).await.unwrap();
    let mut durable = ids(900..1_000);
    while let Some(published) = within(publishers.join_next()).await {
        durable.extend(published.unwrap());
    }
    drop(bus);

    let harness = harness.restart().await;
    let mut member = join(&*harness.bus(), GROUP, batches_of(10_000)).await;
    while !durable.is_empty() {
        for delivery in crate::kit::next(&mut member).await {
            durable.remove(&delivery.event.id);
        }
    }
}

async fn publish_until_closed(bus: &dyn ecs_bus::Bus, first: u128) -> Vec<EventId> {
    let mut durable = Vec::new();
    for number in first.. {
        let id = event(number).id;
        match bus.publish(vec![event(number)]).await.as_slice() {
            [Ok(())] => durable.push(id),
            [Err(PublishError::Closed)] => break,
            other => assert_eq!(other, [Ok(())]),
        }
    }
    durable
}

/// After the close everything answers `Closed`, also what waited before it.
pub async fn a_closed_bus_says_so<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    let mut member = join(&*bus, GROUP, batches_of(10)).await;
    let waiting = tokio::spawn(async move { member.next().await });
    within(bus.close()).await.unwrap();
    assert!(matches!(within(waiting).await.unwrap(), Err(BusError::Closed)));
    assert_eq!(within(bus.publish(vec![event(0)])).await, vec![Err(PublishError::Closed)]);
    assert!(matches!(within(bus.ping()).await, Err(BusError::Closed)));
    within(bus.close()).await.unwrap();
}
