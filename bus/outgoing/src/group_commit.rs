//! Group commit: one task per queue publishes everything that waits as one group, and meanwhile the next one gathers.
//!
//! A lone event goes at once. While a group is under way, whatever comes waits and goes together, with those who come back from the
//! group before it. So a durable publish costs a fraction of a flush when many publish, and nobody lingers when few do.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use ecs_bus::PublishError;
use futures::FutureExt as _;
use tokio::time::Instant;

use crate::gathering::Gathering;
use crate::queue::{Queue, Request, Results};

/// Who publishes groups.
pub trait GroupCommit: Send {
    /// What becomes of the events of all requests, one after the other.
    fn commit(&mut self, requests: &[Request]) -> impl Future<Output = Results> + Send;
}

/// Publishes until the queue drains.
pub async fn group_commit(queue: Arc<Queue>, mut publisher: impl GroupCommit) {
    let mut gathering = Gathering::default();
    while queue.filled().await {
        gather(&queue, &mut gathering).await;
        let requests = queue.take();
        let started = Instant::now();
        let results = AssertUnwindSafe(publisher.commit(&requests)).catch_unwind().await;
        // What goes wrong with one group must not end the publisher: nobody would answer those that come after it.
        let results = results.unwrap_or_else(|_| {
            tracing::error!("publishing a group has failed");
            let events = requests.iter().map(|request| request.events.len()).sum();
            vec![Err(PublishError::Unavailable("publishing has failed".to_owned())); events]
        });
        gathering.ended(requests.len(), queue.waiting(), started.elapsed());
        answer(&queue, requests, results);
    }
}

/// Waits a moment for those who are likely to come.
async fn gather(queue: &Queue, gathering: &mut Gathering) {
    if let Some((expected, patience)) = gathering.next() {
        queue.filled_with(expected, Instant::now() + patience).await;
        gathering.found(expected, queue.waiting());
    }
}

fn answer(queue: &Queue, requests: Vec<Request>, results: Results) {
    let mut results = results.into_iter();
    for request in requests {
        let own = results.by_ref().take(request.events.len()).collect();
        queue.answer(request, own);
    }
}
