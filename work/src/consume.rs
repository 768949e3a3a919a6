//! The one loop over a subscription: next, handle, settle; again after every kind of trouble.
//!
//! Two kinds of trouble are kept apart. **An outage** (the store is away) is nobody's fault: the batch is held and tried
//! again, and when that takes too long it is handed back to the group unsettled. No attempt is counted, so no outage,
//! however long, turns good events into dead letters. **An event's own failure** (the handler panics over it, or the
//! store refuses it for a reason that won't pass) counts: the batch is halved until the culprit stands alone, its
//! batch-mates go through, and the culprit is tried again after a growing delay until the delivery limit makes it a
//! dead letter.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ecs_bus::{
    Bus, BusError, Consumer, DEFAULT_DELIVERY_LIMIT, Delivery, Outcome, Subject, SubscribeOptions,
};
use ecs_domain::Clock;
use ecs_metrics::Metrics;
use ecs_store::{DeadLetters, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{BackOff, StoreSink, isolate};

/// What a role does with events.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Handles a batch: `result[i]` is what becomes of `batch[i]`. It may be called again with the same events, in the
    /// same or another batch, whatever came of it before; their effect MUST be single all the same. A panic counts as
    /// [`Failure::Batch`].
    async fn handle(&self, batch: &[Delivery]) -> Result<Vec<Outcome>, Failure>;
}

/// Why a batch as a whole came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Something that all events need is away. No event is to blame, and no attempt is counted.
    #[error("{0}")]
    Outage(String),
    /// At least one event of the batch is to blame; which one will be found out.
    #[error("{0}")]
    Batch(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if error.is_retryable() {
            return Self::Outage(error.to_string());
        }
        Self::Batch(format!("the store refused it ({error}); mend that, then replay the event"))
    }
}

/// What the loop needs.
#[derive(Clone)]
pub struct ConsumeDeps {
    /// Where events come from.
    pub bus: Arc<dyn Bus>,
    /// Where dead letters go.
    pub store: Arc<dyn DeadLetters>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How often an event may fail before it is a dead letter.
    pub delivery_limit: u32,
    /// Where dead letters are counted.
    pub metrics: Metrics,
}

impl ConsumeDeps {
    /// With the delivery limit of [`DEFAULT_DELIVERY_LIMIT`], and metrics of its own.
    #[must_use]
    pub fn new(bus: Arc<dyn Bus>, store: Arc<dyn DeadLetters>, clock: Arc<dyn Clock>) -> Self {
        Self { bus, store, clock, delivery_limit: DEFAULT_DELIVERY_LIMIT, metrics: Metrics::new() }
    }
}

/// How the loop works.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How the bus serves it.
    pub subscribe: SubscribeOptions,
    /// How long an event waits that failed by itself.
    pub retry: BackOff,
    /// How long everything waits while the bus or something that the handler needs is away.
    pub outage: BackOff,
}

impl Default for Options {
    fn default() -> Self {
        SubscribeOptions::default().into()
    }
}

impl From<SubscribeOptions> for Options {
    fn from(subscribe: SubscribeOptions) -> Self {
        Self { subscribe, retry: BackOff::EVENT, outage: BackOff::OUTAGE }
    }
}

/// Consumes `subject` for its group until `token` is cancelled; what is in flight by then is settled first. Returns an
/// error only when the bus says that another try is pointless, or closes while nobody said stop.
pub async fn run(
    deps: ConsumeDeps,
    subject: Subject,
    options: Options,
    handler: Arc<dyn Handler>,
    token: CancellationToken,
) -> Result<(), BusError> {
    let mut member = Member { deps, subject, options, handler, token, troubles: 0 };
    loop {
        match member.serve().await {
            Ok(Left::Stopped) => return Ok(()),
            Err(BusError::Closed) if member.token.is_cancelled() => return Ok(()),
            Ok(Left::HandedBack) => {}
            Err(BusError::Unavailable(reason)) => member.note_trouble(&reason),
            Err(error @ (BusError::Closed | BusError::Unsupported { .. } | BusError::Corrupt(_))) => {
                return Err(error);
            }
        }
        if member.wait().await == Waited::Stopped {
            return Ok(());
        }
    }
}

/// One member of a group, over as many subscriptions as it takes.
struct Member {
    deps: ConsumeDeps,
    subject: Subject,
    options: Options,
    handler: Arc<dyn Handler>,
    token: CancellationToken,
    /// Troubles in a row; a settled batch sets it back.
    troubles: u32,
}

/// Why a subscription was left.
enum Left {
    Stopped,
    /// Dropping the subscription gives its unsettled deliveries back to the group.
    HandedBack,
}

#[derive(PartialEq, Eq)]
enum Waited {
    Through,
    Stopped,
}

impl Member {
    /// Works through one subscription.
    async fn serve(&mut self) -> Result<Left, BusError> {
        let group = self.subject.group();
        let subscription = self.deps.bus.subscribe(self.subject, group, self.options.subscribe).await?;
        let sink = Arc::new(StoreSink::new(Arc::clone(&self.deps.store), self.deps.metrics.clone()));
        let clock = Arc::clone(&self.deps.clock);
        let mut consumer = Consumer::new(subscription, group, sink, clock, self.deps.delivery_limit);
        loop {
            let batch = tokio::select! {
                biased;
                () = self.token.cancelled() => return Ok(Left::Stopped),
                batch = consumer.next() => batch?,
            };
            let Some(outcomes) = self.outcomes(&batch).await else {
                return Ok(Left::HandedBack);
            };
            consumer.settle(batch, outcomes).await?;
            self.troubles = 0;
        }
    }

    /// What becomes of a batch; `None` when an outage outlasts half its lease, or the stop comes first.
    async fn outcomes(&mut self, batch: &[Delivery]) -> Option<Vec<Outcome>> {
        let hold_until = Instant::now() + self.options.subscribe.lease / 2;
        loop {
            match isolate::outcomes(self.handler.as_ref(), batch, self.options.retry).await {
                Ok(outcomes) => return Some(outcomes),
                Err(outage) => self.note_trouble(&outage.0),
            }
            if Instant::now() + self.pause() >= hold_until || self.wait().await == Waited::Stopped {
                return None;
            }
        }
    }

    fn note_trouble(&mut self, reason: &str) {
        self.troubles = self.troubles.saturating_add(1);
        tracing::warn!(subject = %self.subject, troubles = self.troubles, reason, "events wait");
    }

    fn pause(&self) -> Duration {
        self.options.outage.delay(self.troubles, 0)
    }

    async fn wait(&self) -> Waited {
        tokio::select! {
            biased;
            () = self.token.cancelled() => Waited::Stopped,
            () = tokio::time::sleep(self.pause()) => Waited::Through,
        }
    }
}
