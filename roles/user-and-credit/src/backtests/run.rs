//! One backtest from its first decision to its last, a small page at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ecs_domain::attributes::Attributes;
use ecs_domain::backtest::{Backtest, Flip, Skip};
use ecs_domain::clock::later;
use ecs_domain::policy::Policy;
use ecs_domain::{Clock, UserId};
use ecs_metrics::Metrics;
use ecs_store::decision_log::{Left, LoggedDecision};
use ecs_store::{BacktestHold, Progress, Store, StoreError};
use tokio::time::Instant;

use super::report::BacktestReport;

/// How many decisions are read at once: few, for who applies meanwhile comes first.
const PAGE: usize = 200;
/// The longest rest behind a page.
const MOST_REST: Duration = Duration::from_secs(1);
/// How long an attempt that says nothing is believed to be alive.
pub(super) const LEASE: Duration = Duration::from_secs(60);

/// Why an attempt ended without a report.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    /// It is somebody else's by now.
    #[error("the backtest isn't this attempt's any more")]
    Lost,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the report can't be written: {0}")]
    Report(#[from] serde_json::Error),
}

/// Asks the policy of every decision that is wanted, and tells the report as JSON.
pub(super) async fn run(
    store: &dyn Store,
    clock: &dyn Clock,
    metrics: &Metrics,
    policy: Arc<Policy>,
    hold: &BacktestHold,
) -> Result<String, Stop> {
    let mut progress = Progress { done: 0, total: store.count_decisions(&hold.wanted()).await? };
    let (mut backtest, mut after) = (Backtest::new(policy, hold.loss_given_default, true), 0);
    loop {
        let begun = Instant::now();
        let page = store.backtest_page(hold, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.number;
        let told = told_by(store, &page).await?;
        let flips = ask_again(&mut backtest, &page, &told);
        progress.done += page.len() as u64;
        metrics.backtest_asked(page.len());
        let until = later(clock.now(), LEASE);
        if !store.advance_backtest(hold, progress, flips, until).await? {
            return Err(Stop::Lost);
        }
        // Half of the time the store is everybody else's.
        tokio::time::sleep(begun.elapsed().min(MOST_REST)).await;
    }
    Ok(serde_json::to_string(&BacktestReport::of(&backtest.report())?)?)
}

/// What those people told of themselves whom these decisions are about.
pub async fn told_by(
    store: &dyn Store,
    page: &[LoggedDecision],
) -> Result<HashMap<UserId, Attributes>, StoreError> {
    let mut people: Vec<UserId> = page.iter().map(|logged| logged.user).collect();
    people.sort_unstable();
    people.dedup();
    Ok(store.attributes_of(&people).await?.into_iter().collect())
}

/// Asks the draft of these decisions. Returns those that flip.
pub fn ask_again(
    backtest: &mut Backtest,
    page: &[LoggedDecision],
    told: &HashMap<UserId, Attributes>,
) -> Vec<Flip> {
    let mut ask = |logged: &LoggedDecision| {
        let why = match &logged.left {
            Left::Whole(decision) => {
                return backtest.take(decision, told.get(&logged.user).copied().unwrap_or_default());
            }
            Left::Aged => Skip::Aged,
            Left::Erased => Skip::Erased,
            Left::Gone => Skip::Gone,
            Left::Unreadable => Skip::Unreadable,
        };
        backtest.skip(why);
        None
    };
    page.iter().filter_map(&mut ask).collect()
}
