//! A crowd of simulated customers. It is a client over HTTP like any phone: it provisions its users, sends their
//! emotions and transactions at a chosen rate, lets some of them apply for credit, and says how it went.
//!
//! - **The same seed, the same story.** Event number `n` of a seed has the same user and the same content for the same
//!   time, whoever sends it; in a history it has the same time, too. Users are provisioned as `sim-{seed}-{n}`, so a rerun
//!   meets them again.
//! - **Open loop.** Event `n` is due `n / rate` seconds after the start, whether or not earlier ones are answered. Only
//!   when `concurrency` calls are in flight does the next one wait; how far behind the crowd ever was is reported.
//! - **An unanswered event is never taken for an accepted one.** When the platform goes away, each sender tries its
//!   event again under the same id until the patience is over.

mod journeys;
mod meter;
mod outcome;
mod outgoing;
mod plan;
pub mod population;
mod sender;
mod story;
mod summary;
mod upload;
mod verdict;
pub mod view;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::Context;
use ecs_domain::{Clock, UserId};
use futures::{StreamExt, TryStreamExt};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use journeys::JourneySummary;
pub use meter::{Meter, PerPersonaCounts, Reading};
pub use outcome::{LogOdds, Observed, Outcome, PROCESS, asked_at, joined_at, write as write_outcomes};
pub use plan::{Plan, Until, When};
pub use story::Story;
pub use summary::{PersonaSummary, Summary};

use crate::{Client, Journal, Retries};
use outgoing::Run;
use summary::Tally;

/// Users provisioned at a time.
const PROVISIONED_AT_ONCE: usize = 32;

/// What a simulation needs besides its plan.
#[derive(Clone)]
pub struct Tools {
    /// With an internal key and an operator's token (`users:create`, `transactions:write-any`; for journeys also
    /// `credit:write-any` and `users:read-any`).
    pub client: Client,
    /// What stands on the events.
    pub clock: Arc<dyn Clock>,
    /// Where to note what was sent and promised.
    pub journal: Option<Arc<Journal>>,
    /// What those who watch can read.
    pub meter: Arc<Meter>,
    /// Ends the simulation early: nothing new is begun, and calls in flight are not tried again.
    pub stop: CancellationToken,
}

/// Provisions the plan's users, or finds them again, in the order of their numbers.
pub async fn provision(plan: &Plan, tools: &Tools) -> anyhow::Result<Vec<UserId>> {
    tools.meter.provisioning(u64::from(plan.users));
    let client = tools.client.clone().with_retries(Retries::for_as_long_as(plan.patience));
    futures::stream::iter(0..plan.users)
        .map(|number| {
            let external_id = plan.external_id(number);
            let client = &client;
            async move {
                let provisioned = client.provision(Some(&external_id), None).await;
                tools.meter.provisioned();
                provisioned.map(|provisioned| provisioned.user)
            }
        })
        .buffered(PROVISIONED_AT_ONCE)
        .take_until(tools.stop.cancelled())
        .try_collect()
        .await
        .context("can't provision the simulated users")
}

/// Runs the plan to its end, or until it is stopped.
pub async fn run(plan: &Plan, tools: &Tools) -> anyhow::Result<Summary> {
    plan.check()?;
    let users = provision(plan, tools).await?;
    run_as(plan, tools, users).await
}

/// Runs the plan with users that are there already, in the order of their numbers.
pub async fn run_as(plan: &Plan, tools: &Tools, users: Vec<UserId>) -> anyhow::Result<Summary> {
    plan.check()?;
    if tools.stop.is_cancelled() {
        return Ok(Summary::default());
    }
    anyhow::ensure!(
        users.len() == plan.users as usize,
        "the plan has {} users, not {}",
        plan.users,
        users.len()
    );
    let story = Story::new(plan)?;
    tools.meter.sending(expected(plan, &story));
    let run = Arc::new(Run {
        plan: plan.clone(),
        tools: Tools { client: tools.client.clone().with_retries(Retries::NONE), ..tools.clone() },
        users: users.into(),
        story,
        begun: Instant::now(),
        next: AtomicU64::new(0),
        gathering: tokio::sync::Mutex::new(None),
    });
    let sending_is_over = CancellationToken::new();
    let journeys = tokio::spawn(journeys::run(Arc::clone(&run), sending_is_over.clone()));
    let tally = send(&run).await;
    let took = run.begun.elapsed();
    sending_is_over.cancel();
    let journeys = journeys.await.context("the journeys panicked")?;
    let people = run.story.population().people().iter().map(|person| person.persona);
    let mut summary = Summary::of(tally?, people, took);
    summary.add_journeys(journeys);
    Ok(summary)
}

/// How many events it will be, where that is known beforehand.
fn expected(plan: &Plan, story: &Story) -> Option<u64> {
    match (plan.expected_events(), story.total()) {
        (Some(planned), Some(total)) => Some(planned.min(total)),
        (planned, total) => planned.or(total),
    }
}

/// Lets the senders share the events out among themselves.
async fn send(run: &Arc<Run>) -> anyhow::Result<Tally> {
    let mut senders = JoinSet::new();
    match run.plan.lines {
        None => (0..run.plan.concurrency).for_each(|_| {
            senders.spawn(sender::run(Arc::clone(run)));
        }),
        Some(lines) => (0..run.plan.concurrency.div_ceil(upload::CALLS)).for_each(|_| {
            senders.spawn(upload::run(Arc::clone(run), lines));
        }),
    }
    let mut sum = Tally::default();
    while let Some(tally) = senders.join_next().await {
        sum.add(&tally.context("a sender panicked")??);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests;
