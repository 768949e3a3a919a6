//! One side of a backtest: what was recorded, or what the draft says. Money is summed exactly.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;

use crate::offer::Terms;
use crate::{Money, Rate};

/// Into how many parts a risk is cut before it is multiplied: then sums are integers, whatever the order.
const RISK_PARTS: f64 = 1e12;
/// The same as an integer.
const PARTS: i128 = 1_000_000_000_000;
/// Into how many parts a loss given default is cut.
const LOSS_PARTS: u32 = 10_000;
/// Of how many leading digits amounts are told apart for quantiles. So memory doesn't grow with the decisions.
const DIGITS: u32 = 4;

/// The part of a limit that is lost when somebody doesn't pay, in ten-thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LossGivenDefault {
    parts: u32,
}

/// A sum of money of any size, in hundredths of the currency unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Sum {
    minor_units: i128,
}

crate::redacted!(Sum => "Sum");

/// Limits of those who are approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// All together.
    pub sum: Sum,
    /// Rounded down to the cent.
    pub mean: Money,
    /// The 10th, 25th, 50th, 75th and 90th of a hundred, by nearest rank; rounded down to four digits.
    pub quantiles: [(u8, Money); 5],
}

/// Counts and sums of one side.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Side {
    pub(super) decisions: u64,
    pub(super) approved: u64,
    sum: Sum,
    /// How many have each limit, to four digits.
    limits: BTreeMap<i64, u64>,
    /// Hundredths of a percent.
    rates: u128,
    /// Risk in parts times limit in cents.
    at_risk: i128,
}

impl LossGivenDefault {
    /// What holds unless somebody says otherwise: unsecured credit loses about that.
    pub const DEFAULT: Self = Self { parts: 4_500 };

    /// Its digits.
    #[must_use]
    pub fn digits(self) -> String {
        Decimal::new(i64::from(self.parts), 4).normalize().to_string()
    }

    /// In ten-thousandths.
    #[must_use]
    pub const fn parts(self) -> u32 {
        self.parts
    }

    /// From ten-thousandths; `None` above the whole.
    #[must_use]
    pub const fn from_parts(parts: u32) -> Option<Self> {
        if parts <= LOSS_PARTS { Some(Self { parts }) } else { None }
    }
}

impl fmt::Display for LossGivenDefault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.digits())
    }
}

impl FromStr for LossGivenDefault {
    type Err = Cow<'static, str>;

    fn from_str(digits: &str) -> Result<Self, Self::Err> {
        let value = Decimal::from_str_exact(digits).map_err(|_| "must be a number between 0 and 1")?;
        if value.normalize().scale() > 4 {
            return Err("must have at most 4 decimals".into());
        }
        let parts = value.checked_mul(Decimal::from(LOSS_PARTS)).map(u32::try_from);
        match parts {
            Some(Ok(parts)) if parts <= LOSS_PARTS => Ok(Self { parts }),
            _ => Err("must be between 0 and 1".into()),
        }
    }
}

impl Sum {
    /// Hundredths of the currency unit.
    #[must_use]
    pub const fn minor_units(self) -> i128 {
        self.minor_units
    }

    /// Its digits with two decimals, for people and JSON: on purpose, for it has no other way to be printed.
    #[must_use]
    pub fn digits(self) -> String {
        let (sign, units) = (if self.minor_units < 0 { "-" } else { "" }, self.minor_units.unsigned_abs());
        format!("{sign}{}.{:02}", units / 100, units % 100)
    }

    pub(super) fn plus(self, money: Money) -> Self {
        self.and(Self { minor_units: i128::from(money.minor_units()) })
    }

    pub(super) fn minus(self, money: Money) -> Self {
        self.and(Self { minor_units: -i128::from(money.minor_units()) })
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { minor_units: self.minor_units.saturating_add(other.minor_units) }
    }

    /// Shared among so many, rounded down to the cent; `None` among nobody.
    pub(super) fn among(self, many: u64) -> Option<Money> {
        let each = self.minor_units.checked_div_euclid(i128::from(many))?;
        i64::try_from(each).ok().map(Money::from_minor_units)
    }
}

impl Side {
    pub(super) fn take(&mut self, risk: f64, terms: Option<&Terms>) {
        self.decisions += 1;
        let Some(Terms { credit_limit, interest_rate, .. }) = terms else { return };
        self.approved += 1;
        self.sum = self.sum.plus(*credit_limit);
        *self.limits.entry(coarse(credit_limit.minor_units())).or_default() += 1;
        self.rates += u128::from(interest_rate.basis_points());
        self.at_risk = self.at_risk.saturating_add(parts(risk) * i128::from(credit_limit.minor_units()));
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.decisions += other.decisions;
        self.approved += other.approved;
        self.sum = self.sum.and(other.sum);
        for (limit, count) in other.limits {
            *self.limits.entry(limit).or_default() += count;
        }
        self.rates += other.rates;
        self.at_risk = self.at_risk.saturating_add(other.at_risk);
    }

    pub(super) fn limits(&self) -> Option<Limits> {
        let mean = self.sum.among(self.approved)?;
        let quantiles = [10, 25, 50, 75, 90].map(|percent| (percent, self.quantile(percent)));
        Some(Limits { sum: self.sum, mean, quantiles })
    }

    /// The limit that at least so many of a hundred don't exceed.
    fn quantile(&self, percent: u8) -> Money {
        let rank = u128::from(self.approved) * u128::from(percent);
        let rank = rank.div_ceil(100);
        let mut seen = 0;
        let mut limits = self.limits.iter();
        let found = limits.find(|(_, count)| {
            seen += u128::from(**count);
            seen >= rank
        });
        Money::from_minor_units(found.map_or(0, |(limit, _)| *limit))
    }

    /// Rounded down to a hundredth of a percent; `None` without approvals.
    pub(super) fn mean_rate(&self) -> Option<Rate> {
        let mean = self.rates.checked_div(u128::from(self.approved))?;
        u32::try_from(mean).ok().map(Rate::from_basis_points)
    }

    /// The sum of risk × limit × loss given default, rounded to the cent, halves up.
    pub(super) fn expected_loss(&self, loss: LossGivenDefault) -> Sum {
        let whole = PARTS * i128::from(LOSS_PARTS);
        let lost = self.at_risk.saturating_mul(i128::from(loss.parts)).saturating_add(whole / 2);
        Sum { minor_units: lost.div_euclid(whole) }
    }
}

/// A risk as an integer. What is no probability is one of its ends.
#[expect(clippy::cast_possible_truncation, reason = "it is held between 0 and a million millions")]
fn parts(risk: f64) -> i128 {
    (risk.clamp(0.0, 1.0) * RISK_PARTS).round() as i128
}

/// An amount, rounded down to its leading digits.
fn coarse(units: i64) -> i64 {
    let digits = units.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
    let step = 10_i64.saturating_pow(digits.saturating_sub(DIGITS));
    units - units.rem_euclid(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offer::CreditType;

    fn terms(limit: i64, rate: u32) -> Terms {
        Terms {
            credit_limit: Money::from_minor_units(limit),
            interest_rate: Rate::from_basis_points(rate),
            credit_type: CreditType::ShortTerm,
        }
    }

    #[test]
    fn a_loss_given_default_is_a_part_of_the_whole() {
        let check = |digits: &str, expect: Option<&str>| {
            let read = digits.parse::<LossGivenDefault>().ok();
            assert_eq!(read.map(LossGivenDefault::digits).as_deref(), expect, "{digits}");
        };
        check("0.45", Some("0.45"));
        check("0", Some("0"));
        check("1.0", Some("1"));
        check("0.1234", Some("0.1234"));
        for bad in ["0.12345", "1.0001", "-0.1", "much", "", "NaN"] {
            check(bad, None);
        }
        assert_eq!(LossGivenDefault::from_parts(10_001), None);
    }

    #[test]
    fn sums_are_exact_and_have_any_size() {
        let check = |units: i128, expect: &str| assert_eq!(Sum { minor_units: units }.digits(), expect);
        check(0, "0.00");
        check(-5, "-0.05");
        check(123_456, "1234.56");
        check(i128::MAX, "1701411834604692317316873037158841057.27");
        let sum = (0..1_000).fold(Sum::default(), |sum, _| sum.plus(Money::MAX));
        assert_eq!(sum.digits(), "999999999999990.00");
        assert_eq!(sum.among(1_000), Some(Money::MAX));
        assert_eq!(sum.among(0), None);
    }

    #[test]
    fn amounts_keep_four_digits() {
        let check = |units, expect| assert_eq!(coarse(units), expect, "{units}");
        check(0, 0);
        check(7, 7);
        check(9_999, 9_999);
        check(123_456, 123_400);
        check(500_000, 500_000);
        check(99_999_999_999_999, 99_990_000_000_000);
    }

    /// Counted by hand: limits 100, 200, 200 and 1,000, at risks of a tenth, a fifth, three tenths and four tenths.
    #[test]
    fn a_side_is_counted_and_summed() {
        let mut side = Side::default();
        for (risk, limit) in [(0.1, 10_000), (0.2, 20_000), (0.3, 20_000), (0.4, 100_000)] {
            side.take(risk, Some(&terms(limit, 1_000 + u32::from(risk > 0.3))));
        }
        side.take(0.9, None);
        let Limits { sum, mean, quantiles } = side.limits().unwrap();
        assert_eq!((sum.digits(), mean.digits()), ("1500.00".to_owned(), "375.00".to_owned()));
        let told = quantiles.map(|(percent, limit)| (percent, limit.minor_units()));
        assert_eq!(told, [(10, 10_000), (25, 10_000), (50, 20_000), (75, 20_000), (90, 100_000)]);
        assert_eq!(side.mean_rate().unwrap().basis_points(), 1_000);
        // (10 + 40 + 60 + 400) × 0.45
        assert_eq!(side.expected_loss(LossGivenDefault::DEFAULT).digits(), "229.50");
        assert_eq!((side.decisions, side.approved), (5, 4));
        assert_eq!((Side::default().limits(), Side::default().mean_rate()), (None, None));
    }
}
