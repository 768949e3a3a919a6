//! The arithmetic: one moment per key, in whole nanoseconds.

use std::time::Duration;

use ecs_domain::Timestamp;

use crate::table::Debt;
use crate::{Decision, Quota};

/// A moment as a number of nanoseconds since 1970; 0 before that.
#[must_use]
pub fn nanoseconds(moment: Timestamp) -> u64 {
    u64::try_from(moment.as_nanosecond()).unwrap_or(if moment.as_second() < 0 { 0 } else { u64::MAX })
}

/// A key's bucket: when it will be full again, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket {
    full_at: u64,
}

impl Bucket {
    /// One that will be full then.
    #[must_use]
    pub fn full_at(full_at: u64) -> Self {
        Self { full_at }
    }

    /// How long it takes from `now` on until it is full.
    #[must_use]
    pub fn missing(&self, now: u64) -> u64 {
        self.full_at.saturating_sub(now)
    }

    /// Lets it miss no more than so much at `now`. A clock that was put back would otherwise have to catch up first.
    pub fn cap(&mut self, now: u64, most: u64) {
        self.full_at = self.full_at.min(now.saturating_add(most));
    }

    /// Takes cells, if they fit.
    pub fn take(&mut self, quota: &Quota, cells: u32, now: u64) -> Decision {
        let needed = self.missing(now).saturating_add(cost(quota, cells));
        let allowed = cells == 0 || needed <= quota.tolerance();
        if allowed {
            self.full_at = now.saturating_add(needed);
        }
        let retry_after = if allowed { 0 } else { needed.saturating_sub(quota.tolerance()) };
        self.decision(quota, now, allowed, retry_after)
    }

    /// How it stands, with this answer to whoever asked.
    #[must_use]
    pub fn decision(&self, quota: &Quota, now: u64, allowed: bool, retry_after: u64) -> Decision {
        let missing = self.missing(now);
        let room = quota.tolerance().saturating_sub(missing) / quota.interval();
        Decision {
            allowed,
            limit: quota.burst(),
            remaining: u32::try_from(room).unwrap_or(u32::MAX),
            reset: Duration::from_nanos(missing),
            retry_after: Duration::from_nanos(retry_after),
        }
    }

    /// Puts cells back.
    pub fn give_back(&mut self, quota: &Quota, cells: u32) {
        self.full_at = self.full_at.saturating_sub(cost(quota, cells));
    }
}

fn cost(quota: &Quota, cells: u32) -> u64 {
    quota.interval().saturating_mul(u64::from(cells))
}

impl Debt for Bucket {
    fn until(&self) -> u64 {
        self.full_at
    }

    fn inherited(until: u64) -> Self {
        Self { full_at: until }
    }
}
