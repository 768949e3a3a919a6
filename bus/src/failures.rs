//! What an event has been through in one group, as transports over servers keep it.

use ecs_domain::Timestamp;

use crate::FailedAttempt;

/// The failures of one event in one group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures {
    /// How many.
    pub count: u32,
    /// Why, oldest first: the last [`Self::REASONS`] of them.
    pub history: Vec<FailedAttempt>,
}

impl Failures {
    /// The most failures that are remembered by their reasons; all are counted.
    pub const REASONS: usize = 64;
    /// The longest reason, in characters.
    pub const LONGEST_REASON: usize = 500;

    /// One more.
    pub fn add(&mut self, at: Timestamp, reason: &str) {
        self.count = self.count.saturating_add(1);
        if self.history.len() >= Self::REASONS {
            self.history.remove(0);
        }
        self.history.push(FailedAttempt { at, reason: reason.chars().take(Self::LONGEST_REASON).collect() });
    }
}
