//! A bus whose traffic is counted, whichever transport it is.

use std::sync::Arc;

use async_trait::async_trait;
use ecs_bus::{
    Backlog, Bus, BusError, Capabilities, Delivery, Event, Frontier, Group, LogPage, PublishError,
    Settlement, Subject, SubscribeOptions, Subscription,
};
use ecs_domain::Timestamp;
use ecs_metrics::{Metrics, Published, SubjectMetrics};

/// Counts what passes through to another bus and back. It stands outermost, so that it sees what roles see.
pub struct MeteredBus {
    inner: Arc<dyn Bus>,
    subjects: [SubjectMetrics; 6],
}

impl MeteredBus {
    /// Around another bus.
    #[must_use]
    pub fn new(inner: Arc<dyn Bus>, metrics: &Metrics) -> Self {
        Self { inner, subjects: Subject::ALL.map(|subject| metrics.subject(subject.as_str())) }
    }

    fn of(&self, subject: Subject) -> &SubjectMetrics {
        let [emotions, transactions, offers, notifications, evaluations, alerts] = &self.subjects;
        match subject {
            Subject::Emotions => emotions,
            Subject::Transactions => transactions,
            Subject::OffersApproved => offers,
            Subject::Notifications => notifications,
            Subject::Evaluations => evaluations,
            Subject::Alerts => alerts,
        }
    }

    /// Counts the results of a batch: those that follow each other and are alike go in one step.
    fn count(&self, subjects: &[Subject], results: &[Result<(), PublishError>]) {
        let fates = subjects.iter().zip(results).map(|(subject, result)| (*subject, fate(result)));
        let mut run: Option<((Subject, Published), u64)> = None;
        for fate in fates {
            match &mut run {
                Some((same, count)) if *same == fate => *count += 1,
                _ => self.add(run.replace((fate, 1))),
            }
        }
        self.add(run);
    }

    fn add(&self, run: Option<((Subject, Published), u64)>) {
        if let Some(((subject, fate), count)) = run {
            self.of(subject).published(fate, count);
        }
    }
}

fn fate(result: &Result<(), PublishError>) -> Published {
    match result {
        Ok(()) => Published::Ok,
        Err(PublishError::WindowFull { .. }) => Published::WindowFull,
        Err(PublishError::Unavailable(_)) => Published::Unavailable,
        Err(PublishError::TooLarge { .. }) => Published::TooLarge,
        Err(PublishError::Closed) => Published::Closed,
    }
}

#[async_trait]
impl Bus for MeteredBus {
    async fn publish(&self, batch: Vec<Event>) -> Vec<Result<(), PublishError>> {
        let subjects: Vec<Subject> = batch.iter().map(|event| event.subject).collect();
        let results = self.inner.publish(batch).await;
        self.count(&subjects, &results);
        results
    }

    async fn subscribe(
        &self,
        subject: Subject,
        group: Group,
        options: SubscribeOptions,
    ) -> Result<Box<dyn Subscription>, BusError> {
        let inner = self.inner.subscribe(subject, group, options).await?;
        Ok(Box::new(MeteredSubscription { inner, metrics: self.of(subject).clone() }))
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

struct MeteredSubscription {
    inner: Box<dyn Subscription>,
    metrics: SubjectMetrics,
}

#[async_trait]
impl Subscription for MeteredSubscription {
    async fn next(&mut self) -> Result<Vec<Delivery>, BusError> {
        let batch = self.inner.next().await?;
        let again = batch.iter().filter(|delivery| delivery.attempt > 1).count();
        self.metrics.delivered(batch.len() as u64, again as u64);
        Ok(batch)
    }

    async fn settle(&mut self, settlements: Vec<Settlement>) -> Result<(), BusError> {
        self.inner.settle(settlements).await
    }
}
