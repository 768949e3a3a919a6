//! The credit policy: what a risk score leads to.

use crate::offer::{CreditType, Terms};
use crate::{Money, Rate, Timestamp, redacted};

/// A policy. Its version goes into every decision made with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Such as `policy-1`.
    pub version: String,
    /// SHA-256 of its file in hexadecimal: a version is a name, this is what was meant by it.
    pub digest: String,
    /// A risk score above this is denied.
    pub cut_off: f64,
    /// By rising risk; the last one reaches at least to the cut-off.
    pub bands: Vec<Band>,
}

/// What a policy reads besides features and score. It is kept with the decision.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What the user could owe: the limits of their offers that can be accepted, are accepted or active.
    pub exposure: Money,
    /// When they were last denied.
    pub last_denied_at: Option<Timestamp>,
}

redacted!(Facts => "Facts");

impl Facts {
    /// Of somebody who never had to do with credit.
    pub const NONE: Self = Self { exposure: Money::ZERO, last_denied_at: None };
}

/// What is offered to those whose risk is at most `max_risk`, and above the band before.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// The highest risk score of the band.
    pub max_risk: f64,
    /// How much may be drawn.
    pub credit_limit: Money,
    /// Percent per year.
    pub interest_rate: Rate,
    /// Short or long term.
    pub credit_type: CreditType,
}

impl Policy {
    /// Checks that bands rise and reach the cut-off, so that every score has exactly one outcome.
    pub fn validate(self) -> Result<Self, String> {
        if !(0.0..=1.0).contains(&self.cut_off) {
            return Err(format!("cut_off must be between 0 and 1, it is {}", self.cut_off));
        }
        if !self.bands.is_sorted_by(|a, b| a.max_risk < b.max_risk) {
            return Err("bands must have rising max_risk".to_owned());
        }
        if self.bands.iter().any(|band| band.credit_limit <= Money::ZERO) {
            return Err("every band needs a credit_limit above 0".to_owned());
        }
        match self.bands.last() {
            Some(last) if last.max_risk >= self.cut_off => Ok(self),
            _ => Err(format!("the last band must reach the cut-off {}", self.cut_off)),
        }
    }

    /// The terms offered at this risk, or `None` when it is denied.
    #[must_use]
    pub fn terms_for(&self, risk_score: f64) -> Option<Terms> {
        if risk_score > self.cut_off {
            return None;
        }
        let band = self.bands.iter().find(|band| risk_score <= band.max_risk)?;
        Some(Terms {
            credit_limit: band.credit_limit,
            interest_rate: band.interest_rate,
            credit_type: band.credit_type,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn band(max_risk: f64, limit: i64) -> Band {
        Band {
            max_risk,
            credit_limit: Money::from_minor_units(limit),
            interest_rate: Rate::from_basis_points(1000),
            credit_type: CreditType::ShortTerm,
        }
    }

    fn policy(cut_off: f64, bands: Vec<Band>) -> Policy {
        Policy { version: "test".to_owned(), digest: String::new(), cut_off, bands }
    }

    #[test]
    fn a_score_falls_into_the_first_band_that_reaches_it() {
        let policy = policy(0.5, vec![band(0.2, 900), band(0.5, 100)]).validate().unwrap();
        let check = |risk, expect: Option<i64>| {
            assert_eq!(
                policy.terms_for(risk).map(|terms| terms.credit_limit.minor_units()),
                expect,
                "{risk}"
            );
        };
        check(0.0, Some(900));
        check(0.2, Some(900));
        check(0.2001, Some(100));
        check(0.5, Some(100));
        check(0.5001, None);
        check(f64::NAN, None);
    }

    #[test]
    fn a_policy_that_leaves_a_gap_is_refused() {
        assert!(policy(0.5, vec![band(0.4, 1)]).validate().is_err());
        assert!(policy(0.5, vec![]).validate().is_err());
        assert!(policy(0.5, vec![band(0.5, 1), band(0.2, 1)]).validate().is_err());
        assert!(policy(1.5, vec![band(2.0, 1)]).validate().is_err());
        assert!(policy(0.5, vec![band(0.5, 0)]).validate().is_err());
    }
}
