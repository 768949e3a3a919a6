//! What a process knows of one key: a copy of its bucket, a lease, and what Redis hasn't been told yet. No I/O and no clock.

use ecs_limits::{Bucket, Debt, Decision, Quota};

/// How long cells on lease can be spent, in nanoseconds: a second.
const LEASED_FOR: u64 = 1_000_000_000;
/// How many bursts and cells a bucket may miss before it is taken for that of a clock that was put back. Redis caps it alike. The credits of
/// sixty processes fit in.
const CAP_BURSTS: u64 = 16;
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
        let price = if self.shares == 0 { *quota } else { quota.share(self.shares) };
        self.bucket.give_back(&price, cells);
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
    quota.tolerance().saturating_mul(CAP_BURSTS).saturating_add(cells)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// Redis as its script has it, in nanoseconds.
    #[derive(Default)]
    struct Server {
        full_at: u64,
    }

    impl Server {
        fn settle(&mut self, quota: &Quota, charge: i64, want: u32, now: u64) -> (u32, u64) {
            let missing = i128::from(self.full_at.saturating_sub(now).min(cap(quota)));
            let charged = missing + i128::from(charge) * i128::from(quota.interval());
            let missing = u64::try_from(charged.max(0)).unwrap();
            let room = quota.tolerance().saturating_sub(missing) / quota.interval();
            let granted = want.min(u32::try_from(room).unwrap());
            let missing = missing + u64::from(granted) * quota.interval();
            self.full_at = now + missing;
            (granted, missing)
        }
    }

    /// A message on its way to the server, and its answer on the way back.
    #[derive(Clone, Copy)]
    enum Way {
        There { charge: i64, want: u32, said: u64 },
        Back { granted: u32, missing: u64, said: u64 },
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// A process is asked for a cell.
        Ask(usize),
        /// A message of a process goes on by one station.
        Move(usize),
        /// It is lost, wherever it is, and the process hears that.
        Lose(usize),
        /// So many twentieths of a cell's time pass.
        Pass(u64),
    }

    const PROCESSES: usize = 3;

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            12 => (0..PROCESSES).prop_map(Step::Ask),
            6 => (0..PROCESSES).prop_map(Step::Move),
            1 => (0..PROCESSES).prop_map(Step::Lose),
            3 => (0..60_u64).prop_map(Step::Pass),
        ];
        prop::collection::vec(step, 1..400)
    }

    /// Three processes and what is on its way.
    #[derive(Default)]
    struct Scene {
        server: Server,
        accounts: [Account; PROCESSES],
        ways: [Option<Way>; PROCESSES],
        now: u64,
        given: Vec<u64>,
    }

    impl Scene {
        fn step(&mut self, quota: &Quota, step: &Step) {
            match *step {
                Step::Ask(who) => {
                    let (decision, tell) = self.accounts[who].check(quota, 1, self.now, Mode::Together);
                    self.given.extend(decision.allowed.then_some(self.now));
                    if tell {
                        self.tell(quota, who);
                    }
                }
                Step::Move(who) => match self.ways[who].take() {
                    Some(Way::There { charge, want, said }) => {
                        let (granted, missing) = self.server.settle(quota, charge, want, self.now);
                        self.ways[who] = Some(Way::Back { granted, missing, said });
                    }
                    Some(Way::Back { granted, missing, said }) => {
                        let more = self.accounts[who].settled(quota, granted, missing, said);
                        if more {
                            self.tell(quota, who);
                        }
                    }
                    None => {}
                },
                Step::Lose(who) => {
                    if self.ways[who].take().is_some() {
                        self.accounts[who].unanswered();
                    }
                }
                Step::Pass(twentieths) => self.now += quota.interval() * twentieths / 20,
            }
        }

        fn tell(&mut self, quota: &Quota, who: usize) {
            if let Some((charge, want)) = self.accounts[who].tell(quota, self.now) {
                self.ways[who] = Some(Way::There { charge, want, said: self.now });
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        /// Whatever is asked when, and whatever is lost or late.
        #[test]
        fn no_order_of_things_gives_more_than_the_bound(
            requests in 1..200_u32, burst in 1..64_u32, steps in steps(),
        ) {
            let quota = Quota::new(requests, Duration::from_secs(1), burst).unwrap();
            let mut scene = Scene { now: 1_000_000_000_000, ..Scene::default() };
            for step in &steps {
                scene.step(&quota, step);
            }
            let slack = u64::try_from(PROCESSES).unwrap() * u64::from(2 * lease(&quota) + credit(&quota));
            for (at, from) in scene.given.iter().enumerate() {
                for (further, to) in scene.given[at..].iter().enumerate() {
                    let most = u64::from(burst) + slack + (to - from) / quota.interval() + 1;
                    prop_assert!(u64::try_from(further).unwrap() < most, "{further} in {:?}", to - from);
                }
            }
        }
    }

    #[test]
    fn alone_a_cell_that_is_given_back_is_there_again() {
        let quota = Quota::new(1, Duration::from_secs(60), 9).unwrap();
        let mut account = Account::default();
        for _ in 0..100 {
            assert!(account.check(&quota, 1, 1_000, Mode::Alone(3)).0.allowed);
            account.give_back(&quota, 1, 1_000);
        }
        let given = (0..9).filter(|_| account.check(&quota, 1, 1_000, Mode::Alone(3)).0.allowed).count();
        assert_eq!(given, 3, "its share");
    }
}
