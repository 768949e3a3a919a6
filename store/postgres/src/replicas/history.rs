//! Where the primary was when: how far behind a replica is, told without comparing two servers' clocks.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Lsn;

/// How long a place is remembered. A replica that is further behind is as good as gone.
const KEPT: Duration = Duration::from_secs(120);

/// Places of the primary, each with a time at which it was no further than that.
#[derive(Default)]
pub(super) struct History {
    seen: VecDeque<(Instant, Lsn)>,
}

impl History {
    /// Notes that the primary was asked at `asked`, and was at `lsn` then or a moment later.
    pub(super) fn note(&mut self, asked: Instant, lsn: Lsn) {
        self.seen.push_back((asked, lsn));
        while self.seen.front().is_some_and(|(at, _)| asked.duration_since(*at) > KEPT) {
            self.seen.pop_front();
        }
    }

    /// How old what a replica shows may be at most, when it has replayed up to `replayed`; `None` when that is further back
    /// than is remembered. Zero for a moment that is still to come: while the primary rests, nothing gets old.
    pub(super) fn age(&self, replayed: Lsn, now: Instant) -> Option<Duration> {
        // Whatever was committed before the primary was asked is in there.
        let caught_up = self.seen.iter().rev().find(|(_, lsn)| *lsn <= replayed)?;
        Some(now.saturating_duration_since(caught_up.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(offset: u64) -> Lsn {
        Lsn { timeline: 1, offset }
    }

    #[test]
    fn the_age_counts_from_the_last_moment_that_is_covered() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut history = History::default();
        for (asked, lsn) in [(0, 100), (500, 200), (1_000, 200), (1_500, 300)] {
            history.note(at(asked), place(lsn));
        }
        let check = |replayed, expect: Option<u64>| {
            assert_eq!(
                history.age(place(replayed), at(1_600)),
                expect.map(Duration::from_millis),
                "{replayed}"
            );
        };
        check(300, Some(100));
        check(999, Some(100));
        check(299, Some(600));
        check(200, Some(600));
        check(150, Some(1_600));
        check(99, None);
    }

    #[test]
    fn old_places_are_forgotten() {
        let start = Instant::now();
        let mut history = History::default();
        for second in 0..1_000 {
            history.note(start + Duration::from_secs(second), place(second));
        }
        assert_eq!(history.seen.len(), 121);
    }
}
