//! Several readings of one thing.

/// With fewer rounds than this nothing can be said about the spread.
const ROUNDS: usize = 3;
/// From this spread on a median says little.
const WIDE: f64 = 0.3;

/// Median and spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stats {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    rounds: usize,
}

impl Stats {
    /// `None` when there is nothing.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let rounds = values.len();
        let (least, most) = (*values.first()?, *values.last()?);
        let (below, above) = (values.get((rounds - 1) / 2)?, values.get(rounds / 2)?);
        Some(Self { median: f64::midpoint(*below, *above), least, most, rounds })
    }

    /// The width of the range as a fraction of the median. The range and not a deviation: with three rounds there is
    /// no telling which of them was out of the ordinary.
    pub(crate) fn spread(&self) -> f64 {
        if self.median > 0.0 { (self.most - self.least) / self.median } else { 0.0 }
    }

    /// Whether the rounds agree so little that the median can't be trusted.
    pub(crate) fn is_wide(&self) -> bool {
        self.rounds >= ROUNDS && self.spread() > WIDE
    }

    pub(crate) fn is_single(&self) -> bool {
        self.rounds < ROUNDS
    }

    /// Whether no reading of the one lies within the range of the other.
    pub(crate) fn is_apart_from(&self, other: &Self) -> bool {
        self.least > other.most || self.most < other.least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle() {
        let check = |values: &[f64], expect: Option<(f64, f64, f64)>| {
            let stats = Stats::of(values.iter().copied());
            assert_eq!(stats.map(|s| (s.least, s.median, s.most)), expect, "{values:?}");
        };
        check(&[], None);
        check(&[2.0], Some((2.0, 2.0, 2.0)));
        check(&[3.0, 1.0], Some((1.0, 2.0, 3.0)));
        check(&[9.0, 1.0, 2.0], Some((1.0, 2.0, 9.0)));
    }

    #[test]
    fn a_wide_range_is_told_once_there_are_enough_rounds() {
        let check = |values: &[f64], expect: bool| {
            assert_eq!(Stats::of(values.iter().copied()).unwrap().is_wide(), expect, "{values:?}");
        };
        check(&[1.0, 0.9, 1.1], false);
        check(&[1.0, 0.8, 1.2], true);
        check(&[1.0, 9.0], false);
        check(&[0.0, 0.0, 0.0], false);
    }

    #[test]
    fn ranges_that_touch_are_not_apart() {
        let check = |one: [f64; 2], other: [f64; 2], expect: bool| {
            let (one, other) = (Stats::of(one).unwrap(), Stats::of(other).unwrap());
            assert_eq!(one.is_apart_from(&other), expect, "{one:?} {other:?}");
            assert_eq!(other.is_apart_from(&one), expect, "{one:?} {other:?}");
        };
        check([1.0, 2.0], [3.0, 4.0], true);
        check([1.0, 3.0], [3.0, 4.0], false);
        check([1.0, 9.0], [3.0, 4.0], false);
    }
}
