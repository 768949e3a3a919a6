//! The queues of a transport, and the way of a caller's batch through them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use ecs_bus::{Event, PublishError, Window};
use futures::future::join_all;

use crate::queue::{Queue, Results};

/// Queues that share a window.
pub struct Queues<K> {
    window: Arc<Window>,
    queues: HashMap<K, Arc<Queue>>,
}

/// Events of one caller for one queue, with their places in his batch.
#[derive(Default)]
struct Part {
    places: Vec<usize>,
    events: Vec<Event>,
}

impl<K: Eq + Hash> Queues<K> {
    /// None yet.
    #[must_use]
    pub fn new(window: Window) -> Self {
        Self { window: Arc::new(window), queues: HashMap::new() }
    }

    /// A new queue, of which a publisher takes as many events at once, whole requests.
    pub fn add(&mut self, key: K, largest_group: usize) -> Arc<Queue> {
        let queue = Arc::new(Queue::new(Arc::clone(&self.window), largest_group));
        self.queues.insert(key, Arc::clone(&queue));
        queue
    }

    /// Has published what the window admits, each event by the queue that is its own. Returns what became of each, in their order.
    pub async fn publish(&self, batch: Vec<Event>, own: impl Fn(&Event) -> K) -> Results {
        let mut results: Vec<Option<Result<(), PublishError>>> = vec![None; batch.len()];
        let mut parts: HashMap<K, Part> = HashMap::new();
        for ((place, event), result) in batch.into_iter().enumerate().zip(&mut results) {
            match self.window.admit(&event) {
                Ok(()) => {
                    let part = parts.entry(own(&event)).or_default();
                    part.places.push(place);
                    part.events.push(event);
                }
                Err(error) => *result = Some(Err(error)),
            }
        }
        let parts = parts.into_iter().map(|(key, part)| self.submit(key, part));
        for (place, outcome) in join_all(parts).await.into_iter().flatten() {
            if let Some(result) = results.get_mut(place) {
                *result = Some(outcome);
            }
        }
        // A publisher answers everything it took.
        results.into_iter().map(|result| result.unwrap_or_else(gone)).collect()
    }

    async fn submit(&self, key: K, part: Part) -> impl Iterator<Item = (usize, Result<(), PublishError>)> {
        let Part { places, events } = part;
        let count = places.len();
        let outcome = match self.queues.get(&key).map(|queue| queue.submit(events)) {
            // It can only be gone when it died.
            Some(Some(receiver)) => receiver.await.unwrap_or_else(|_| vec![gone(); count]),
            Some(None) => vec![Err(PublishError::Closed); count],
            None => vec![gone(); count],
        };
        places.into_iter().zip(outcome)
    }

    /// Takes nothing more; the publishers finish what is there.
    pub fn drain(&self) {
        self.queues.values().for_each(|queue| queue.drain());
    }
}

fn gone() -> Result<(), PublishError> {
    Err(PublishError::Unavailable("the publisher is gone".to_owned()))
}
