//! What a process knows of one key: a copy of its bucket, a lease, and what Redis hasn't been told yet. No I/O and no clock.

use ecs_limits::{Bucket, Debt, Decision, Quota};

/// How long cells on lease can be spent, in nanoseconds: a second.
const LEASED_FOR: u64 = 1_000_000_000;
/// How many intervals a bucket may owe beyond twice its burst; Redis caps it alike.
const CAP_CELLS: u64 = 64;

/// How many cells a process leases at a time: at most an eighth of the burst, and what a second brings.
#[must_use]
pub fn lease(quota: &Quota) -> u32 {
    let in_a_second = u32::try_from(LEASED_FOR / quota.interval()).unwrap_or(u32::MAX);
    (quota.burst() / 8).min(in_a_second)
}

/// How many cells a process lets in before Redis was told of them.
#[must_use]
pub fn credit(quota: &Quota) -> u32 {
    (quota.burst() / 4).max(1)
}

/// One key's account.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Account {
    /// Redis' bucket as it was last told, with what was let in since; while Redis is away, that of this process's share.
    bucket: Bucket,
    leased: u32,
    lease_ends: u64,
    /// Let in and not told, less what was given back.
    untold: i64,
    /// Told, and not answered. Redis may or may not have heard of it.
    told: i64,
    under_way: bool,
    /// Of how many processes the bucket is a share; 0 where it is a copy.
    shares: u32,
}

/// How a process stands to Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Redis answers.
    Together,
    /// It doesn't; there are so many processes.
    Alone(u32),
}

impl Account {
    /// Takes cells, if they may be had. The other value says whether Redis is to be told something.
    pub(crate) fn check(&mut self, quota: &Quota, cells: u32, now: u64, mode: Mode) -> (Decision, bool) {
        match mode {
            Mode::Together => self.check_together(quota, cells, now),
            Mode::Alone(processes) => (self.check_alone(quota, cells, now, processes), false),
        }
    }

    fn check_together(&mut self, quota: &Quota, cells: u32, now: u64) -> (Decision, bool) {
        if self.shares > 0 {
            self.rejoin(quota, now);
        }
        self.bucket.cap(now, cap(quota));
        if now >= self.lease_ends {
            self.leased = 0;
        }
        if self.leased >= cells {
            self.leased -= cells;
            let decision = self.bucket.decision(quota, now, true, 0);
            let remaining = decision.remaining.saturating_add(self.leased).min(quota.burst());
            return (Decision { remaining, ..decision }, self.leased < lease(quota).div_ceil(2));
        }
        let on_credit = self.untold.max(0) + self.told.max(0) + i64::from(cells);
        if on_credit > i64::from(credit(quota).max(cells)) {
            // Redis is about to answer; who comes back in a moment finds out how it is.
            let retry_after = self.bucket.missing(now).saturating_sub(quota.tolerance()).max(1_000_000_000);
            return (self.bucket.decision(quota, now, false, retry_after), true);
        }
        let decision = self.bucket.take(quota, cells, now);
        if decision.allowed {
            self.untold += i64::from(cells);
        }
        (decision, decision.allowed)
    }

    /// By this process's share, which is never more than what others leave.
    fn check_alone(&mut self, quota: &Quota, cells: u32, now: u64, processes: u32) -> Decision {
        let share = quota.share(processes);
        self.shares = processes.max(1);
        self.leased = 0;
        self.bucket.cap(now, share.tolerance());
        let decision = self.bucket.take(&share, cells, now);
        if decision.allowed {
            self.untold += i64::from(cells);
        }
        Decision { limit: quota.burst(), ..decision }
    }

    /// Of what was let in alone, only what hasn't come back since is charged, at the price of the whole quota.
    fn rejoin(&mut self, quota: &Quota, now: u64) {
        let owed = self.bucket.missing(now).div_ceil(quota.share(self.shares).interval());
        self.untold = self.untold.min(i64::try_from(owed).unwrap_or(i64::MAX));
        self.shares = 0;
    }

    /// Puts cells back: into the lease where there is one, else what Redis is told becomes less. Whether it is to be told.
    pub(crate) fn give_back(&mut self, quota: &Quota, cells: u32, now: u64) -> bool {
        if self.shares == 0 && now < self.lease_ends && self.leased > 0 {
            self.leased = self.leased.saturating_add(cells).min(lease(quota));
            return false;
        }
        self.bucket.give_back(quota, cells);
        self.untold -= i64::from(cells);
        self.shares == 0
    }

    /// What Redis is to be told now: the charge and the wanted lease. `None` while an answer is under way.
    pub(crate) fn tell(&mut self, quota: &Quota, now: u64) -> Option<(i64, u32)> {
        if now >= self.lease_ends {
            self.leased = 0;
        }
        let want = lease(quota).saturating_sub(self.leased);
        if self.under_way || self.shares > 0 || (self.untold == 0 && want == 0) {
            return None;
        }
        self.under_way = true;
        self.told = std::mem::take(&mut self.untold);
        Some((self.told, want))
    }

    /// Redis has answered what was told at `now`. What was let in meanwhile is not in its bucket yet.
    pub(crate) fn settled(&mut self, quota: &Quota, granted: u32, missing: u64, now: u64) -> bool {
        let meanwhile = u64::try_from(self.untold).unwrap_or(0).saturating_mul(quota.interval());
        self.bucket = Bucket::full_at(now.saturating_add(missing).saturating_add(meanwhile));
        self.told = 0;
        self.under_way = false;
        self.shares = 0;
        self.leased = self.leased.saturating_add(granted);
        self.lease_ends = now.saturating_add(LEASED_FOR);
        self.untold != 0
    }

    /// It hasn't. What was told is told again: should it have been heard, the key gets less, and never more.
    pub(crate) fn unanswered(&mut self) {
        self.untold += std::mem::take(&mut self.told);
        self.under_way = false;
    }
}

fn cap(quota: &Quota) -> u64 {
    let cells = quota.interval().saturating_mul(CAP_CELLS);
    quota.tolerance().saturating_mul(2).saturating_add(cells)
}

impl Debt for Account {
    /// An account that waits for an answer, or holds a lease, is worth keeping a moment longer.
    fn until(&self) -> u64 {
        self.bucket.until().max(self.lease_ends)
    }

    fn inherited(until: u64) -> Self {
        Self { bucket: Bucket::full_at(until), ..Self::default() }
    }
}
