//! How a simulation went.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::journeys::JourneySummary;
use crate::{CallError, Latencies, Percentiles, TransportError};

/// How a simulation went.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// Distinct events whose first attempt was made; the sum of the accepted, the refused and the unanswered.
    pub sent: u64,
    /// Those of them that are emotions; the others are transactions.
    pub emotions: u64,
    /// Events that got their 202.
    pub accepted: u64,
    /// Events that the platform refused for good, by status.
    pub refused: BTreeMap<u16, u64>,
    /// Events that got neither before the patience or the time was over. They may have arrived.
    pub unanswered: u64,
    /// Attempts that failed, by what came of them: a status, `unreachable`, `broken`, `deadline` or `unreadable`. One
    /// event may account for many.
    pub failed_attempts: BTreeMap<String, u64>,
    /// Answers that named another event id than the one that follows from the client's own: always a fault.
    pub wrong_ids: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Accepted events per second.
    pub rate: f64,
    /// From the first attempt to the 202, waits and later attempts included.
    pub latency: Option<Percentiles>,
    /// How far behind its due time an event began at worst, in milliseconds: high when the platform, or this machine,
    /// doesn't keep up with the rate.
    pub behind_ms: f64,
    /// The journeys.
    pub journeys: JourneySummary,
    #[serde(skip)]
    latencies: Latencies,
}

/// What one sender has to say.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) emotions: u64,
    pub(super) accepted: u64,
    pub(super) unanswered: u64,
    pub(super) wrong_ids: u64,
    pub(super) refused: BTreeMap<u16, u64>,
    pub(super) failed_attempts: BTreeMap<String, u64>,
    pub(super) behind: Duration,
    pub(super) latencies: Latencies,
}

impl Tally {
    /// Notes a failed attempt.
    pub(super) fn failed(&mut self, error: &CallError) {
        *self.failed_attempts.entry(label(error)).or_default() += 1;
    }
}

impl Summary {
    /// Adds what one sender has to say.
    pub(super) fn add(&mut self, tally: &Tally) {
        self.sent += tally.sent;
        self.emotions += tally.emotions;
        self.accepted += tally.accepted;
        self.unanswered += tally.unanswered;
        self.wrong_ids += tally.wrong_ids;
        for (status, count) in &tally.refused {
            *self.refused.entry(*status).or_default() += count;
        }
        for (label, count) in &tally.failed_attempts {
            *self.failed_attempts.entry(label.clone()).or_default() += count;
        }
        self.behind_ms = self.behind_ms.max(tally.behind.as_secs_f64() * 1000.0);
        self.latencies.merge(&tally.latencies);
    }

    /// Works out what follows from the counts once all senders are done.
    #[expect(clippy::cast_precision_loss, reason = "a rate is for reading")]
    pub(super) fn complete(&mut self, took: Duration) {
        self.seconds = took.as_secs_f64();
        self.rate = if took.is_zero() { 0.0 } else { self.accepted as f64 / self.seconds };
        self.latency = (self.latencies.count() > 0).then(|| self.latencies.percentiles());
    }
}

/// A word for a failed attempt.
pub(super) fn label(error: &CallError) -> String {
    match error {
        CallError::Refused { status, .. } | CallError::Unavailable { status, .. } => status.to_string(),
        CallError::Transport(TransportError::Unreachable) => "unreachable".to_owned(),
        CallError::Transport(TransportError::Broken) => "broken".to_owned(),
        CallError::Transport(TransportError::Deadline(_)) => "deadline".to_owned(),
        CallError::Transport(TransportError::Unreadable(_)) => "unreadable".to_owned(),
    }
}
