//! One task per partition publishes group by group: a request to the broker, and its flush, are for all of a group.
//!
//! The client library has one request of several records under way in a partition, because it is idempotent. At whatever it has
//! besides it keeps looking, with a processor of its own, until the answer comes. So it gets what it can send, and nothing more.

use std::sync::Arc;

use ecs_breaker::{Breaker, State};
use ecs_bus::{Event, PublishError, RETRY_AFTER, Subject};
use ecs_bus_outgoing::{GroupCommit, Queue, Request, Results};
use ecs_metrics::Metrics;

use crate::fates::{Failure, Fate};
use crate::producer::{Outgoing, Producer};

/// The most events that are published at once. So many of the usual size are a request as large as the library makes them.
pub(crate) const LARGEST_GROUP: usize = 2_500;

/// Publishes the events of one partition.
pub(crate) struct Publisher {
    pub(crate) subject: Subject,
    pub(crate) topic: Arc<str>,
    pub(crate) place: i32,
    pub(crate) queue: Arc<Queue>,
    pub(crate) producer: Arc<Producer>,
    pub(crate) breaker: Breaker,
    pub(crate) metrics: Metrics,
}

impl GroupCommit for Publisher {
    async fn commit(&mut self, requests: &[Request]) -> Results {
        let events = || requests.iter().flat_map(|request| &request.events);
        let permit = match self.breaker.admit() {
            Ok(permit) => permit,
            Err(open) => {
                let away = format!("Kafka did not answer lately; next try in {:?}", open.retry_after);
                return events().map(|_| Err(PublishError::Unavailable(away.clone()))).collect();
            }
        };
        let record = |event: &Event| Outgoing::event(Arc::clone(&self.topic), self.place, event);
        let fates = self.producer.send(events().map(record).collect()).await;
        self.metrics.bus_batch("published", self.subject.as_str(), fates.len());
        self.report(&fates);
        // A refusal is an answer: who gives it is there.
        match fates.iter().find_map(unheard) {
            None => permit.succeeded(),
            Some(reason) => {
                permit.failed();
                self.give_up(requests.len(), reason);
            }
        }
        fates.into_iter().map(result).collect()
    }
}

impl Publisher {
    /// Nothing was heard of a group of so many requests. Whoever has waited meanwhile is told so, too: it would take as long again to
    /// find out. Each of them counts with the breaker, as if all had been sent alone.
    fn give_up(&self, requests: usize, reason: &str) {
        let mut failures = requests.saturating_sub(1);
        while self.queue.waiting() > 0 {
            for request in self.queue.take() {
                let results = vec![Err(PublishError::Unavailable(reason.to_owned())); request.events.len()];
                self.queue.answer(request, results);
                failures += 1;
            }
        }
        for _ in 0..failures {
            let Ok(permit) = self.breaker.admit() else { return };
            permit.failed();
        }
    }

    fn report(&self, fates: &[Fate]) {
        let failed = fates.iter().filter(|fate| fate.is_err()).count();
        if let Some(Err(reason)) = fates.iter().find(|fate| fate.is_err()) {
            tracing::warn!(subject = %self.subject, failed, of = fates.len(), ?reason, "events were not made durable");
        }
    }
}

fn unheard(fate: &Fate) -> Option<&str> {
    match fate {
        Err(Failure::Unheard(reason)) => Some(reason),
        Ok(()) | Err(Failure::Full | Failure::Refused(_)) => None,
    }
}

fn result(fate: Fate) -> Result<(), PublishError> {
    fate.map_err(|failure| match failure {
        Failure::Full => PublishError::WindowFull { retry_after: RETRY_AFTER },
        Failure::Refused(reason) | Failure::Unheard(reason) => PublishError::Unavailable(reason),
    })
}

/// The answer while the breaker is open; `None` when events may be tried.
pub(crate) fn refusal(breaker: &Breaker) -> Option<PublishError> {
    match breaker.state() {
        State::Open => Some(PublishError::Unavailable("Kafka did not answer lately".to_owned())),
        State::Closed | State::HalfOpen => None,
    }
}
