//! What a limiter answers.

use std::time::Duration;

/// Whether the cells were taken, and how the key stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether they were.
    pub allowed: bool,
    /// The most that can be taken at once: the quota's burst.
    pub limit: u32,
    /// How many could be taken now.
    pub remaining: u32,
    /// When the whole burst is there again, unless more is taken.
    pub reset: Duration,
    /// When the refused cells will fit; zero when they were taken.
    pub retry_after: Duration,
}
