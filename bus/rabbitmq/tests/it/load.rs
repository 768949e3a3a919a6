//! Publishers without a pause, and a member that follows them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ecs_bus::{Bus, BusError, PublishError, Settlement, Verdict};
use ecs_bus_conformance::kit::{event, within};
use ecs_bus_rabbitmq::RabbitBus;
use ecs_domain::EventId;
use tokio::task::{JoinHandle, JoinSet};

use crate::support::join;

/// Publishes until told to stop, and remembers what got its `Ok`.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    durable: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    publishers: JoinSet<BTreeSet<EventId>>,
}

impl Load {
    pub(crate) fn start(bus: &Arc<RabbitBus>, publishers: u128) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            durable: Arc::default(),
            refused: Arc::default(),
            publishers: JoinSet::new(),
        };
        for publisher in 0..publishers {
            let bus = Arc::clone(bus);
            let (stop, durable, refused) =
                (Arc::clone(&load.stop), Arc::clone(&load.durable), Arc::clone(&load.refused));
            load.publishers.spawn(async move {
                let mut own = BTreeSet::new();
                for number in publisher * 10_000_000.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    match bus.publish(vec![event(number)]).await.as_slice() {
                        [Ok(())] => {
                            own.insert(event(number).id);
                            durable.fetch_add(1, Ordering::Relaxed);
                        }
                        [Err(PublishError::Unavailable(_) | PublishError::WindowFull { .. })] => {
                            refused.fetch_add(1, Ordering::Relaxed);
                            // A refusal comes at once; whoever asks again at once only burns the processor.
                            tokio::task::yield_now().await;
                        }
                        other => panic!("{other:?}"),
                    }
                }
                own
            });
        }
        load
    }

    /// Waits until so many more events are durable.
    pub(crate) async fn proceeds(&self, events: usize) {
        reaches(&self.durable, self.durable.load(Ordering::Relaxed) + events).await;
    }

    /// Waits until another publisher is refused.
    pub(crate) async fn is_refused(&self) {
        reaches(&self.refused, self.refused.load(Ordering::Relaxed) + 1).await;
    }

    pub(crate) async fn finish(mut self) -> BTreeSet<EventId> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = BTreeSet::new();
        while let Some(own) = within(self.publishers.join_next()).await {
            all.extend(own.unwrap());
        }
        all
    }
}

/// Waits until a counter is there.
pub(crate) async fn reaches(counter: &AtomicUsize, goal: usize) {
    within(async {
        while counter.load(Ordering::Relaxed) < goal {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A member that takes and acknowledges as long as the bus is open, and says how many it has seen.
pub(crate) fn follow(bus: &Arc<RabbitBus>, seen: &Arc<AtomicUsize>) -> JoinHandle<BTreeSet<EventId>> {
    let (bus, seen) = (Arc::clone(bus), Arc::clone(seen));
    tokio::spawn(async move {
        let mut member = join(&bus, "follower", 500).await;
        let mut effects = BTreeSet::new();
        loop {
            let batch = match member.next().await {
                Ok(batch) => batch,
                Err(BusError::Closed) => return effects,
                Err(error) => panic!("{error}"),
            };
            seen.fetch_add(batch.len(), Ordering::Relaxed);
            effects.extend(batch.iter().map(|delivery| delivery.event.id));
            let settled =
                batch.iter().map(|delivery| Settlement { tag: delivery.tag, verdict: Verdict::Ack });
            // While the server is away nobody hears it, and the events come again.
            let _ = member.settle(settled.collect()).await;
        }
    })
}
