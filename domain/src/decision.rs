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

    /// Why the risk came out too high: what raised it most, at most four, never "score too low". Inputs that are told as one reason
    /// count together, for neither alone says how much it weighed.
    #[must_use]
    pub fn for_risk(assessment: &Assessment) -> Self {
        Self::of(heaviest(assessment))
    }
}

/// The reasons that raised the risk, the weightiest first.
fn heaviest(assessment: &Assessment) -> Vec<Reason> {
    let mut weights: Vec<(Reason, f64)> = Vec::new();
    for &Contribution { input, log_odds } in &assessment.contributions {
        let reason = input.into();
        match weights.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, weight)) => *weight += log_odds,
            None => weights.push((reason, log_odds)),
        }
    }
    weights.retain(|(_, weight)| *weight > 0.0);
    weights.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    weights.truncate(MAX_REASONS);
    if weights.is_empty() {
        return vec![Reason::TooLittleKnown];
    }
    weights.into_iter().map(|(reason, _)| reason).collect()
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
        assert_eq!(denial(&[]).reasons, [Reason::TooLittleKnown]);
    }

    #[test]
    fn inputs_that_are_told_as_one_reason_weigh_together() {
        let check = |week: f64, month: f64, expect: &[Reason]| {
            let terms = [
                (Input::AccountAgeDays, 0.5),
                (Input::AvgStress7d, 0.3),
                (Input::StressEvents7d, week),
                (Input::StressEvents30d, month),
            ];
            assert_eq!(denial(&terms).reasons, expect, "{week} and {month}");
        };
        use Reason::{HighStress, NewAccount, StressEvents};
        check(0.25, 0.27, &[StressEvents, NewAccount, HighStress]);
        check(0.2, 0.2, &[NewAccount, StressEvents, HighStress]);
        check(0.6, 0.0, &[StressEvents, NewAccount, HighStress]);
        // What the one adds the other takes away again.
        check(0.4, -0.3, &[NewAccount, HighStress, StressEvents]);
        check(0.1, -0.2, &[NewAccount, HighStress]);
    }

    /// The fifth reason by its heaviest input is among the four by what it weighs in all.
    #[test]
    fn what_weighs_together_is_not_cut_off_singly() {
        let terms = [
            (Input::TransactionCount30d, 0.5),
            (Input::AccountAgeDays, 0.4),
            (Input::AvgPositivity7d, 0.35),
            (Input::AvgStress7d, 0.3),
            (Input::StressEvents7d, 0.2),
            (Input::StressEvents30d, 0.2),
        ];
        let expect =
            [Reason::FewTransactions, Reason::NewAccount, Reason::StressEvents, Reason::LowPositivity];
        assert_eq!(denial(&terms).reasons, expect);
    }
}
