//! The credit policy: what features, a risk score and what somebody owes already lead to.
//!
//! A policy is values and nothing else, so that the same policy over the same inputs gives the same answer wherever it is asked:
//! for a decision, for what it would have been without emotions, in a backtest and in a replay. [`Policy::outcome`] is that one
//! answer. What is asked, in this order:
//!
//! 1. [`CoolDown`]: an application soon after a denial is denied for that alone;
//! 2. [`KnockOut`]s: what denies whatever the score says;
//! 3. the cut-off and the [`Band`]s: what the score leads to;
//! 4. [`Exposure`]: what one person may owe in all cuts the offer, or leaves nothing of it.

mod check;
mod diff;
#[cfg(test)]
mod properties;
mod rules;
#[cfg(test)]
mod tests;
mod verdict;

pub use check::{Flaw, Place};
pub use diff::diff;
pub use rules::{Comparison, CoolDown, Exposure, KnockOut, Rounding};
pub use verdict::{Refusal, Verdict};

use crate::offer::CreditType;
use crate::{Money, Rate, Timestamp, redacted};

/// The longest name of a version.
const MAX_VERSION_CHARS: usize = 64;

/// A policy. Its version goes into every decision made with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Such as `policy-1`.
    pub version: String,
    /// SHA-256 of its file in hexadecimal: a version is a name, this is what was meant by it.
    pub digest: String,
    /// The models whose scores it is made for, by their versions; any where it names none.
    pub made_for: Vec<String>,
    /// What denies whatever the score says.
    pub knock_outs: Vec<KnockOut>,
    /// A risk score above this is denied.
    pub cut_off: f64,
    /// By rising risk; the last one reaches at least to the cut-off.
    pub bands: Vec<Band>,
    /// What one person may owe in all; `None` where nobody looks at it.
    pub exposure: Option<Exposure>,
    /// For how long a denial denies the next application; `None` where it doesn't.
    pub cool_down: Option<CoolDown>,
    /// How limits and rates are rounded.
    pub rounding: Rounding,
}

/// What a policy reads besides features and score. It is kept with the decision.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What the user could owe: the limits of their offers that can be accepted, are accepted or active.
    pub exposure: Money,
    /// When they were last denied; a denial for nothing but an earlier one doesn't count.
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

/// Whether a version may be kept under this name: it stands in paths and logs.
#[must_use]
pub fn is_version(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    // A name of dots alone is a folder to whoever cleans up paths.
    (1..=MAX_VERSION_CHARS).contains(&name.len())
        && name.bytes().all(fits)
        && name.bytes().any(|byte| byte != b'.')
}
