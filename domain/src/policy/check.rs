//! Whether a policy is one: every score has exactly one outcome, and a higher risk never a better one.

use std::fmt;

use super::{Band, Exposure, KnockOut, Policy};
use crate::reason::Reason;
use crate::{Money, Rate};

/// Why values that are each fine don't make a policy together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// What is to be looked at.
    pub place: Place,
    /// What is expected of it.
    pub rule: String,
}

/// A part of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The cut-off.
    CutOff,
    /// A band, counted from 0.
    Band(usize),
    /// A knock-out rule, counted from 0.
    KnockOut(usize),
    /// What one person may owe.
    Exposure,
    /// How long a denial lasts.
    CoolDown,
    /// What is rounded.
    Rounding,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rule)
    }
}

impl std::error::Error for Flaw {}

fn flaw<T>(place: Place, rule: impl Into<String>) -> Result<T, Flaw> {
    Err(Flaw { place, rule: rule.into() })
}

impl Policy {
    /// Checks it as a whole. The first flaw is told.
    pub fn validate(self) -> Result<Self, Flaw> {
        if !(0.0..=1.0).contains(&self.cut_off) {
            return flaw(Place::CutOff, format!("cut_off must be between 0 and 1, it is {}", self.cut_off));
        }
        self.check_rounding()?;
        self.check_bands()?;
        if !self.bands.last().is_some_and(|last| last.max_risk >= self.cut_off) {
            return flaw(Place::CutOff, format!("the last band must reach the cut-off {}", self.cut_off));
        }
        self.knock_outs.iter().enumerate().try_for_each(|(at, rule)| check_knock_out(at, rule))?;
        if let Some(exposure) = self.exposure {
            self.check_exposure(exposure)?;
        }
        if self.cool_down.is_some_and(|cool_down| cool_down.days == 0) {
            return flaw(Place::CoolDown, "days must be at least 1: without a cool-down, leave it out");
        }
        Ok(self)
    }

    fn check_rounding(&self) -> Result<(), Flaw> {
        if self.rounding.limit_step <= Money::ZERO {
            return flaw(Place::Rounding, "limit_step must be above 0");
        }
        if self.rounding.rate_step <= Rate::from_basis_points(0) {
            return flaw(Place::Rounding, "rate_step must be above 0");
        }
        Ok(())
    }

    fn check_bands(&self) -> Result<(), Flaw> {
        for (at, band) in self.bands.iter().enumerate() {
            if !(0.0..=1.0).contains(&band.max_risk) {
                return flaw(Place::Band(at), "max_risk must be between 0 and 1");
            }
            if band.credit_limit <= Money::ZERO {
                return flaw(Place::Band(at), "every band needs a credit_limit above 0");
            }
            if self.rounding.limit(band.credit_limit) <= Money::ZERO {
                return flaw(Place::Band(at), "credit_limit must be at least one limit_step");
            }
        }
        let mut pairs = self.bands.iter().zip(self.bands.iter().skip(1)).enumerate();
        pairs.try_for_each(|(at, (less, more))| check_pair(Place::Band(at + 1), less, more))
    }

    fn check_exposure(&self, exposure: Exposure) -> Result<(), Flaw> {
        if exposure.min_limit <= Money::ZERO {
            return flaw(Place::Exposure, "min_limit must be above 0");
        }
        if exposure.max_total < exposure.min_limit {
            return flaw(Place::Exposure, "max_total must be at least min_limit");
        }
        // Else they would be told of credit that they don't have.
        let offered = |band: &Band| self.rounding.limit(band.credit_limit.min(exposure.max_total));
        match self.bands.iter().position(|band| offered(band) < exposure.min_limit) {
            Some(at) => flaw(Place::Band(at), "credit_limit must come to at least min_limit"),
            None => Ok(()),
        }
    }
}

/// A band behind another.
fn check_pair(place: Place, less: &Band, more: &Band) -> Result<(), Flaw> {
    if less.max_risk >= more.max_risk {
        return flaw(place, "bands must have rising max_risk");
    }
    if less.credit_limit < more.credit_limit {
        return flaw(place, "a higher risk must not get a higher credit_limit");
    }
    if less.interest_rate > more.interest_rate {
        return flaw(place, "a higher risk must not get a lower interest_rate");
    }
    Ok(())
}

fn check_knock_out(at: usize, rule: &KnockOut) -> Result<(), Flaw> {
    if !rule.value.is_finite() {
        return flaw(Place::KnockOut(at), "value must be a number");
    }
    // Whoever reads a denial must be able to tell which rule it was.
    if matches!(rule.reason, Reason::ExistingCredit | Reason::DeniedRecently) {
        return flaw(Place::KnockOut(at), format!("reason {} is of another rule", rule.reason.code()));
    }
    Ok(())
}
