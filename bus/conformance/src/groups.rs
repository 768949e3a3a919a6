//! Who gets what.

use ecs_bus::{Bus, Delivery, Event, Group, Subject};

use crate::kit::{GROUP, ack, batches_of, event, events, ids, ids_of, join, next, publish, take, within};
use crate::{Harness, Settings};

/// Two members share the work: each event goes to one of them.
pub async fn members_of_a_group_compete<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    let (mut one, mut two) =
        (join(&*bus, GROUP, batches_of(5)).await, join(&*bus, GROUP, batches_of(5)).await);
    publish(&*bus, events(0..100)).await;
    // While there is enough for both, both get some.
    let mut delivered: Vec<Delivery> = next(&mut one).await;
    delivered.extend(next(&mut two).await);
    while delivered.len() < 100 {
        // What is left may be with either of them.
        delivered.extend(tokio::select! {
            batch = next(&mut one) => batch,
            batch = next(&mut two) => batch,
        });
    }
    assert_eq!(delivered.len(), 100);
    assert_eq!(ids_of(&delivered), ids(0..100));
}

/// Each group gets every event, whatever the other did with it.
pub async fn groups_are_independent<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    publish(&*bus, events(0..30)).await;
    for group in [GROUP, Group("another")] {
        let mut member = join(&*bus, group, batches_of(30)).await;
        let delivered = take(&mut member, 30).await;
        assert_eq!(ids_of(&delivered), ids(0..30));
        ack(&mut member, &delivered).await;
    }
}

/// A group that joins late gets what was published before, and what is published after.
pub async fn a_new_group_starts_at_the_oldest_event<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    publish(&*bus, events(0..10)).await;
    let mut member = join(&*bus, Group("late"), batches_of(10)).await;
    publish(&*bus, events(10..20)).await;
    assert_eq!(ids_of(&take(&mut member, 20).await), ids(0..20));
}

/// One batch may carry several subjects; each subject's group gets its own.
pub async fn subjects_are_independent<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    let about = |(number, subject)| Event { subject, ..event(number) };
    publish(&*bus, (0..).zip(Subject::ALL).map(about).collect()).await;
    for (number, subject) in (0..).zip(Subject::ALL) {
        let mut member =
            within(Bus::subscribe(&*bus, subject, subject.group(), batches_of(10))).await.unwrap();
        let delivered = take(&mut member, 1).await;
        assert_eq!(delivered[0].event, about((number, subject)));
    }
}
