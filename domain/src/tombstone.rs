//! What is left of somebody who was erased.

use crate::{Timestamp, UserId};

/// Tells that somebody was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tombstone {
    /// Counts from 1 in the order of the tombstones.
    pub number: u64,
    /// Who.
    pub user: UserId,
    /// When their key was destroyed, in whole microseconds.
    pub at: Timestamp,
}
