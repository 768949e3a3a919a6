//! A bus in memory with one group per subject.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use ecs_bus::{
    Backlog, Bus, BusError, Capabilities, Delivery, Event, FailedAttempt, Frontier, Group, LogPage,
    PublishError, Settlement, Subject, SubscribeOptions, Subscription, Tag, Verdict,
};
use ecs_domain::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The bus. Clones are the same bus.
#[derive(Clone, Default)]
pub struct MemoryBus(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

/// What it holds, and what it is told to refuse.
#[derive(Default)]
pub struct State {
    /// Everything that was published, repetitions included.
    pub published: Vec<Event>,
    /// How many of the next publishes are refused.
    pub refuse_publishes: u32,
    /// How many of the next subscriptions are refused.
    pub refuse_subscriptions: u32,
    /// How many subscriptions there were.
    pub subscriptions: u32,
    /// The delays that were asked for, in order.
    pub retries: Vec<Duration>,
    /// What was acknowledged, in order.
    pub acked: Vec<Event>,
    /// Whether it has ended.
    pub closed: bool,
    ready: VecDeque<Delivery>,
    delayed: Vec<(Instant, Delivery)>,
    held: HashMap<Tag, Delivery>,
    next_tag: u64,
}

impl MemoryBus {
    /// Its state, locked while the guard lives.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// Whether nothing waits and nobody holds anything.
    #[must_use]
    pub fn settled(&self) -> bool {
        let state = self.state();
        state.ready.is_empty() && state.delayed.is_empty() && state.held.is_empty()
    }

    /// Ends it, as [`Bus::close`] does.
    pub fn end(&self) {
        self.state().closed = true;
        self.0.changed.notify_waiters();
    }
}

#[async_trait]
impl Bus for MemoryBus {
    async fn publish(&self, batch: Vec<Event>) -> Vec<Result<(), PublishError>> {
        let mut state = self.state();
        let results = batch.into_iter().map(|event| state.append(event)).collect();
        self.0.changed.notify_waiters();
        results
    }

    async fn subscribe(
        &self,
        _: Subject,
        _: Group,
        options: SubscribeOptions,
    ) -> Result<Box<dyn Subscription>, BusError> {
        let mut state = self.state();
        if state.refuse_subscriptions > 0 {
            state.refuse_subscriptions -= 1;
            return Err(BusError::Unavailable("a test's refusal".to_owned()));
        }
        state.subscriptions += 1;
        Ok(Box::new(Member { shared: Arc::clone(&self.0), max_batch: options.max_batch }))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            transport: "memory",
            stored_once_per_id: false,
            ordered_per_key: true,
            keeps_log: false,
            shared: false,
        }
    }

    async fn backlog(&self, _: Subject, _: Group) -> Result<Backlog, BusError> {
        Err(BusError::Unsupported { transport: "memory", capability: "a backlog" })
    }

    async fn log(&self, _: Subject, _: &Frontier, _: usize) -> Result<LogPage, BusError> {
        Err(BusError::Unsupported { transport: "memory", capability: "a log" })
    }

    async fn prune(&self, _: Subject, _: Timestamp) -> Result<u64, BusError> {
        Ok(0)
    }

    async fn ping(&self) -> Result<(), BusError> {
        Ok(())
    }

    async fn close(&self) -> Result<(), BusError> {
        self.end();
        Ok(())
    }
}

impl State {
    fn append(&mut self, event: Event) -> Result<(), PublishError> {
        if self.refuse_publishes > 0 {
            self.refuse_publishes -= 1;
            return Err(PublishError::Unavailable("a test's refusal".to_owned()));
        }
        self.published.push(event.clone());
        let (tag, published_at) = (Tag(0), Timestamp::UNIX_EPOCH);
        self.ready.push_back(Delivery { tag, event, attempt: 1, history: Vec::new(), published_at });
        Ok(())
    }

    fn take(&mut self, max_batch: usize) -> Vec<Delivery> {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.delayed).into_iter().partition(|(at, _)| *at <= now);
        self.delayed = later;
        let due: Vec<(Instant, Delivery)> = due;
        self.ready.extend(due.into_iter().map(|(_, delivery)| delivery));
        let count = self.ready.len().min(max_batch);
        let mut batch: Vec<Delivery> = self.ready.drain(..count).collect();
        for delivery in &mut batch {
            self.next_tag += 1;
            delivery.tag = Tag(self.next_tag);
            self.held.insert(delivery.tag, delivery.clone());
        }
        batch
    }

    fn settle(&mut self, Settlement { tag, verdict }: Settlement) {
        let Some(mut delivery) = self.held.remove(&tag) else { return };
        match verdict {
            Verdict::Ack => self.acked.push(delivery.event),
            Verdict::Retry { after, reason } => {
                self.retries.push(after);
                delivery.attempt += 1;
                delivery.history.push(FailedAttempt { at: Timestamp::UNIX_EPOCH, reason });
                self.delayed.push((Instant::now() + after, delivery));
            }
        }
    }
}

struct Member {
    shared: Arc<Shared>,
    max_batch: usize,
}

#[async_trait]
impl Subscription for Member {
    async fn next(&mut self) -> Result<Vec<Delivery>, BusError> {
        loop {
            let changed = self.shared.changed.notified();
            let due = {
                let mut state = self.shared.state.lock().unwrap();
                if state.closed {
                    return Err(BusError::Closed);
                }
                let batch = state.take(self.max_batch);
                if !batch.is_empty() {
                    return Ok(batch);
                }
                state.delayed.iter().map(|(at, _)| *at).min()
            };
            let far = Instant::now() + Duration::from_secs(86_400);
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(due.unwrap_or(far)) => {}
            }
        }
    }

    async fn settle(&mut self, settlements: Vec<Settlement>) -> Result<(), BusError> {
        let mut state = self.shared.state.lock().unwrap();
        settlements.into_iter().for_each(|settlement| state.settle(settlement));
        Ok(())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock().unwrap();
        let held: Vec<Delivery> = state.held.drain().map(|(_, delivery)| delivery).collect();
        state.ready.extend(held);
        self.shared.changed.notify_waiters();
    }
}
