//! What of a partition is settled. Kafka keeps one number per group and partition: everything before it is done. What is done
//! behind the first thing that isn't goes into the text that Kafka keeps beside the number.

use std::collections::BTreeSet;
use std::ops::Range;

/// What the text begins with.
const MARK: &str = "ecs1:";
/// The longest text. Kafka takes 4,096 bytes unless told otherwise.
const LONGEST: usize = 4_000;

/// How far a group has come in one partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    /// Everything before this is settled.
    pub(crate) next: i64,
    /// And this, behind it: ranges that rise and don't touch.
    pub(crate) above: Vec<Range<i64>>,
}

impl Progress {
    /// From what Kafka keeps. A text that isn't ours says nothing.
    pub(crate) fn parse(next: i64, text: &str) -> Self {
        let mut above = Vec::new();
        let mut at = next;
        let mut numbers = text.strip_prefix(MARK).unwrap_or_default().split(',').map(str::parse::<i64>);
        while let (Some(Ok(open)), Some(Ok(done))) = (numbers.next(), numbers.next()) {
            if open < 1 || done < 1 || i64::MAX - at < open.saturating_add(done) {
                break;
            }
            above.push(at + open..at + open + done);
            at += open + done;
        }
        Self { next, above }
    }

    /// The text for Kafka: how many are open, how many are done, and so on. What doesn't fit is left out, and is delivered again
    /// if another process takes the partition over.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut at = self.next;
        for range in &self.above {
            let pair = format!("{},{}", range.start - at, range.end - range.start);
            if text.len() + pair.len() + 1 > LONGEST {
                break;
            }
            text.push_str(if text.is_empty() { MARK } else { "," });
            text.push_str(&pair);
            at = range.end;
        }
        text
    }

    /// How many places of `log` are not settled.
    pub(crate) fn open(&self, log: &Range<i64>) -> u64 {
        let first = self.next.max(log.start);
        let length = |range: Range<i64>| u64::try_from(range.end - range.start).unwrap_or_default();
        let within = |range: &Range<i64>| range.start.max(first)..range.end.min(log.end).max(first);
        let done: u64 = self.above.iter().map(|range| length(within(range))).sum();
        length(first..log.end.max(first)).saturating_sub(done)
    }

    /// The first place of `log` that is not settled.
    pub(crate) fn first_open(&self, log: &Range<i64>) -> Option<i64> {
        let mut first = self.next.max(log.start);
        for range in &self.above {
            if range.contains(&first) {
                first = range.end;
            }
        }
        (first < log.end).then_some(first)
    }

    /// Whether a place is settled.
    pub(crate) fn covers(&self, offset: i64) -> bool {
        offset < self.next || self.above.iter().any(|range| range.contains(&offset))
    }
}

/// One partition in the hands of this process.
#[derive(Debug, Default)]
pub(crate) struct Track {
    /// Fetched and not settled.
    open: BTreeSet<i64>,
    /// Everything before this was fetched, or isn't there. `None` while that isn't known.
    through: Option<i64>,
    /// Settled before the partition came to us, and not fetched yet.
    done: Vec<Range<i64>>,
}

impl Track {
    /// A partition that comes to us; `None` when nobody has settled anything in it.
    pub(crate) fn new(progress: Option<Progress>) -> Self {
        match progress {
            Some(Progress { next, above }) => {
                Self { open: BTreeSet::new(), through: Some(next), done: above }
            }
            None => Self::default(),
        }
    }

    /// Notes what was fetched. False when it is settled already.
    pub(crate) fn arrive(&mut self, offset: i64) -> bool {
        if self.through.is_some_and(|through| offset < through) {
            return false;
        }
        self.through = Some(offset + 1);
        let is_done = self.done.iter().any(|range| range.contains(&offset));
        self.done.retain(|range| range.end > offset + 1);
        if !is_done {
            self.open.insert(offset);
        }
        !is_done
    }

    /// Notes what is settled.
    pub(crate) fn settle(&mut self, offset: i64) {
        self.open.remove(&offset);
    }

    /// How far it has come; `None` while that isn't known.
    pub(crate) fn progress(&self) -> Option<Progress> {
        let through = self.through?;
        let mut above: Vec<Range<i64>> = Vec::new();
        let mut at = None;
        for offset in &self.open {
            if let Some(at) = at.filter(|at| at < offset) {
                above.push(at..*offset);
            }
            at = Some(offset + 1);
        }
        let next = self.open.first().copied();
        if let Some(at) = at.filter(|at| *at < through) {
            above.push(at..through);
        }
        let mut progress = Progress { next: next.unwrap_or(through), above };
        for range in &self.done {
            progress.add(range.start.max(through)..range.end);
        }
        Some(progress)
    }
}

impl Progress {
    /// Adds a range behind all others.
    fn add(&mut self, range: Range<i64>) {
        if range.is_empty() {
            return;
        }
        match self.above.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            None if self.next == range.start => self.next = range.end,
            _ => self.above.push(range),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(seen: Range<i64>, settled: &[i64]) -> Track {
        let mut track = Track::default();
        seen.for_each(|offset| assert!(track.arrive(offset)));
        settled.iter().for_each(|offset| track.settle(*offset));
        track
    }

    #[test]
    fn only_what_is_contiguous_moves_the_number_and_the_rest_stands_beside_it() {
        let check = |seen: Range<i64>, settled: &[i64], next: i64, text: &str| {
            let progress = track(seen, settled).progress().unwrap();
            assert_eq!((progress.next, progress.text().as_str()), (next, text), "{settled:?}");
            assert_eq!(Progress::parse(next, text), progress);
        };
        check(5..9, &[], 5, "");
        check(5..9, &[5, 6], 7, "");
        check(5..9, &[5, 6, 7, 8], 9, "");
        check(5..9, &[6, 8], 5, "ecs1:1,1,1,1");
        check(5..12, &[7, 8, 9], 5, "ecs1:2,3");
        check(0..100_000, &[99_999], 0, "ecs1:99999,1");
    }

    #[test]
    fn what_was_settled_elsewhere_is_neither_delivered_nor_forgotten() {
        let mut track = Track::new(Some(Progress::parse(5, "ecs1:1,2,2,1")));
        assert_eq!(track.progress().unwrap(), Progress { next: 5, above: vec![6..8, 10..11] });
        let delivered: Vec<i64> = (5..12).filter(|offset| track.arrive(*offset)).collect();
        assert_eq!(delivered, [5, 8, 9, 11]);
        assert!(!track.arrive(11), "it comes only once");
        track.settle(5);
        assert_eq!(track.progress().unwrap().text(), "ecs1:2,1");
        [8, 9, 11].iter().for_each(|offset| track.settle(*offset));
        assert_eq!(track.progress().unwrap(), Progress { next: 12, above: vec![] });
    }

    #[test]
    fn places_that_are_gone_hold_nothing_up() {
        let mut track = Track::new(Some(Progress { next: 5, above: vec![] }));
        assert!(track.arrive(20));
        assert_eq!(track.progress().unwrap().next, 20);
        assert_eq!(Track::default().progress(), None);
    }

    #[test]
    fn what_is_open_is_counted_within_what_is_there() {
        let progress = Progress { next: 10, above: vec![12..14, 20..30] };
        let check = |log: Range<i64>, open: u64, first: Option<i64>| {
            assert_eq!((progress.open(&log), progress.first_open(&log)), (open, first), "{log:?}");
        };
        check(0..40, 2 + 6 + 10, Some(10));
        check(0..10, 0, None);
        check(0..5, 0, None);
        check(12..15, 1, Some(14));
        check(25..30, 0, None);
        check(25..31, 1, Some(30));
        check(0..25, 8, Some(10));
        assert!(progress.covers(9) && progress.covers(13) && !progress.covers(14));
    }

    #[test]
    fn a_text_has_an_end_and_a_foreign_one_says_nothing() {
        let settled: Vec<i64> = (0..20_000).filter(|offset| offset % 2 == 1).collect();
        let text = track(0..20_000, &settled).progress().unwrap().text();
        assert!(text.len() <= LONGEST && text.len() > LONGEST - 20);
        assert!(Progress::parse(0, &text).above.len() > 900);
        for foreign in ["", "x", "ecs1:", "ecs1:1", "ecs1:0,5", "ecs1:-1,5", "ecs1:9223372036854775807,5"] {
            assert_eq!(Progress::parse(3, foreign), Progress { next: 3, above: vec![] }, "{foreign}");
        }
    }
}
