//! The population stability index, and what may be said of it.

use std::str::FromStr;

use super::chi_square;
use super::histogram::Histogram;
use super::measure::{BINS, MISSING, Measure};

/// How many bins the reference is divided into, each with as many of its decisions as its values allow.
pub const QUANTILES: u64 = 10;
/// From which index on a drift is moderate, as is usual.
pub const MODERATE: f64 = 0.1;
/// From which index on a drift is major, as is usual.
pub const MAJOR: f64 = 0.25;
/// Below which index a drift is over: a little below [`MODERATE`], or an index near it would be told again and again.
const OVER: f64 = 0.08;
/// How many decisions each side needs for each bin: with fewer the index isn't spread as χ² is.
const LEAST_PER_BIN: u64 = 10;
/// What an empty bin counts as, where the other side has something in it.
const HALF: f64 = 0.5;

/// How likely a drift may be told of one measure where there is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level(f64);

impl Level {
    /// The level of everything together, divided by how much is looked at (Bonferroni).
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a handful of measures and models")]
    pub fn of_each(together: f64, measures: usize) -> Self {
        Self(together / measures.max(1) as f64)
    }

    pub(super) fn get(self) -> f64 {
        self.0
    }
}

/// What may be said of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// So few decisions that even a major drift couldn't be told from chance.
    TooFew,
    /// No drift that matters, or none beyond chance.
    Calm,
    /// The index is at [`MODERATE`] or above it, and beyond chance.
    Moderate,
    /// The index is at [`MAJOR`] or above it, and beyond chance.
    Major,
}

impl Verdict {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooFew => "too-few",
            Self::Calm => "calm",
            Self::Moderate => "moderate",
            Self::Major => "major",
        }
    }
}

/// What was told last of a measure or a group: an alert goes out when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// Nothing, or that it is over.
    #[default]
    Calm,
    /// That something is the matter.
    Alerted,
}

impl Standing {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Alerted => "alerted",
        }
    }

    /// What stands after another look. A drift is over when the index has clearly fallen, or when there is too little to say.
    #[must_use]
    pub fn after(self, seen: &Stability) -> Self {
        match (self, seen.verdict) {
            (_, Verdict::Moderate | Verdict::Major) => Self::Alerted,
            (Self::Alerted, Verdict::Calm) if seen.index >= OVER => Self::Alerted,
            (_, Verdict::Calm | Verdict::TooFew) => Self::Calm,
        }
    }
}

impl FromStr for Standing {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Calm, Self::Alerted].into_iter().find(|standing| standing.as_str() == text).ok_or(())
    }
}

/// A bin of the comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// The value at which it begins; `None` where there is no lower end, and of what is missing.
    pub from: Option<f64>,
    /// The value before which it ends; `None` where there is no upper end, and of what is missing.
    pub until: Option<f64>,
    /// Whether it is of those without a value.
    pub missing: bool,
    /// Decisions of the reference.
    pub reference: u64,
    /// Decisions of the window.
    pub window: u64,
}

/// How a measure in a window compares with its reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Stability {
    /// The bins that anything is in.
    pub shares: Vec<Share>,
    /// Decisions of the reference.
    pub reference: u64,
    /// Decisions of the window.
    pub window: u64,
    /// The population stability index: 0 where both are spread alike.
    pub index: f64,
    /// What the index exceeds by chance alone no more often than the level says.
    pub critical: f64,
    /// What may be said of it.
    pub verdict: Verdict,
}

impl Stability {
    /// Where there is nothing to compare.
    pub const NOTHING: Self = Self {
        shares: Vec::new(),
        reference: 0,
        window: 0,
        index: 0.0,
        critical: 0.0,
        verdict: Verdict::TooFew,
    };

    /// Compares a window with its reference.
    #[must_use]
    pub fn of(measure: Measure, reference: &Histogram, window: &Histogram, level: Level) -> Self {
        let shares = shares(measure, reference, window);
        let (m, n) = (reference.total(), window.total());
        let index = index(&shares, m, n);
        let critical = critical(shares.len(), m, n, level);
        let verdict = verdict(shares.len(), m.min(n), index, critical);
        Self { shares, reference: m, window: n, index, critical, verdict }
    }
}

fn verdict(bins: usize, fewer: u64, index: f64, critical: f64) -> Verdict {
    let needed = LEAST_PER_BIN.saturating_mul(u64::try_from(bins).unwrap_or(u64::MAX));
    if fewer == 0 || fewer < needed || critical > MAJOR {
        return Verdict::TooFew;
    }
    match index {
        index if index < MODERATE || index <= critical => Verdict::Calm,
        index if index < MAJOR => Verdict::Moderate,
        _ => Verdict::Major,
    }
}

/// Σ (p − q) ln(p / q) over the bins, p and q the shares of either side. No summand is negative.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn index(shares: &[Share], reference: u64, window: u64) -> f64 {
    if reference == 0 || window == 0 {
        return 0.0;
    }
    let share = |count: u64, total: u64| if count == 0 { HALF } else { count as f64 } / total as f64;
    let summand = |it: &Share| {
        let (p, q) = (share(it.window, window), share(it.reference, reference));
        (p - q) * (p / q).ln()
    };
    shares.iter().map(summand).sum()
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn critical(bins: usize, reference: u64, window: u64, level: Level) -> f64 {
    if reference == 0 || window == 0 {
        return 0.0;
    }
    let freedom = u32::try_from(bins.saturating_sub(1)).unwrap_or(u32::MAX);
    (1.0 / window as f64 + 1.0 / reference as f64) * chi_square::quantile(freedom, level.get())
}

/// The reference's quantiles, and those without a value; without the bins that nobody is in.
fn shares(measure: Measure, reference: &Histogram, window: &Histogram) -> Vec<Share> {
    let values = quantiles(reference).into_iter().map(|(first, last)| Share {
        from: (first > 0).then(|| measure.begin_of(first)),
        until: (last < BINS - 1).then(|| measure.begin_of(last + 1)),
        missing: false,
        reference: reference.within(first, last),
        window: window.within(first, last),
    });
    let missing = Share {
        from: None,
        until: None,
        missing: true,
        reference: reference.within(MISSING, MISSING),
        window: window.within(MISSING, MISSING),
    };
    values.chain([missing]).filter(|share| share.reference + share.window > 0).collect()
}

/// The first and the last fine bin of each quantile; together they are all fine bins. Values that many decisions share make fewer. Where
/// all decisions share one, what lies below and above it are bins of their own: else no move away from it would be seen.
fn quantiles(reference: &Histogram) -> Vec<(u8, u8)> {
    let all = reference.within(0, BINS - 1);
    let mut filled = reference.filled();
    if let (Some((only, _)), None) = (filled.next(), filled.next()) {
        let below = only.checked_sub(1).map(|last| (0, last));
        let above = (only < BINS - 1).then_some((only + 1, BINS - 1));
        return below.into_iter().chain([(only, only)]).chain(above).collect();
    }
    let (mut ends, mut seen, mut next) = (Vec::new(), 0_u64, 1);
    for (bin, count) in reference.filled() {
        seen += count;
        if seen < all && seen.saturating_mul(QUANTILES) >= all.saturating_mul(next) {
            ends.push(bin);
            next = seen.saturating_mul(QUANTILES) / all + 1;
        }
    }
    let begins = std::iter::once(0).chain(ends.iter().map(|end| end + 1));
    begins.zip(ends.iter().copied().chain([BINS - 1])).collect()
}
