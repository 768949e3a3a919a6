//! A subscription with the rules that hold on every transport: the delivery limit, and where dead letters go.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ecs_domain::dead_letter::DeadLetterKind;
use ecs_domain::{Clock, Timestamp};

use crate::{BusError, Delivery, Event, FailedAttempt, Group, Settlement, Subscription, Tag, Verdict};

/// How often an event is delivered before it becomes a dead letter, unless configured otherwise.
pub const DEFAULT_DELIVERY_LIMIT: u32 = 10;

/// How long a delivery waits when its dead letter couldn't be kept.
const SINK_RETRY: Duration = Duration::from_secs(1);

/// What becomes of a delivery: exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Ack,
    /// Failed for a reason that may pass. At the delivery limit it becomes a dead letter.
    Retry {
        /// How long to wait at least.
        after: Duration,
        /// Why, in words; never the event's values.
        reason: String,
    },
    /// Will never succeed.
    DeadLetter {
        /// What kind of trouble it is.
        kind: DeadLetterKind,
        /// What happened and what can be done about it, for the person who finds the letter; never the event's values.
        reason: String,
    },
}

/// An event that was given up, as it is kept.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The event with its original bytes.
    pub event: Event,
    /// The group that gave it up.
    pub group: Group,
    /// What kind of trouble it was.
    pub kind: DeadLetterKind,
    /// Why, in words.
    pub reason: String,
    /// The attempts before, the last one included.
    pub history: Vec<FailedAttempt>,
    /// When it was given up.
    pub at: Timestamp,
}

/// Where dead letters are kept. Keeping one twice MUST keep it once.
#[async_trait]
pub trait DeadLetterSink: Send + Sync {
    /// Keeps them durably before it returns.
    async fn keep(&self, letters: Vec<DeadLetter>) -> Result<(), SinkError>;
}

/// The dead letters couldn't be kept; their events stay on the bus.
#[derive(Debug, thiserror::Error)]
#[error("dead letters can't be kept: {0}")]
pub struct SinkError(pub String);

/// A member of a group that gives up events the same way on every transport.
pub struct Consumer {
    subscription: Box<dyn Subscription>,
    group: Group,
    sink: Arc<dyn DeadLetterSink>,
    clock: Arc<dyn Clock>,
    delivery_limit: u32,
}

impl Consumer {
    /// Wraps a subscription of `group`. A delivery that fails for the `delivery_limit`th time becomes a dead letter.
    #[must_use]
    pub fn new(
        subscription: Box<dyn Subscription>,
        group: Group,
        sink: Arc<dyn DeadLetterSink>,
        clock: Arc<dyn Clock>,
        delivery_limit: u32,
    ) -> Self {
        Self { subscription, group, sink, clock, delivery_limit }
    }

    /// The next batch; see [`Subscription::next`].
    pub async fn next(&mut self) -> Result<Vec<Delivery>, BusError> {
        self.subscription.next().await
    }

    /// Settles a batch: `outcomes[i]` is what becomes of `deliveries[i]`. Dead letters are kept first and acknowledged
    /// after that, so that a crash in between repeats one rather than losing it.
    pub async fn settle(
        &mut self,
        deliveries: Vec<Delivery>,
        outcomes: Vec<Outcome>,
    ) -> Result<(), BusError> {
        debug_assert_eq!(deliveries.len(), outcomes.len(), "one outcome per delivery");
        let mut settlements = Vec::with_capacity(deliveries.len());
        let mut letters = Vec::new();
        for (delivery, outcome) in deliveries.into_iter().zip(outcomes) {
            let tag = delivery.tag;
            match outcome {
                Outcome::Ack => settlements.push(Settlement { tag, verdict: Verdict::Ack }),
                Outcome::Retry { reason, .. } if delivery.attempt >= self.delivery_limit => {
                    letters.push((tag, self.given_up(delivery, reason)));
                }
                Outcome::Retry { after, reason } => {
                    settlements.push(Settlement { tag, verdict: Verdict::Retry { after, reason } });
                }
                Outcome::DeadLetter { kind, reason } => {
                    letters.push((tag, self.letter(delivery, kind, reason)));
                }
            }
        }
        self.bury(letters, &mut settlements).await;
        self.subscription.settle(settlements).await
    }

    /// The dead letter that the last allowed failure makes.
    fn given_up(&self, delivery: Delivery, reason: String) -> DeadLetter {
        let attempts = delivery.attempt;
        let letter = self.letter(delivery, DeadLetterKind::GaveUp, reason);
        let reason = format!("gave up after {attempts} attempts; the last one: {}", letter.reason);
        DeadLetter { reason, ..letter }
    }

    fn letter(&self, delivery: Delivery, kind: DeadLetterKind, reason: String) -> DeadLetter {
        let at = self.clock.now();
        let mut history = delivery.history;
        history.push(FailedAttempt { at, reason: reason.clone() });
        DeadLetter { event: delivery.event, group: self.group, kind, reason, history, at }
    }

    /// Borrows mutably because a subscription may move between threads, but needn't be shared by them.
    async fn bury(&mut self, letters: Vec<(Tag, DeadLetter)>, settlements: &mut Vec<Settlement>) {
        if letters.is_empty() {
            return;
        }
        let (tags, letters): (Vec<Tag>, Vec<DeadLetter>) = letters.into_iter().unzip();
        let verdict = match self.sink.keep(letters).await {
            Ok(()) => Verdict::Ack,
            Err(error) => {
                tracing::warn!(group = %self.group, %error, "dead letters stay on the bus");
                Verdict::Retry { after: SINK_RETRY, reason: error.to_string() }
            }
        };
        settlements.extend(tags.into_iter().map(|tag| Settlement { tag, verdict: verdict.clone() }));
    }
}
