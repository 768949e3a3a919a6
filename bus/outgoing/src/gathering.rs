//! How long a group waits for company.
//!
//! Publishers that were answered together tend to come back together, and those who were queued meanwhile would leave without
//! them: two groups that take turns cost almost twice what one costs with everybody in it. But whoever publishes now and
//! then doesn't come back, and waiting for him is wasted. So a group waits as long as that has paid lately.

use std::time::Duration;

/// A group waits no longer than this part of what the last one took,
const SHARE: u32 = 2;
/// and never longer than this.
const LONGEST: Duration = Duration::from_millis(5);
/// The runtime's timer knows nothing shorter.
const SHORTEST: Duration = Duration::from_millis(1);
/// Waiting has paid when so many of a hundred came.
const ENOUGH: usize = 90;
/// After so many groups in a row that waited in vain, the next ones go at once,
const TRUST: u32 = 4;
/// and one of so many tries again.
const PROBE: u32 = 64;

/// What the groups before this one tell about the next.
#[derive(Debug)]
pub(crate) struct Gathering {
    /// How many requests the last group answered or left in the queue.
    known: usize,
    took: Duration,
    /// How often waiting may still fail.
    trust: u32,
    /// How many groups went without waiting since one tried.
    untried: u32,
}

impl Default for Gathering {
    fn default() -> Self {
        Self { known: 0, took: Duration::ZERO, trust: TRUST, untried: 0 }
    }
}

impl Gathering {
    /// For how many requests the next group should wait, and how long; `None` when it should go at once. A lone publisher
    /// never waits.
    pub(crate) fn next(&mut self) -> Option<(usize, Duration)> {
        let patience = (self.took / SHARE).min(LONGEST);
        if self.known <= 1 || patience < SHORTEST {
            return None;
        }
        if self.trust == 0 {
            self.untried += 1;
            if self.untried < PROBE {
                return None;
            }
            self.untried = 0;
        }
        Some((self.known, patience))
    }

    /// Learns how many were there when the wait for so many ended.
    pub(crate) fn found(&mut self, expected: usize, found: usize) {
        self.trust = if found * 100 >= expected * ENOUGH { TRUST } else { self.trust.saturating_sub(1) };
    }

    /// Learns what a group took that answered so many requests, while others came.
    pub(crate) fn ended(&mut self, answered: usize, waiting: usize, took: Duration) {
        self.known = answered + waiting;
        self.took = took;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: Duration = Duration::from_millis(8);

    /// How many of a thousand groups wait when the wait finds this part of those it is for.
    fn waits(percent: usize) -> usize {
        let mut gathering = Gathering::default();
        let round = |_: &i32| {
            gathering.ended(100, 100, GROUP);
            let next = gathering.next();
            if let Some((expected, _)) = next {
                gathering.found(expected, expected * percent / 100);
            }
            next.is_some()
        };
        (0..1_000).filter(round).count()
    }

    #[test]
    fn who_comes_back_is_waited_for_and_who_does_not_is_not() {
        assert_eq!(waits(100), 1_000);
        assert_eq!(waits(95), 1_000);
        assert!((10..30).contains(&waits(60)), "{}", waits(60));
    }

    #[test]
    fn one_try_that_pays_restores_trust() {
        let mut gathering = Gathering::default();
        gathering.ended(100, 100, GROUP);
        (0..TRUST).for_each(|_| gathering.found(200, 0));
        let tries = (0..PROBE).filter_map(|_| gathering.next()).count();
        assert_eq!(tries, 1);
        gathering.found(200, 200);
        assert_eq!(gathering.next(), Some((200, GROUP / SHARE)));
    }

    #[test]
    fn the_wait_is_bounded() {
        let check = |answered: usize, waiting: usize, took: u64, expect: Option<(usize, u64)>| {
            let mut gathering = Gathering::default();
            gathering.ended(answered, waiting, Duration::from_millis(took));
            let expect = expect.map(|(count, patience)| (count, Duration::from_millis(patience)));
            assert_eq!(gathering.next(), expect, "{answered} and {waiting} after {took} ms");
        };
        check(1, 0, 50, None);
        check(2, 0, 50, Some((2, 5)));
        check(1, 1, 50, Some((2, 5)));
        check(100, 20, 4, Some((120, 2)));
        check(100, 20, 1, None);
        assert_eq!(Gathering::default().next(), None);
    }
}
