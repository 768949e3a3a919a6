//! The log, forgetting, and the backlog. Where a transport keeps no log, the parts that read it prove nothing.

use ecs_bus::{Bus, Event, Frontier, LogRecord};
use ecs_conformance::NotClaimed;
use ecs_domain::Timestamp;

use crate::kit::{
    GROUP, SUBJECT, ack, batches_of, event, events, full_batches_of, ids, ids_of, join, publish, retry,
    settled, take, within,
};
use crate::{Harness, Settings};

/// What a transport may not offer.
const LOG: &str = "a log that can be read";

/// Pages follow each other without a gap or an overlap, in rising positions within each shard, and only the end of the log makes one short.
pub async fn the_log_is_read_in_pages<H: Harness>() -> Result<(), NotClaimed> {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    if !bus.capabilities().keeps_log {
        return Err(NotClaimed(LOG));
    }
    let before = Timestamp::now();
    publish(&*bus, events(0..25)).await;
    let (sizes, seen) = pages(&*bus, 10).await;
    assert_eq!(sizes, [10, 10, 5, 0]);
    assert_eq!(pages(&*bus, 25).await.0, [25, 0]);
    assert_eq!(within(bus.log(SUBJECT, &Frontier::default(), 1)).await.unwrap().pruned_at, None);
    let mut logged: Vec<_> = seen.iter().map(|record| record.event.clone()).collect();
    logged.sort_by_key(|event| event.id);
    assert_eq!(logged, events(0..25), "as they were published");
    // The transport may keep fewer digits of the time than the clock gives.
    let earliest = before.as_millisecond();
    assert!(seen.iter().all(|record| record.published_at.as_millisecond() >= earliest));
    Ok(())
}

/// The sizes of the log's pages up to the empty one, and all records.
async fn pages(bus: &dyn Bus, limit: usize) -> (Vec<usize>, Vec<LogRecord>) {
    let mut after = Frontier::default();
    let mut sizes = Vec::new();
    let mut seen = Vec::new();
    loop {
        let page = within(bus.log(SUBJECT, &after, limit)).await.unwrap();
        sizes.push(page.records.len());
        if page.records.is_empty() {
            return (sizes, seen);
        }
        for record in page.records {
            assert!(!after.covers(record.position), "neither overlap nor disorder at {:?}", record.position);
            after.advance(record.position);
            seen.push(record);
        }
    }
}

/// Old events go, newer ones stay, the work is bounded and may be called again, and the log says until when.
pub async fn forgetting_takes_the_oldest_and_says_until_when<H: Harness>() -> Result<(), NotClaimed> {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    publish(&*bus, events(0..5_000)).await;
    let between = an_instant_later().await;
    publish(&*bus, events(5_000..5_010)).await;
    assert_eq!(forget(&*bus, between).await, 5_000);

    let mut member = join(&*bus, GROUP, batches_of(100)).await;
    let rest = take(&mut member, 10).await;
    assert_eq!(ids_of(&rest), ids(5_000..5_010));
    ack(&mut member, &rest).await;
    settled(&*bus, GROUP).await;
    if !bus.capabilities().keeps_log {
        return Err(NotClaimed(LOG));
    }
    assert_eq!(pages(&*bus, 4).await.0, [4, 4, 2, 0], "what was forgotten shortens no page");
    let page = within(bus.log(SUBJECT, &Frontier::default(), 1)).await.unwrap();
    let until = page.pruned_at.unwrap();
    assert!(until <= page.records[0].published_at, "what was published since is all there");
    assert!(until.as_millisecond() >= between.as_millisecond() - 1);
    Ok(())
}

/// Forgetting everything, retries included, leaves nothing pending, and positions are never used twice.
pub async fn positions_rise_even_when_everything_was_forgotten<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    publish(&*bus, events(0..20)).await;
    let mut member = join(&*bus, GROUP, full_batches_of(10)).await;
    let held = take(&mut member, 10).await;
    retry(&mut member, &held[..5], std::time::Duration::from_secs(3600), "later").await;
    ack(&mut member, &held[5..]).await;
    let before = within(bus.backlog(SUBJECT, GROUP)).await.unwrap();
    assert_eq!(before.pending, 15);
    assert_eq!(forget(&*bus, an_instant_later().await).await, 20);
    let after = within(bus.backlog(SUBJECT, GROUP)).await.unwrap();
    assert_eq!((after.pending, after.oldest), (0, None));
    drop((member, bus));

    let harness = harness.restart().await;
    let bus = harness.bus();
    publish(&*bus, vec![event(20)]).await;
    let mut member = join(&*bus, GROUP, batches_of(10)).await;
    let delivered = take(&mut member, 1).await;
    assert_eq!(delivered[0].event, event(20));
    ack(&mut member, &delivered).await;
    settled(&*bus, GROUP).await;
    let end = within(bus.backlog(SUBJECT, GROUP)).await.unwrap();
    assert!(end.settled_through > after.settled_through);
}

async fn forget(bus: &dyn Bus, before: Timestamp) -> u64 {
    let mut forgotten = 0;
    loop {
        match within(bus.prune(SUBJECT, before)).await.unwrap() {
            0 => return forgotten,
            events => forgotten += events,
        }
    }
}

/// An instant after everything that was published so far, once it has passed.
async fn an_instant_later() -> Timestamp {
    let instant = Timestamp::now() + std::time::Duration::from_millis(2);
    within(async {
        while Timestamp::now() <= instant {
            tokio::task::yield_now().await;
        }
    })
    .await;
    instant
}

/// Waiting, in flight and due for a retry: all of it is pending until it is settled for good.
pub async fn the_backlog_counts_what_is_not_settled<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    let backlog = async || within(bus.backlog(SUBJECT, GROUP)).await.unwrap();
    let empty = backlog().await;
    assert_eq!((empty.pending, empty.oldest), (0, None));
    // All of one user, so that they stand in one shard, whose first unsettled event is the end of what is settled.
    let key = event(0).key;
    publish(&*bus, events(0..10).into_iter().map(|event| Event { key, ..event }).collect()).await;
    let full = backlog().await;
    assert_eq!(full.pending, 10);
    assert_eq!(full.settled_through, empty.settled_through);

    let mut member = join(&*bus, GROUP, full_batches_of(4)).await;
    let first = take(&mut member, 4).await;
    assert_eq!(backlog().await.pending, 10, "in flight counts");
    assert_eq!(
        backlog().await.oldest.map(Timestamp::as_millisecond),
        Some(first[0].published_at.as_millisecond())
    );
    ack(&mut member, &first[1..]).await;
    assert_eq!(backlog().await.settled_through, empty.settled_through, "the first one is not settled");
    retry(&mut member, &first[..1], std::time::Duration::ZERO, "again").await;
    assert_eq!(backlog().await.pending, 7, "a retry counts");
    let rest = take(&mut member, 7).await;
    ack(&mut member, &rest).await;
    let done = backlog().await;
    assert_eq!((done.pending, done.oldest), (0, None));
    assert!(done.settled_through > full.settled_through);
}
