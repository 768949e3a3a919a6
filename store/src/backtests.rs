//! Backtests of policies: who asked for one, how far it came, what it told, and which decisions flip.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use ecs_domain::backtest::{Direction, Flip, LossGivenDefault};
use ecs_domain::{BacktestId, DecisionId, Timestamp, UserId};
use serde_json::{Value, json};

use crate::audit::{Act, NewEntry};
use crate::decision_log::{LoggedDecision, WantedDecisions};
use crate::{Progress, StoreError};

/// Backtests, and the decisions that flip in them.
///
/// **One worker at a time has a backtest in hand.** A claim lasts until its lease ends, which [`Backtests::advance_backtest`] puts off;
/// whoever holds one writes under the number of the attempt, and an engine MUST refuse whatever comes under any other number, for that
/// attempt was taken for dead and another was begun. A claim begins from the beginning: what an earlier attempt wrote is gone.
///
/// **Nothing is kept of whoever was erased**: an engine MUST leave flips out whose person has no account any more.
#[async_trait]
pub trait Backtests: Send + Sync + 'static {
    /// Asks for a backtest, with an entry in the audit log. `None`, and nothing is written, while `most` are under way.
    async fn request_backtest(
        &self,
        request: NewBacktest,
        most: usize,
    ) -> Result<Option<BacktestRow>, StoreError>;

    /// One backtest.
    async fn backtest(&self, id: BacktestId) -> Result<Option<BacktestRow>, StoreError>;

    /// Backtests of the policy with this digest, the newest first, at most `most`, without their reports.
    async fn backtests_of(&self, digest: &str, most: usize) -> Result<Vec<BacktestRow>, StoreError>;

    /// Begins an attempt at the backtest that is due the longest: one that nobody has begun, or whose worker's lease has ended. Several
    /// claimers MUST never begin the same attempt.
    async fn claim_backtest(
        &self,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Option<BacktestHold>, StoreError>;

    /// Decisions that an attempt is about, in the order of their entries, with numbers above `after`, at most `most`. An attempt begins
    /// with `after` 0. Further pages may come from a copy that is a little old, which MUST hold what the first page was read from: what
    /// was made while the attempt runs may be missing, and nothing from before it.
    async fn backtest_page(
        &self,
        hold: &BacktestHold,
        after: u64,
        most: usize,
    ) -> Result<Vec<LoggedDecision>, StoreError>;

    /// Notes how far an attempt came and what flips in that part, and holds it until `until`. Returns whether it still was the one; else
    /// nothing is kept.
    async fn advance_backtest(
        &self,
        hold: &BacktestHold,
        progress: Progress,
        flips: Vec<Flip>,
        until: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Ends an attempt. Returns whether it still was the one.
    async fn end_backtest(&self, hold: &BacktestHold, end: BacktestEnd) -> Result<bool, StoreError>;

    /// Decisions that flip this way, in the order of their ids, behind `after`: at most `most`.
    async fn backtest_flips(
        &self,
        id: BacktestId,
        direction: Direction,
        after: Option<DecisionId>,
        most: usize,
    ) -> Result<Vec<DecisionId>, StoreError>;

    /// How many decisions were made that are wanted. It may be a little old.
    async fn count_decisions(&self, wanted: &WantedDecisions) -> Result<u64, StoreError>;

    /// Removes backtests that came to an end and whose time has come, with their flips, at most `most`. Returns how many.
    async fn expire_backtests(&self, now: Timestamp, most: usize) -> Result<u64, StoreError>;
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBacktest {
    /// Its id, if it is made.
    pub id: BacktestId,
    /// The policy's version.
    pub version: String,
    /// SHA-256 of its text in hexadecimal.
    pub digest: String,
    /// Decisions made at this time or later.
    pub from: Timestamp,
    /// Decisions made before this time.
    pub until: Timestamp,
    /// What is taken to be lost when somebody doesn't pay.
    pub loss_given_default: LossGivenDefault,
    /// Who asks.
    pub actor: UserId,
    /// Now.
    pub now: Timestamp,
}

impl NewBacktest {
    /// What the audit log says of it.
    #[must_use]
    pub fn entry(&self) -> NewEntry {
        let after = json!({
            "backtest": self.id.to_string(),
            "digest": self.digest,
            "from": self.from,
            "until": self.until,
            "loss_given_default": self.loss_given_default.digits(),
        });
        let (subject, before) = (format!("policy {}", self.version), Value::Null);
        NewEntry { at: self.now, actor: self.actor, act: Act::PolicyBacktested, subject, before, after }
    }
}

/// Where a backtest stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BacktestState {
    /// It waits for a worker.
    Pending,
    /// A worker has it in hand.
    Running,
    /// Its report is there.
    Finished,
    /// It was given up.
    Failed,
}

impl BacktestState {
    /// Every state there is.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Running, Self::Finished, Self::Failed];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
        }
    }
}

impl FromStr for BacktestState {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.as_str() == name).ok_or(())
    }
}

/// A backtest as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BacktestRow {
    /// Its id.
    pub id: BacktestId,
    /// The policy's version.
    pub version: String,
    /// SHA-256 of its text in hexadecimal.
    pub digest: String,
    /// Decisions made at this time or later.
    pub from: Timestamp,
    /// Decisions made before this time.
    pub until: Timestamp,
    /// What is taken to be lost when somebody doesn't pay.
    pub loss_given_default: LossGivenDefault,
    /// Who asked.
    pub actor: UserId,
    /// When.
    pub requested_at: Timestamp,
    /// Where it stands.
    pub state: BacktestState,
    /// How many decisions were looked at, of how many.
    pub progress: Progress,
    /// When it came to an end.
    pub finished_at: Option<Timestamp>,
    /// When it is removed.
    pub expires_at: Option<Timestamp>,
    /// What it told, as JSON.
    pub report: Option<String>,
    /// Why it was given up: a word of the program.
    pub failure: Option<String>,
}

/// An attempt, for as long as its lease lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BacktestHold {
    /// At which backtest.
    pub id: BacktestId,
    /// Of the policy with this digest.
    pub digest: String,
    /// Of decisions made at this time or later.
    pub from: Timestamp,
    /// And before this time.
    pub until: Timestamp,
    /// What is taken to be lost when somebody doesn't pay.
    pub loss_given_default: LossGivenDefault,
    /// Its number, from 1.
    pub attempt: u32,
}

impl BacktestHold {
    /// Which decisions it is about.
    #[must_use]
    pub fn wanted(&self) -> WantedDecisions {
        WantedDecisions { from: Some(self.from), until: Some(self.until), user: None }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BacktestEnd {
    /// The report is there.
    Finished {
        /// What it tells, as JSON.
        report: String,
        /// When.
        at: Timestamp,
        /// When it is removed.
        expires_at: Timestamp,
    },
    /// There will be none.
    Failed {
        /// Why: a word of the program.
        failure: &'static str,
        /// When.
        at: Timestamp,
        /// When it is removed.
        expires_at: Timestamp,
    },
    /// Another attempt is to be made, from this time on.
    Again(Timestamp),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_as_they_are_written() {
        for state in BacktestState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert_eq!("done".parse::<BacktestState>(), Err(()));
    }
}
