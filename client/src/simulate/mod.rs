//! A crowd of simulated customers. It is a client over HTTP like any phone: it provisions its users, sends their
//! emotions and transactions at a chosen rate, lets some of them apply for credit, and says how it went.
//!
//! - **The same seed, the same story.** Event number `n` of a seed always has the same user and the same content; only
//!   its time and its id belong to the run. Users are provisioned as `sim-{seed}-{n}`, so a rerun meets them again.
//! - **Open loop.** Event `n` is due `n / rate` seconds after the start, whether or not earlier ones are answered. Only
//!   when `concurrency` calls are in flight does the next one wait; how far behind the crowd ever was is reported.
//! - **An unanswered event is never taken for an accepted one.** When the platform goes away, each sender tries its
//!   event again under the same id until the patience is over.

mod generator;
mod journeys;
mod plan;
mod sender;
mod summary;

use std::sync::Arc;

use anyhow::Context;
use ecs_domain::{Clock, UserId};
use futures::{StreamExt, TryStreamExt};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use generator::{Content, Generator};
pub use journeys::JourneySummary;
pub use plan::{Plan, Until};
pub use summary::Summary;

use crate::{Client, Journal, Progress, Retries};
use sender::{Counters, Run};

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
    /// Who wants to know how far it is.
    pub progress: Arc<dyn Progress>,
    /// Ends the simulation early: nothing new is begun, and calls in flight are not tried again.
    pub stop: CancellationToken,
}

/// Provisions the plan's users, or finds them again, in the order of their numbers.
pub async fn provision(plan: &Plan, tools: &Tools) -> anyhow::Result<Vec<UserId>> {
    tools.progress.expect("provisioning".into(), Some(u64::from(plan.users)));
    let client = tools.client.clone().with_retries(Retries::for_as_long_as(plan.patience));
    let users = futures::stream::iter(0..plan.users)
        .map(|number| {
            let external_id = plan.external_id(number);
            let client = &client;
            async move {
                let provisioned = client.provision(Some(&external_id), None).await;
                tools.progress.advance(1);
                provisioned.map(|provisioned| provisioned.user)
            }
        })
        .buffered(PROVISIONED_AT_ONCE)
        .try_collect()
        .await;
    tools.progress.finish();
    users.context("can't provision the simulated users")
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
    anyhow::ensure!(!users.is_empty(), "a simulation needs users");
    tools.progress.expect("simulating".into(), plan.expected_events());
    let users: Arc<[UserId]> = users.into();
    let run = Arc::new(Run {
        plan: plan.clone(),
        tools: Tools { client: tools.client.clone().with_retries(Retries::NONE), ..tools.clone() },
        users: Arc::clone(&users),
        generator: Generator::new(plan.seed, plan.transaction_share),
        begun: Instant::now(),
        counters: Counters::default(),
    });
    let sending_is_over = CancellationToken::new();
    let journeys = tokio::spawn(journeys::run(Arc::clone(&run), sending_is_over.clone()));
    let mut senders = JoinSet::new();
    for _ in 0..plan.concurrency {
        senders.spawn(sender::run(Arc::clone(&run)));
    }
    let mut summary = Summary::default();
    while let Some(tally) = senders.join_next().await {
        summary.add(&tally.context("a sender panicked")??);
    }
    summary.complete(run.begun.elapsed());
    sending_is_over.cancel();
    summary.journeys = journeys.await.context("the journeys panicked")?;
    tools.progress.finish();
    Ok(summary)
}

#[cfg(test)]
mod tests;
