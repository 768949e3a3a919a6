//! A bus that refuses what a test says, and otherwise is another one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use ecs_bus::{
    Backlog, Bus, BusError, Capabilities, Event, Frontier, Group, LogPage, PublishError, Subject,
    SubscribeOptions, Subscription,
};
use ecs_domain::Timestamp;

/// Refuses the next publishes of one subject.
pub struct FlakyBus {
    inner: Arc<dyn Bus>,
    subject: Subject,
    refusals: AtomicU32,
}

impl FlakyBus {
    /// Refuses the next `refusals` publishes of `subject`, and is `inner` for the rest.
    pub fn new(inner: Arc<dyn Bus>, subject: Subject, refusals: u32) -> Self {
        Self { inner, subject, refusals: AtomicU32::new(refusals) }
    }

    /// How many refusals are still to come.
    pub fn refusals_left(&self) -> u32 {
        self.refusals.load(Ordering::SeqCst)
    }

    fn refuses(&self, batch: &[Event]) -> bool {
        let concerned = batch.iter().any(|event| event.subject == self.subject);
        concerned
            && self
                .refusals
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                .is_ok()
    }
}

#[async_trait]
impl Bus for FlakyBus {
    async fn publish(&self, batch: Vec<Event>) -> Vec<Result<(), PublishError>> {
        if self.refuses(&batch) {
            return vec![Err(PublishError::Unavailable("a test's refusal".to_owned())); batch.len()];
        }
        self.inner.publish(batch).await
    }

    async fn subscribe(
        &self,
        subject: Subject,
        group: Group,
        options: SubscribeOptions,
    ) -> Result<Box<dyn Subscription>, BusError> {
        self.inner.subscribe(subject, group, options).await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn backlog(&self, subject: Subject, group: Group) -> Result<Backlog, BusError> {
        self.inner.backlog(subject, group).await
    }

    async fn log(&self, subject: Subject, after: &Frontier, limit: usize) -> Result<LogPage, BusError> {
        self.inner.log(subject, after, limit).await
    }

    async fn prune(&self, subject: Subject, before: Timestamp) -> Result<u64, BusError> {
        self.inner.prune(subject, before).await
    }

    async fn ping(&self) -> Result<(), BusError> {
        self.inner.ping().await
    }

    async fn close(&self) -> Result<(), BusError> {
        self.inner.close().await
    }
}
