//! Simulated users who apply for credit, accept what they are offered, and wait to be told that it is theirs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ecs_domain::{OfferId, UserId};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::meter::{Meter, Step};
use super::outgoing::Run;
use super::population::Persona;
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
    /// Applications answered and denied, by kind of customer.
    #[serde(skip)]
    pub(super) personas: BTreeMap<Persona, (u64, u64)>,
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
    fn add(&mut self, persona: Persona, end: End) {
        let denied = matches!(end, End::Denied);
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
        let of_persona = self.personas.entry(persona).or_default();
        of_persona.0 += 1;
        of_persona.1 += u64::from(denied);
    }
}

impl JourneySummary {
    fn end(&mut self, ended: Result<(Persona, End), tokio::task::JoinError>) {
        match ended {
            Ok((persona, end)) => self.add(persona, end),
            Err(_) => *self.failed.entry("panicked".to_owned()).or_default() += 1,
        }
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
    let personas = run.story.population().people().iter().map(|person| person.persona);
    let mut users = run.users.iter().copied().zip(personas).cycle();
    loop {
        tokio::select! {
            () = sending_is_over.cancelled() => break,
            () = run.tools.stop.cancelled() => break,
            _ = ticks.tick() => {
                let Some((user, persona)) = users.next() else { break };
                let (client, meter) = (run.tools.client.clone(), Arc::clone(&run.tools.meter));
                under_way.spawn(async move { (persona, journey(&client, user, &meter).await) });
            }
            Some(ended) = under_way.join_next() => summary.end(ended),
        }
    }
    while let Some(ended) = under_way.join_next().await {
        summary.end(ended);
    }
    summary
}

async fn journey(client: &Client, user: UserId, meter: &Meter) -> End {
    walk(client, user, meter).await.unwrap_or_else(|error| End::Failed(label(&error)))
}

async fn walk(client: &Client, user: UserId, meter: &Meter) -> Result<End, CallError> {
    let analysis = client.analyse(user).await?;
    meter.journey(Step::Applied);
    let Some(offer) = analysis.offer else {
        meter.journey(Step::Denied);
        return Ok(End::Denied);
    };
    match client.accept(offer.offer_id, user).await {
        Ok(()) => meter.journey(Step::Accepted),
        Err(CallError::Refused { status: 409, .. }) => return Ok(End::AcceptedBefore),
        Err(error) => return Err(error),
    }
    let deadline = Instant::now() + NOTIFIED_WITHIN;
    while Instant::now() < deadline {
        if is_notified(client, user, offer.offer_id).await? {
            meter.journey(Step::Notified);
            return Ok(End::Notified);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(End::NotNotified)
}

async fn is_notified(client: &Client, user: UserId, offer: OfferId) -> Result<bool, CallError> {
    let page = client.notifications(user, 1, 20).await?;
    Ok(page.items.iter().any(|notification| notification.offer_id == Some(offer)))
}
