//! The end of events that can't be worked on: [`ecs_bus::Consumer`] over the transport.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ecs_bus::{Bus, Consumer, Delivery, Outcome};
use ecs_domain::dead_letter::DeadLetterKind;

use crate::kit::{
    GROUP, RecordingSink, SUBJECT, SystemClock, batches_of, event, events, join, publish, settled, within,
};
use crate::{Harness, Settings};

async fn consumer(bus: &dyn Bus, sink: &Arc<RecordingSink>, delivery_limit: u32) -> Consumer {
    let subscription = join(bus, GROUP, batches_of(50)).await;
    let sink = Arc::clone(sink) as Arc<dyn ecs_bus::DeadLetterSink>;
    Consumer::new(subscription, GROUP, sink, Arc::new(SystemClock), delivery_limit)
}

/// Settles batches as `judge` says until nothing is pending.
async fn work_off(bus: &dyn Bus, consumer: &mut Consumer, mut judge: impl FnMut(&Delivery) -> Outcome) {
    while within(bus.backlog(SUBJECT, GROUP)).await.unwrap().pending > 0 {
        let batch = within(consumer.next()).await.unwrap();
        let outcomes = batch.iter().map(&mut judge).collect();
        within(consumer.settle(batch, outcomes)).await.unwrap();
    }
}

/// A poison message becomes a dead letter at once, with its bytes; the others in its batch are done.
pub async fn poison_is_kept_with_its_history_and_harms_nobody<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    publish(&*bus, events(0..9)).await;
    let sink = Arc::new(RecordingSink::default());
    let mut consumer = consumer(&*bus, &sink, 10).await;
    let mut done = Vec::new();
    let poison = event(4);
    work_off(&*bus, &mut consumer, |delivery| {
        if delivery.event.id != poison.id {
            done.push(delivery.event.id);
            return Outcome::Ack;
        }
        match delivery.attempt {
            1 => Outcome::Retry { after: Duration::ZERO, reason: "not sure yet".to_owned() },
            _ => give_up(),
        }
    })
    .await;
    assert_eq!(done.len(), 8);
    let letters = sink.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].event, poison);
    assert_eq!(letters[0].group, GROUP);
    assert_eq!((letters[0].kind, letters[0].reason.as_str()), (DeadLetterKind::Refused, "it is poison"));
    let reasons: Vec<&str> = letters[0].history.iter().map(|failure| failure.reason.as_str()).collect();
    assert_eq!(reasons, ["not sure yet", "it is poison"]);
}

/// An event that fails every time is delivered as often as the limit says, and then kept as a dead letter.
pub async fn the_delivery_limit_ends_in_a_dead_letter<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    publish(&*bus, vec![event(0)]).await;
    let sink = Arc::new(RecordingSink::default());
    let limit = ecs_bus::DEFAULT_DELIVERY_LIMIT;
    let mut consumer = consumer(&*bus, &sink, limit).await;
    let mut attempts = Vec::new();
    work_off(&*bus, &mut consumer, |delivery| {
        attempts.push(delivery.attempt);
        Outcome::Retry { after: Duration::ZERO, reason: format!("failure {}", delivery.attempt) }
    })
    .await;
    assert_eq!(attempts, (1..=limit).collect::<Vec<_>>());
    let letters = sink.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].history.len(), limit as usize);
    assert_eq!(letters[0].history[0].reason, "failure 1");
    assert_eq!(letters[0].kind, DeadLetterKind::GaveUp);
    settled(&*bus, GROUP).await;
}

/// While dead letters can't be kept, the event stays on the bus; afterwards it is kept.
pub async fn a_sink_that_fails_keeps_the_event_on_the_bus<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let bus = harness.bus();
    publish(&*bus, vec![event(0)]).await;
    let sink = Arc::new(RecordingSink::default());
    sink.broken.store(true, Ordering::SeqCst);
    let mut consumer = consumer(&*bus, &sink, 10).await;
    let batch = within(consumer.next()).await.unwrap();
    let outcome = give_up();
    within(consumer.settle(batch, vec![outcome.clone()])).await.unwrap();
    assert_eq!((sink.refusals(), sink.letters().len()), (1, 0));
    assert_eq!(within(bus.backlog(SUBJECT, GROUP)).await.unwrap().pending, 1);

    sink.broken.store(false, Ordering::SeqCst);
    work_off(&*bus, &mut consumer, |_| outcome.clone()).await;
    assert_eq!(sink.letters().len(), 1);
    assert_eq!(sink.letters()[0].event, event(0));
}

fn give_up() -> Outcome {
    Outcome::DeadLetter { kind: DeadLetterKind::Refused, reason: "it is poison".to_owned() }
}
