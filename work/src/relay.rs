//! Publishes what the outbox holds.
//!
//! The relay owns no cursor: it claims whatever rows nobody holds, publishes them, and removes those that the bus has
//! made durable. Whatever happens in between (a refused publish, a crash, a store that went away), the row stays, and is
//! claimed again when its claim runs out. So an event in the outbox is published at least once, and consumers make
//! that once.

use std::sync::Arc;
use std::time::Duration;

use ecs_bus::{Bus, Event, PublishError};
use ecs_domain::Clock;
use ecs_store::{Outbox, OutboxRow, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{BackOff, OnFailure, OnStop, Supervisor, Wake, outbox};

/// How often the outbox is looked at when nobody wakes the relay: rows of other processes wake nobody here.
const POLL: Duration = Duration::from_millis(50);
/// How many rows are published at once.
const BATCH: usize = 500;
/// For how long rows are claimed.
const LEASE: Duration = Duration::from_secs(10);

/// What the relay needs.
#[derive(Clone)]
pub struct RelayDeps {
    /// Where events go.
    pub bus: Arc<dyn Bus>,
    /// Where they come from.
    pub store: Arc<dyn Outbox>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Is woken by those who put something into the outbox.
    pub wake: Wake,
}

/// Publishes what the outbox holds.
#[derive(Clone)]
pub struct Relay {
    deps: RelayDeps,
}

impl Relay {
    /// A relay that doesn't run yet.
    #[must_use]
    pub fn create(deps: RelayDeps) -> Self {
        Self { deps }
    }

    /// Runs as a task of `supervisor`.
    pub fn start(&self, supervisor: &Supervisor) {
        let (relay, token) = (self.clone(), supervisor.token());
        supervisor.spawn("outbox-relay", OnFailure::StopProcess, OnStop::Wait, async move {
            relay.run(token).await;
            Ok::<(), std::convert::Infallible>(())
        });
    }

    /// Publishes until `token` is cancelled; a batch in hand is finished first.
    pub async fn run(&self, token: CancellationToken) {
        let mut troubles = 0;
        while !token.is_cancelled() {
            let pause = match self.pass(&token).await {
                Ok(0) => POLL,
                Ok(_) => Duration::ZERO,
                Err(error) => {
                    troubles += 1;
                    tracing::warn!(troubles, %error, "the outbox waits");
                    wait(BackOff::OUTAGE.delay(troubles, 0), &token).await;
                    continue;
                }
            };
            troubles = 0;
            tokio::select! {
                () = token.cancelled() => {}
                () = self.deps.wake.woken() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Claims a batch and publishes it. Returns how many rows left the outbox.
    pub async fn pass(&self, token: &CancellationToken) -> Result<usize, StoreError> {
        let let_go_at = Instant::now() + LEASE / 2;
        let mut rows = self.deps.store.claim_outbox(BATCH, self.deps.clock.now(), LEASE).await?;
        let mut left = 0;
        let mut troubles = 0;
        // The claim is ours while its lease lasts: what the bus refuses is tried again right here, rather than after
        // the lease. Half of the lease is kept in reserve, for nobody else may hold the rows while they are published.
        loop {
            let (published, refused) = self.publish(rows).await;
            if !published.is_empty() {
                self.deps.store.finish_outbox(&published).await?;
                left += published.len();
            }
            troubles += 1;
            let pause = BackOff::OUTAGE.delay(troubles, 0);
            if refused.is_empty() || token.is_cancelled() || Instant::now() + pause >= let_go_at {
                return Ok(left);
            }
            wait(pause, token).await;
            rows = refused;
        }
    }

    /// Publishes rows; returns those that are durable on the bus, and those worth another try. Rows that can never be
    /// published are logged and stay in the outbox, where the books find them.
    async fn publish(&self, rows: Vec<OutboxRow>) -> (Vec<OutboxRow>, Vec<OutboxRow>) {
        let (rows, events): (Vec<OutboxRow>, Vec<Event>) = rows.into_iter().filter_map(with_event).unzip();
        if rows.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let results = self.deps.bus.publish(events).await;
        let (mut published, mut refused) = (Vec::new(), Vec::new());
        for (row, result) in rows.into_iter().zip(results) {
            match result {
                Ok(()) => published.push(row),
                Err(error) => {
                    report(&row, &error);
                    refused.extend(error.is_retryable().then_some(row));
                }
            }
        }
        (published, refused)
    }
}

fn with_event(row: OutboxRow) -> Option<(OutboxRow, Event)> {
    let event = outbox::event(&row);
    if event.is_none() {
        tracing::error!(event_id = %row.id, subject = %row.subject, "the outbox holds an event of an unknown subject");
    }
    event.map(|event| (row, event))
}

fn report(row: &OutboxRow, error: &PublishError) {
    if error.is_retryable() {
        tracing::warn!(event_id = %row.id, subject = %row.subject, %error, "an event stays in the outbox");
    } else {
        tracing::error!(event_id = %row.id, subject = %row.subject, %error, "an event can't leave the outbox");
    }
}

async fn wait(pause: Duration, token: &CancellationToken) {
    tokio::select! {
        () = token.cancelled() => {}
        () = tokio::time::sleep(pause) => {}
    }
}
