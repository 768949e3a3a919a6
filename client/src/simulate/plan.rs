//! What a simulation does.

use std::time::Duration;

use anyhow::ensure;
use uuid::Uuid;

use super::population::{Mix, Window};

/// The most lines that one upload may have: the platform lists no more rejected lines than that.
const MOST_LINES: usize = 10_000;

/// A simulation.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Tells one story from another.
    pub seed: u64,
    /// How many users take part.
    pub users: u32,
    /// Who they are.
    pub mix: Mix,
    /// When their events happen.
    pub when: When,
    /// Events per second; `None` for as many as the platform takes.
    pub rate: Option<f64>,
    /// When to end.
    pub until: Until,
    /// The share of a live run's events that are transactions, 0 to 1; `None` for what the personas do by themselves.
    pub transaction_share: Option<f64>,
    /// How often a user applies for credit; `None` for never. An approved one accepts and waits for the notification.
    pub journey_every: Option<Duration>,
    /// How many emotions go together in one upload of NDJSON; `None` for one request each.
    pub lines: Option<usize>,
    /// The most calls in flight.
    pub concurrency: usize,
    /// How long one event is tried again while the platform is away.
    pub patience: Duration,
    /// Tells the events of one run from those of another; part of every client id.
    pub run: String,
}

/// When the events of a simulation happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// While it runs.
    Now,
    /// On days of the past, whose events are sent as fast as the rate or the platform allows.
    Then(Window),
}

/// When a simulation ends, unless its story ends before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// After this long.
    Elapsed(Duration),
    /// After this many events.
    Sent(u64),
    /// When it is stopped.
    Stopped,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 1,
            users: 100,
            mix: Mix::default(),
            when: When::Now,
            rate: Some(100.0),
            until: Until::Elapsed(Duration::from_secs(60)),
            transaction_share: None,
            journey_every: None,
            lines: None,
            concurrency: 256,
            patience: Duration::from_secs(30),
            run: Self::new_run(),
        }
    }
}

impl Plan {
    /// A name that no other run has.
    #[must_use]
    pub fn new_run() -> String {
        Uuid::now_v7().simple().to_string()
    }

    /// Under which external id user `number` is provisioned.
    #[must_use]
    pub fn external_id(&self, number: u32) -> String {
        format!("sim-{}-{number}", self.seed)
    }

    /// The sender's id of event `number` of a live run.
    #[must_use]
    pub fn client_id(&self, number: u64) -> String {
        format!("sim-{}-{number}", self.run)
    }

    /// How long after the start event `number` is due.
    #[must_use]
    pub fn due(&self, number: u64) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "2^53 events are more than anybody simulates")]
        self.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(number as f64 / rate))
    }

    /// Whether event `number` belongs to the plan, given that it is due, or its turn comes, `at` after the start.
    #[must_use]
    pub fn includes(&self, number: u64, at: Duration) -> bool {
        match self.until {
            Until::Elapsed(end) => at < end,
            Until::Sent(count) => number < count,
            Until::Stopped => true,
        }
    }

    /// How many events it will be, where that is known beforehand.
    #[must_use]
    pub fn expected_events(&self) -> Option<u64> {
        match (self.until, self.rate) {
            (Until::Sent(count), _) => Some(count),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is positive")]
            (Until::Elapsed(end), Some(rate)) => Some((end.as_secs_f64() * rate).round() as u64),
            (Until::Elapsed(_), None) | (Until::Stopped, _) => None,
        }
    }

    /// Says what makes no sense about it.
    pub fn check(&self) -> anyhow::Result<()> {
        let rate_is_fine =
            self.rate.is_none_or(|rate| rate.is_finite() && (0.001..=1_000_000.0).contains(&rate));
        ensure!(rate_is_fine, "the rate must be between 0.001 and 1,000,000 events/s");
        ensure!(
            self.transaction_share.is_none_or(|share| (0.0..=1.0).contains(&share)),
            "the share of transactions must be between 0 and 1"
        );
        ensure!(
            self.lines.is_none_or(|lines| (1..=MOST_LINES).contains(&lines)),
            "an upload may have 1 to {MOST_LINES} lines"
        );
        ensure!(self.users > 0, "a simulation needs users");
        ensure!(self.concurrency > 0, "a simulation needs at least one call in flight");
        ensure!((1..=64).contains(&self.run.len()), "the run's name must have 1 to 64 characters");
        Ok(())
    }
}
