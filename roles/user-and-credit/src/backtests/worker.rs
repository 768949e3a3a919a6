//! The worker: claims backtests, runs them one after the other, and notes what came of it.

use std::sync::Arc;
use std::time::Duration;

use ecs_domain::Clock;
use ecs_domain::clock::later;
use ecs_metrics::Metrics;
use ecs_store::{BacktestEnd, BacktestHold, Store, StoreError};
use ecs_work::policies::PoliciesError;
use ecs_work::{Policies, Wake, rounds};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::run::{self, LEASE, Stop};

/// How long a backtest is kept.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How many attempts are made at a backtest. More than that were cut off by something that will do so again.
const ATTEMPTS: u32 = 5;
/// How long an attempt waits that met an outage of the store.
const OUTAGE: Duration = Duration::from_secs(5);

/// Runs backtests.
pub(super) struct Tester {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) policies: Arc<Policies>,
    pub(super) metrics: Metrics,
    /// Is woken when somebody asked for a backtest here.
    pub(super) wake: Wake,
}

/// What an attempt came to.
enum Ran {
    Report(String),
    /// The policy isn't there, or can't be read by this version of the program.
    NoPolicy,
    Stopped(Stop),
}

impl Tester {
    /// Works until `token` is cancelled. What is under way then is given back, for whoever comes next.
    pub(super) async fn run(self, token: CancellationToken) {
        rounds("backtests wait", &self.wake, &token, || self.next(&token)).await;
    }

    /// Runs the one whose turn it is. Returns whether there was one.
    async fn next(&self, token: &CancellationToken) -> Result<bool, StoreError> {
        let claimed = self.store.claim_backtest(self.clock.now(), LEASE).await?;
        if let Some(hold) = &claimed {
            self.attempt(hold, token).await;
        }
        Ok(claimed.is_some())
    }

    async fn attempt(&self, hold: &BacktestHold, token: &CancellationToken) {
        let begun = Instant::now();
        self.metrics.backtest_begun();
        let end = match hold.attempt {
            0..=ATTEMPTS => tokio::select! {
                ran = self.ran(hold) => self.end_of(hold, ran),
                () = token.cancelled() => Some(BacktestEnd::Again(self.clock.now())),
            },
            _ => {
                tracing::error!(backtest_id = %hold.id, "a backtest was begun too often and is given up");
                Some(self.failed("interrupted"))
            }
        };
        let outcome = match end {
            Some(end) => self.note(hold, end).await,
            None => Some("lost"),
        };
        if let Some(outcome) = outcome {
            self.metrics.backtest_attempted(outcome, begun.elapsed());
        }
    }

    /// Notes how an attempt ended, and tells the word for it; `None` while nobody knows.
    async fn note(&self, hold: &BacktestHold, end: BacktestEnd) -> Option<&'static str> {
        let outcome = word(&end);
        match self.store.end_backtest(hold, end).await {
            Ok(true) => Some(outcome),
            Ok(false) => {
                tracing::info!(backtest_id = %hold.id, "a backtest was taken away before its end");
                Some("lost")
            }
            // It is begun again when the lease ends.
            Err(error) => {
                tracing::warn!(backtest_id = %hold.id, %error, "what became of a backtest can't be noted");
                None
            }
        }
    }

    async fn ran(&self, hold: &BacktestHold) -> Ran {
        let policy = match self.policies.find(&hold.digest).await {
            Ok(Some(found)) => found.policy,
            Ok(None) | Err(PoliciesError::Unreadable { .. }) => return Ran::NoPolicy,
            Err(PoliciesError::Store(error)) => return Ran::Stopped(Stop::Store(error)),
        };
        let ran = run::run(self.store.as_ref(), self.clock.as_ref(), &self.metrics, policy, hold).await;
        ran.map_or_else(Ran::Stopped, Ran::Report)
    }

    /// What is noted of an attempt; `None` when it is no longer this one's to tell.
    fn end_of(&self, hold: &BacktestHold, ran: Ran) -> Option<BacktestEnd> {
        let (backtest_id, at) = (hold.id, self.clock.now());
        match ran {
            Ran::Report(report) => {
                tracing::info!(%backtest_id, "a backtest is finished");
                Some(BacktestEnd::Finished { report, at, expires_at: later(at, KEPT) })
            }
            Ran::NoPolicy => {
                tracing::warn!(%backtest_id, "a backtest's policy can't be had");
                Some(self.failed("policy"))
            }
            Ran::Stopped(Stop::Lost) => {
                tracing::info!(%backtest_id, "a backtest was taken away while it ran");
                None
            }
            Ran::Stopped(Stop::Store(error)) if error.is_retryable() => {
                tracing::warn!(%backtest_id, %error, "a backtest waits for the store");
                Some(BacktestEnd::Again(later(at, OUTAGE)))
            }
            Ran::Stopped(error) => {
                tracing::error!(%backtest_id, %error, "a backtest can't be run");
                Some(self.failed("internal"))
            }
        }
    }

    fn failed(&self, failure: &'static str) -> BacktestEnd {
        let at = self.clock.now();
        BacktestEnd::Failed { failure, at, expires_at: later(at, KEPT) }
    }
}

/// A label of the metrics.
fn word(end: &BacktestEnd) -> &'static str {
    match end {
        BacktestEnd::Finished { .. } => "finished",
        BacktestEnd::Failed { .. } => "failed",
        BacktestEnd::Again(_) => "again",
    }
}
