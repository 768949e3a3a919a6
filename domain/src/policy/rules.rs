//! The rules of a policy besides its bands.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Facts;
use crate::features::Features;
use crate::reason::Reason;
use crate::scorecard::Input;
use crate::{Money, Rate, Timestamp};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Denies whatever the score says. A feature that is missing never does.
#[derive(Debug, Clone, PartialEq)]
pub struct KnockOut {
    /// What it looks at.
    pub feature: Input,
    /// How.
    pub comparison: Comparison,
    /// Against what, in the feature's own unit.
    pub value: f64,
    /// What whoever is denied by it is told.
    pub reason: Reason,
}

/// How a feature is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Less than the value.
    Below,
    /// The value or less.
    AtMost,
    /// More than the value.
    Above,
    /// The value or more.
    AtLeast,
}

/// What one person may owe in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exposure {
    /// The most, offers that can still be accepted included.
    pub max_total: Money,
    /// The least that is worth an offer.
    pub min_limit: Money,
}

/// For how long a denial denies the next application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoolDown {
    /// Days of 24 hours.
    pub days: u16,
}

/// What limits and rates are whole multiples of. Both are rounded down: a limit never exceeds what was allowed, and nobody pays more
/// than their band says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounding {
    /// Of limits.
    pub limit_step: Money,
    /// Of rates.
    pub rate_step: Rate,
}

impl KnockOut {
    /// Whether it denies somebody with these features.
    #[must_use]
    pub fn applies_to(&self, features: &Features) -> bool {
        self.feature.of(features).is_some_and(|value| self.comparison.holds(value, self.value))
    }

    /// Whether it looks at what is only there with consent.
    #[must_use]
    pub fn needs_consent(&self) -> bool {
        match self.feature {
            Input::TransactionCount30d
            | Input::AvgTransactionValue30d
            | Input::DaysSinceLastTransaction
            | Input::AccountAgeDays => false,
            Input::AvgPositivity7d
            | Input::AvgIntensity7d
            | Input::AvgStress7d
            | Input::StressEvents7d
            | Input::StressEvents30d => true,
        }
    }
}

impl Comparison {
    /// Every comparison there is.
    pub const ALL: [Self; 4] = [Self::Below, Self::AtMost, Self::Above, Self::AtLeast];

    /// Its name in a policy's file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Below => "below",
            Self::AtMost => "at_most",
            Self::Above => "above",
            Self::AtLeast => "at_least",
        }
    }

    /// Whether it holds between these two; with something that is no number it never does.
    #[must_use]
    pub fn holds(self, feature: f64, value: f64) -> bool {
        match self {
            Self::Below => feature < value,
            Self::AtMost => feature <= value,
            Self::Above => feature > value,
            Self::AtLeast => feature >= value,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Comparison {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|comparison| comparison.as_str() == name).ok_or(())
    }
}

impl Exposure {
    /// What may still be offered to somebody who could owe this much already. Nothing, or less, when that is all.
    pub(super) fn left(&self, facts: Facts) -> Money {
        let left = self.max_total.minor_units().saturating_sub(facts.exposure.minor_units());
        Money::from_minor_units(left)
    }
}

impl CoolDown {
    /// Whether a denial still denies at `now`. When its days are over, to the instant, it doesn't.
    pub(super) fn lasts(&self, facts: Facts, now: Timestamp) -> bool {
        let Some(denied_at) = facts.last_denied_at else { return false };
        let over = denied_at.saturating_add(DAY * u32::from(self.days));
        now < over.unwrap_or(Timestamp::MAX)
    }
}

impl Rounding {
    /// To the cent, and to the hundredth of a percent: nothing is rounded.
    pub const NONE: Self =
        Self { limit_step: Money::from_minor_units(1), rate_step: Rate::from_basis_points(1) };

    /// A limit, rounded down.
    #[must_use]
    pub fn limit(&self, limit: Money) -> Money {
        let units = limit.minor_units();
        let over = units.checked_rem_euclid(self.limit_step.minor_units()).unwrap_or(0);
        Money::from_minor_units(units.saturating_sub(over))
    }

    /// A rate, rounded down.
    #[must_use]
    pub fn rate(&self, rate: Rate) -> Rate {
        let points = rate.basis_points();
        Rate::from_basis_points(points - points.checked_rem(self.rate_step.basis_points()).unwrap_or(0))
    }
}
