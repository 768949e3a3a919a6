//! Simulated users who apply for credit, accept what they are offered, and wait to be told that it is theirs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ecs_domain::{OfferId, UserId};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::sender::Run;
use super::summary::label;
use crate::{CallError, Client};

/// How long a user waits for the notification.
const NOTIFIED_WITHIN: Duration = Duration::from_secs(10);
/// How often the user looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How the journeys went.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct JourneySummary {
    /// Applications answered.
    pub applied: u64,
    /// Those that were denied.
    pub denied: u64,
    /// Offers accepted by this run.
    pub accepted: u64,
    /// Offers that had been accepted before: a decision stands for some minutes, and the same user applied again.
    pub accepted_before: u64,
    /// Accepted offers whose notification came in time.
    pub notified: u64,
    /// Accepted offers whose notification didn't.
    pub not_notified: u64,
    /// Journeys that ended with an error, by its status or kind.
    pub failed: BTreeMap<String, u64>,
}

/// How one journey ended.
enum End {
    Denied,
    AcceptedBefore,
    Notified,
    NotNotified,
    Failed(String),
}

impl JourneySummary {
    fn add(&mut self, end: End) {
        match end {
            End::Denied => self.denied += 1,
            End::AcceptedBefore => self.accepted_before += 1,
            End::Notified => {
                self.accepted += 1;
                self.notified += 1;
            }
            End::NotNotified => {
                self.accepted += 1;
                self.not_notified += 1;
            }
            End::Failed(label) => {
                *self.failed.entry(label).or_default() += 1;
                return;
            }
        }
        self.applied += 1;
    }
}

/// Sends one user after the other on the journey until the sending is over or the simulation is stopped.
pub(super) async fn run(run: Arc<Run>, sending_is_over: CancellationToken) -> JourneySummary {
    let mut summary = JourneySummary::default();
    let Some(every) = run.plan.journey_every else { return summary };
    let mut ticks = tokio::time::interval(every.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut under_way = JoinSet::new();
    let mut users = run.users.iter().copied().cycle();
    loop {
        tokio::select! {
            () = sending_is_over.cancelled() => break,
            () = run.tools.stop.cancelled() => break,
            _ = ticks.tick() => {
                let Some(user) = users.next() else { break };
                under_way.spawn(journey(run.tools.client.clone(), user));
            }
            Some(end) = under_way.join_next() => summary.add(unless_panicked(end)),
        }
    }
    while let Some(end) = under_way.join_next().await {
        summary.add(unless_panicked(end));
    }
    summary
}

fn unless_panicked(end: Result<End, tokio::task::JoinError>) -> End {
    end.unwrap_or_else(|_| End::Failed("panicked".to_owned()))
}

async fn journey(client: Client, user: UserId) -> End {
    walk(&client, user).await.unwrap_or_else(|error| End::Failed(label(&error)))
}

async fn walk(client: &Client, user: UserId) -> Result<End, CallError> {
    let analysis = client.analyse(user).await?;
    let Some(offer) = analysis.offer else { return Ok(End::Denied) };
    match client.accept(offer.offer_id, user).await {
        Ok(()) => {}
        Err(CallError::Refused { status: 409, .. }) => return Ok(End::AcceptedBefore),
        Err(error) => return Err(error),
    }
    let deadline = Instant::now() + NOTIFIED_WITHIN;
    while Instant::now() < deadline {
        if is_notified(client, user, offer.offer_id).await? {
            return Ok(End::Notified);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(End::NotNotified)
}

async fn is_notified(client: &Client, user: UserId, offer: OfferId) -> Result<bool, CallError> {
    let page = client.notifications(user, 1, 20).await?;
    Ok(page.items.iter().any(|notification| notification.offer_id == offer))
}
