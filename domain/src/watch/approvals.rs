//! How many of each group were approved, and whether that differs by more than chance.

use std::collections::BTreeMap;

use super::chi_square;
use super::stability::Level;
use crate::anonymity::K;
use crate::wilson;

/// Groups of fewer people are not told of: somebody in them could be made out.
pub const LEAST_PEOPLE: u64 = K::LEAST.get() as u64;
/// Below which share of another group's approval a group's is adverse: the four-fifths rule (29 CFR 1607.4 D).
pub const FOUR_FIFTHS: f64 = 0.8;
/// Two-sided: of the intervals that are told.
const CONFIDENCE_TAIL: f64 = 0.05;

/// People of a group, each counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many there are.
    pub people: u64,
    /// How many of them were approved.
    pub approved: u64,
}

impl Tally {
    /// Counts one more.
    pub fn count(&mut self, approved: bool) {
        self.people += 1;
        self.approved += u64::from(approved);
    }

    /// The share that was approved; 0 of nobody.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of people stay far below 2^52")]
    pub fn ratio(self) -> f64 {
        if self.people == 0 { 0.0 } else { self.approved as f64 / self.people as f64 }
    }

    /// Where the share lies that would be seen of very many, but for one in `1 / tail` times.
    #[must_use]
    fn interval(self, tail: f64) -> Interval {
        // The square of a normal number is χ² with one degree of freedom.
        let square = chi_square::quantile(1, tail);
        let (low, high) = wilson::interval(self.approved, self.people, square).unwrap_or((0.0, 1.0));
        Interval { low, high }
    }
}

/// Where a share lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// What may be said of a group beside the largest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// It is the largest one.
    Largest,
    /// Its approval is below four fifths, beyond chance.
    Adverse,
    /// Nothing beyond chance.
    Unremarkable,
}

impl Finding {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Largest => "largest",
            Self::Adverse => "adverse",
            Self::Unremarkable => "unremarkable",
        }
    }
}

/// A group that may be told of.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupShare<G> {
    /// Which one.
    pub group: G,
    /// Its people.
    pub tally: Tally,
    /// Where its approval lies, 19 times in 20.
    pub interval: Interval,
    /// Its approval as a share of the largest group's; `None` where that one's is 0.
    pub impact: Option<f64>,
    /// What may be said of it.
    pub finding: Finding,
}

/// Groups beside each other, the order that of their names.
#[derive(Debug, Clone, PartialEq)]
pub struct Approvals<G> {
    /// Those that may be told of.
    pub groups: Vec<GroupShare<G>>,
    /// How many groups have too few people.
    pub suppressed: usize,
}

impl<G: Ord + Clone> Approvals<G> {
    /// Compares groups with the largest; of several with the first.
    #[must_use]
    pub fn of(counted: &BTreeMap<G, Tally>) -> Self {
        let told: Vec<(&G, Tally)> = counted
            .iter()
            .filter(|(_, tally)| tally.people >= LEAST_PEOPLE)
            .map(|(group, tally)| (group, *tally))
            .collect();
        let most = told.iter().map(|(_, tally)| tally.people).max().unwrap_or_default();
        let largest = told.iter().position(|(_, tally)| tally.people == most);
        // As many comparisons as there are groups beside the largest.
        let tail = Level::of_each(CONFIDENCE_TAIL, told.len().saturating_sub(1)).get();
        let compare = |(place, (group, tally)): (usize, &(&G, Tally))| {
            let beside = largest.filter(|largest| *largest != place).map(|largest| told[largest].1);
            GroupShare {
                group: (*group).clone(),
                tally: *tally,
                interval: tally.interval(CONFIDENCE_TAIL),
                impact: impact(*tally, beside.unwrap_or(*tally)),
                finding: beside.map_or(Finding::Largest, |beside| finding(*tally, beside, tail)),
            }
        };
        let groups = told.iter().enumerate().map(compare).collect();
        Self { groups, suppressed: counted.len() - told.len() }
    }

    /// The groups whose approval is adverse.
    pub fn adverse(&self) -> impl Iterator<Item = &GroupShare<G>> {
        self.groups.iter().filter(|share| share.finding == Finding::Adverse)
    }
}

fn impact(tally: Tally, largest: Tally) -> Option<f64> {
    (largest.approved > 0).then(|| tally.ratio() / largest.ratio())
}

/// Whether the interval of `p − 0.8 q` lies below 0: made of the two Wilson intervals, as R. G. Newcombe makes that of a difference
/// (Interval estimation for the difference between independent proportions, 1998, method 10).
fn finding(tally: Tally, largest: Tally, tail: f64) -> Finding {
    let (p, q) = (tally.ratio(), largest.ratio());
    let (above, below) = (tally.interval(tail).high - p, q - largest.interval(tail).low);
    let upper = p - FOUR_FIFTHS * q + above.hypot(FOUR_FIFTHS * below);
    if upper < 0.0 { Finding::Adverse } else { Finding::Unremarkable }
}
