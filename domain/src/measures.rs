//! What a person did in a month, in steps so coarse that they tell nobody apart by themselves.

/// What a person did in a month, as the store counts it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Activity {
    /// Transactions that happened in it.
    pub transactions: u64,
    /// Their sum in whole units of the base currency.
    pub spend: u64,
    /// How the person felt on average, 0 to 1; `None` without their consent, or without an event.
    pub emotions: Option<MeanEmotions>,
    /// Applications that were approved.
    pub approved: u64,
    /// Applications that were denied.
    pub denied: u64,
}

/// Means over a month.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanEmotions {
    /// From unpleasant to pleasant.
    pub positivity: f64,
    /// From calm to stressed.
    pub stress: f64,
}

/// A column of measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Number of transactions.
    Transactions,
    /// What they come to.
    Spend,
    /// Mean positivity, to a tenth.
    Positivity,
    /// Mean stress, to a tenth.
    Stress,
    /// Approvals.
    Approved,
    /// Denials.
    Denied,
}

impl Measure {
    /// Every column, in the order of the export.
    pub const ALL: [Self; 6] =
        [Self::Transactions, Self::Spend, Self::Positivity, Self::Stress, Self::Approved, Self::Denied];

    /// Its name in the export.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transactions => "transactions",
            Self::Spend => "spend",
            Self::Positivity => "positivity",
            Self::Stress => "stress",
            Self::Approved => "approved",
            Self::Denied => "denied",
        }
    }

    /// The steps of its values, the lowest first.
    const fn steps(self) -> &'static [(u64, &'static str)] {
        match self {
            Self::Transactions => {
                &[(0, "0"), (1, "1-4"), (5, "5-9"), (10, "10-19"), (20, "20-49"), (50, "50+")]
            }
            Self::Spend => &[
                (0, "0-99"),
                (100, "100-499"),
                (500, "500-1999"),
                (2_000, "2000-4999"),
                (5_000, "5000-19999"),
                (20_000, "20000+"),
            ],
            Self::Positivity | Self::Stress => &[
                (0, "0.0"),
                (1, "0.1"),
                (2, "0.2"),
                (3, "0.3"),
                (4, "0.4"),
                (5, "0.5"),
                (6, "0.6"),
                (7, "0.7"),
                (8, "0.8"),
                (9, "0.9"),
                (10, "1.0"),
            ],
            Self::Approved | Self::Denied => &[(0, "0"), (1, "1"), (2, "2+")],
        }
    }

    fn step(self, value: u64) -> Cell {
        let below = self.steps().iter().take_while(|(from, _)| *from <= value).count();
        Cell::Step(u8::try_from(below.saturating_sub(1)).unwrap_or(u8::MAX))
    }
}

/// One value of the export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cell {
    /// There is none.
    Absent,
    /// The number of its step.
    Step(u8),
    /// Everybody in the group has the same one, so it isn't told.
    Withheld,
}

/// The measures of one person's month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Measures(pub(crate) [Cell; Measure::ALL.len()]);

impl Measures {
    /// What somebody did, coarsely.
    #[must_use]
    pub fn of(activity: &Activity) -> Self {
        let mean = |value: fn(MeanEmotions) -> f64| activity.emotions.map(|emotions| tenths(value(emotions)));
        Self(Measure::ALL.map(|measure| {
            let value = match measure {
                Measure::Transactions => Some(activity.transactions),
                Measure::Spend => Some(activity.spend),
                Measure::Positivity => mean(|emotions| emotions.positivity),
                Measure::Stress => mean(|emotions| emotions.stress),
                Measure::Approved => Some(activity.approved),
                Measure::Denied => Some(activity.denied),
            };
            value.map_or(Cell::Absent, |value| measure.step(value))
        }))
    }

    /// A value as it is told: `None` where there is none, `*` where it is withheld.
    #[must_use]
    pub fn text(&self, measure: Measure) -> Option<&'static str> {
        match self.0[measure as usize] {
            Cell::Absent => None,
            Cell::Step(step) => measure.steps().get(usize::from(step)).map(|(_, text)| *text),
            Cell::Withheld => Some("*"),
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held between 0 and 10")]
fn tenths(mean: f64) -> u64 {
    (mean * 10.0).round().clamp(0.0, 10.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_in_steps() {
        let check = |activity: Activity, expect: [Option<&str>; 6]| {
            let measures = Measures::of(&activity);
            assert_eq!(Measure::ALL.map(|measure| measures.text(measure)), expect, "{activity:?}");
        };
        check(Activity::default(), [Some("0"), Some("0-99"), None, None, Some("0"), Some("0")]);
        let emotions = Some(MeanEmotions { positivity: 0.649, stress: 1.0 });
        let busy = Activity { transactions: 4, spend: 99, emotions, approved: 1, denied: 7 };
        check(busy, [Some("1-4"), Some("0-99"), Some("0.6"), Some("1.0"), Some("1"), Some("2+")]);
        let most = Activity { transactions: u64::MAX, spend: u64::MAX, ..busy };
        check(most, [Some("50+"), Some("20000+"), Some("0.6"), Some("1.0"), Some("1"), Some("2+")]);
        let odd = Some(MeanEmotions { positivity: f64::NAN, stress: -3.0 });
        let check_odd = Activity { transactions: 5, spend: 100, emotions: odd, ..Activity::default() };
        check(check_odd, [Some("5-9"), Some("100-499"), Some("0.0"), Some("0.0"), Some("0"), Some("0")]);
    }
}
