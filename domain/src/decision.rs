//! Credit decisions: the answer, and all that led to it.

use crate::catalogue::Catalogue;
use crate::consent::Locale;
use crate::features::Features;
use crate::offer::Offer;
use crate::policy::Facts;
use crate::reason::Reason;
use crate::scorecard::{Assessment, Contribution};
use crate::{DecisionId, Timestamp, UserId, redacted};

/// A stored decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Its id.
    pub id: DecisionId,
    /// About whom.
    pub user: UserId,
    /// When it was made.
    pub decided_at: Timestamp,
    /// What it looked at. Without consent there are no emotions in here.
    pub features: Features,
    /// What the model said.
    pub assessment: Assessment,
    /// What the policy read besides.
    pub facts: Facts,
    /// The policy's version.
    pub policy_version: String,
    /// SHA-256 of the policy's file in hexadecimal; empty in decisions from before it was kept.
    pub policy_digest: String,
    /// The answer.
    pub outcome: Outcome,
    /// Whether it would have been an approval without emotions; `None` where none were looked at.
    pub approved_without_emotions: Option<bool>,
    /// The version of the catalogue that its texts are in; 0 in decisions from before it was kept.
    pub catalogue_version: u32,
}

/// The answer to an application.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Approved, with the offer.
    Approved(Offer),
    /// Denied.
    Denied(Denial),
}

/// Why somebody is denied.
#[derive(Clone, PartialEq, Eq)]
pub struct Denial {
    /// The weightiest first, at most four; empty in decisions from before they were kept.
    pub reasons: Vec<Reason>,
    /// In words, in English.
    pub text: String,
}

redacted!(Denial => "Denial");

impl Outcome {
    /// The answer in a word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Approved(_) => "approved",
            Self::Denied(_) => "denied",
        }
    }
}

impl Decision {
    /// The offer, when it was approved.
    #[must_use]
    pub fn offer(&self) -> Option<&Offer> {
        match &self.outcome {
            Outcome::Approved(offer) => Some(offer),
            Outcome::Denied(_) => None,
        }
    }
}

/// How many reasons a denial names at most.
pub(crate) const MAX_REASONS: usize = 4;

impl Denial {
    /// For these reasons.
    #[must_use]
    pub fn of(reasons: Vec<Reason>) -> Self {
        Self { text: Catalogue::of(Catalogue::newest(), Locale::En).joined(&reasons), reasons }
    }

    /// Why the risk came out too high: what raised it most, at most four, never "score too low".
    #[must_use]
    pub fn for_risk(assessment: &Assessment) -> Self {
        let mut raised: Vec<&Contribution> =
            assessment.contributions.iter().filter(|term| term.log_odds > 0.0).collect();
        raised.sort_by(|a, b| b.log_odds.total_cmp(&a.log_odds));
        let mut reasons: Vec<Reason> = Vec::new();
        for term in raised {
            let reason = term.input.into();
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        reasons.truncate(MAX_REASONS);
        if reasons.is_empty() {
            reasons.push(Reason::TooLittleKnown);
        }
        Self::of(reasons)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scorecard::Input;

    fn denial(terms: &[(Input, f64)]) -> Denial {
        let contributions = terms.iter().map(|&(input, log_odds)| Contribution { input, log_odds }).collect();
        Denial::for_risk(&Assessment { contributions, ..Assessment::unexplained("test", 0.9) })
    }

    #[test]
    fn a_denial_names_what_raised_the_risk_most_first() {
        let denial = denial(&[
            (Input::AvgStress7d, 0.5),
            (Input::TransactionCount30d, 2.0),
            (Input::AvgTransactionValue30d, -1.0),
        ]);
        assert_eq!(denial.reasons, [Reason::FewTransactions, Reason::HighStress]);
        let newest = Catalogue::of(Catalogue::newest(), Locale::En);
        let texts = denial.reasons.iter().map(|reason| newest.reason(*reason));
        assert_eq!(denial.text, texts.collect::<Vec<_>>().join(" "));
    }

    #[test]
    fn a_denial_names_at_most_four_reasons_and_none_twice() {
        let all: Vec<_> = Input::ALL.into_iter().map(|input| (input, 1.0)).collect();
        assert_eq!(denial(&all).reasons.len(), 4);
        let stress = denial(&[(Input::StressEvents7d, 1.0), (Input::StressEvents30d, 1.0)]);
        assert_eq!(stress.reasons, [Reason::StressEvents]);
        assert_eq!(denial(&[]).reasons, [Reason::TooLittleKnown]);
    }
}
