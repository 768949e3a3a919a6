//! Publishers and members that work until they are told to stop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ecs_bus::{Bus, BusError, PublishError};
use ecs_bus_conformance::kit::event;
use ecs_bus_kafka::KafkaBus;
use ecs_domain::EventId;
use tokio::task::{JoinHandle, JoinSet};

use crate::support::{acks, join, within};

/// Publishes without a pause until told to stop, and remembers what got its `Ok`.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    durable: Arc<AtomicUsize>,
    publishers: JoinSet<BTreeSet<EventId>>,
}

impl Load {
    pub(crate) fn start(bus: &Arc<KafkaBus>, publishers: u128) -> Self {
        let mut load = Self { stop: Arc::default(), durable: Arc::default(), publishers: JoinSet::new() };
        for publisher in 0..publishers {
            let (bus, stop, durable) = (Arc::clone(bus), Arc::clone(&load.stop), Arc::clone(&load.durable));
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
                        // An open breaker answers at once; whoever asks again at once only burns the processor.
                        [Err(PublishError::Unavailable(_))] => tokio::task::yield_now().await,
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
        let goal = self.durable.load(Ordering::Relaxed) + events;
        within(async {
            while self.durable.load(Ordering::Relaxed) < goal {
                tokio::task::yield_now().await;
            }
        })
        .await;
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

/// How often each event was delivered to a group.
pub(crate) type Seen = Arc<Mutex<BTreeMap<EventId, u32>>>;

/// A member that takes and acknowledges until its bus closes.
pub(crate) fn follow(bus: &Arc<KafkaBus>, seen: &Seen) -> JoinHandle<()> {
    let (bus, seen) = (Arc::clone(bus), Arc::clone(seen));
    tokio::spawn(async move {
        let mut member = join(&bus, "follower", 100).await;
        loop {
            let batch = match member.next().await {
                Ok(batch) => batch,
                Err(BusError::Closed) => return,
                Err(error) => panic!("{error}"),
            };
            for delivery in &batch {
                *seen.lock().unwrap().entry(delivery.event.id).or_default() += 1;
            }
            // While the broker is away nobody hears it, and the events may come again.
            let _ = member.settle(acks(&batch)).await;
        }
    })
}

/// Waits until all of `events` were delivered.
pub(crate) async fn all_seen(seen: &Seen, events: &BTreeSet<EventId>) {
    within(async {
        while !events.iter().all(|id| seen.lock().unwrap().contains_key(id)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
