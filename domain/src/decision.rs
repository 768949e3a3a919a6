//! Credit decisions: the answer, and all that led to it.

use crate::features::Features;
use crate::offer::Offer;
use crate::scorecard::{Assessment, Contribution, Input};
use crate::{DecisionId, Timestamp, UserId};

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
    /// The policy's version.
    pub policy_version: String,
    /// The answer.
    pub outcome: Outcome,
}

/// The answer to an application.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Approved, with the offer.
    Approved(Offer),
    /// Denied, with the reason in words.
    Denied(String),
}

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
const MAX_REASONS: usize = 4;

/// Says in words why the risk came out too high: the terms that raised it most, at most four, never "score too low".
#[must_use]
pub fn denial_reason(assessment: &Assessment) -> String {
    let mut raised: Vec<&Contribution> =
        assessment.contributions.iter().filter(|term| term.log_odds > 0.0).collect();
    raised.sort_by(|a, b| b.log_odds.total_cmp(&a.log_odds));
    let mut reasons: Vec<&str> = Vec::new();
    for term in raised {
        let reason = in_words(term.input);
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons.truncate(MAX_REASONS);
    if reasons.is_empty() {
        return "too little is known yet to offer credit".to_owned();
    }
    reasons.join("; ")
}

fn in_words(input: Input) -> &'static str {
    match input {
        Input::TransactionCount30d => "few or no transactions in the last 30 days",
        Input::AvgTransactionValue30d => "low value of transactions in the last 30 days",
        Input::DaysSinceLastTransaction => "no recent transaction",
        Input::AccountAgeDays => "the account is new",
        Input::AvgPositivity7d => "low positivity over the last 7 days",
        Input::AvgIntensity7d => "high emotional intensity over the last 7 days",
        Input::AvgStress7d => "high stress over the last 7 days",
        Input::StressEvents7d | Input::StressEvents30d => "many stress events in the last 30 days",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assessment(terms: &[(Input, f64)]) -> Assessment {
        let contributions = terms.iter().map(|&(input, log_odds)| Contribution { input, log_odds }).collect();
        Assessment { risk_score: 0.9, model_version: "test".to_owned(), contributions }
    }

    #[test]
    fn a_denial_names_what_raised_the_risk_most_first() {
        let reason = denial_reason(&assessment(&[
            (Input::AvgStress7d, 0.5),
            (Input::TransactionCount30d, 2.0),
            (Input::AvgTransactionValue30d, -1.0),
        ]));
        assert_eq!(reason, "few or no transactions in the last 30 days; high stress over the last 7 days");
    }

    #[test]
    fn a_denial_names_at_most_four_reasons_and_none_twice() {
        let all: Vec<_> = Input::ALL.into_iter().map(|input| (input, 1.0)).collect();
        let reason = denial_reason(&assessment(&all));
        assert_eq!(reason.split("; ").count(), 4);
    }
}
