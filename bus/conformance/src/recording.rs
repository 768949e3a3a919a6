//! A bus for tests of what publishes: it takes events, or refuses those that a test wants refused, and nobody consumes them.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use ecs_bus::{
    Backlog, Bus, BusError, Capabilities, Event, Frontier, Group, LogPage, PublishError, Subject,
    SubscribeOptions, Subscription,
};
use ecs_domain::Timestamp;

/// Why an event is refused, if it is.
type Refuse = dyn Fn(&Event) -> Option<PublishError> + Send + Sync;

/// Remembers what it took, batch by batch.
pub struct Recording {
    batches: Mutex<Vec<Vec<Event>>>,
    refuse: Box<Refuse>,
}

impl Recording {
    /// One that takes everything.
    #[must_use]
    pub fn taking_all() -> Arc<Self> {
        Self::refusing(|_| None)
    }

    /// One that refuses what this gives a reason for.
    pub fn refusing(refuse: impl Fn(&Event) -> Option<PublishError> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { batches: Mutex::default(), refuse: Box::new(refuse) })
    }

    /// What was taken, batch by batch.
    pub fn batches(&self) -> Vec<Vec<Event>> {
        self.batches.lock().unwrap().clone()
    }

    /// What was taken.
    pub fn events(&self) -> Vec<Event> {
        self.batches().concat()
    }

    /// What was taken since the last time.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.batches.lock().unwrap()).concat()
    }
}

#[async_trait]
impl Bus for Recording {
    async fn publish(&self, batch: Vec<Event>) -> Vec<Result<(), PublishError>> {
        // Results come later than the call, as from any real bus.
        tokio::task::yield_now().await;
        let results: Vec<_> = batch.iter().map(|event| (self.refuse)(event).map_or(Ok(()), Err)).collect();
        let taken =
            batch.into_iter().zip(&results).filter(|(_, result)| result.is_ok()).map(|(event, _)| event);
        self.batches.lock().unwrap().push(taken.collect());
        results
    }

    async fn subscribe(
        &self,
        _: Subject,
        _: Group,
        _: SubscribeOptions,
    ) -> Result<Box<dyn Subscription>, BusError> {
        Err(BusError::Closed)
    }

    fn capabilities(&self) -> Capabilities {
        let (stored_once_per_id, ordered_per_key, keeps_log, shared) = (false, false, false, false);
        Capabilities { transport: "recording", stored_once_per_id, ordered_per_key, keeps_log, shared }
    }

    async fn backlog(&self, _: Subject, _: Group) -> Result<Backlog, BusError> {
        Err(BusError::Closed)
    }

    async fn log(&self, _: Subject, _: &Frontier, _: usize) -> Result<LogPage, BusError> {
        Err(BusError::Closed)
    }

    async fn prune(&self, _: Subject, _: Timestamp) -> Result<u64, BusError> {
        Err(BusError::Closed)
    }

    async fn ping(&self) -> Result<(), BusError> {
        Ok(())
    }

    async fn close(&self) -> Result<(), BusError> {
        Ok(())
    }
}
