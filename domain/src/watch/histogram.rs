//! Decisions counted by fine bins.

use super::measure::{BINS, MISSING};

/// How many decisions fell into each bin of a measure, and of how many there was no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; usize::from(BINS) + 1] }
    }
}

impl Histogram {
    /// Adds so many decisions to a bin. What is no bin counts as missing.
    pub fn add(&mut self, bin: u8, decisions: u64) {
        let count = &mut self.counts[usize::from(bin.min(MISSING))];
        *count = count.saturating_add(decisions);
    }

    /// How many decisions are in it.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// How many decisions had no value.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.counts[usize::from(MISSING)]
    }

    /// How many fell into the bins from one to another, both among them.
    pub(super) fn within(&self, first: u8, last: u8) -> u64 {
        let bins = self.counts.get(usize::from(first)..=usize::from(last)).unwrap_or_default();
        bins.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The bins of values in which there is anything.
    pub(super) fn filled(&self) -> impl Iterator<Item = (u8, u64)> {
        let values = (0..BINS).zip(&self.counts).map(|(bin, count)| (bin, *count));
        values.filter(|(_, count)| *count > 0)
    }
}

impl FromIterator<(u8, u64)> for Histogram {
    fn from_iter<T: IntoIterator<Item = (u8, u64)>>(counts: T) -> Self {
        let mut histogram = Self::default();
        counts.into_iter().for_each(|(bin, count)| histogram.add(bin, count));
        histogram
    }
}
