//! The one answer that a policy gives.

use super::{Facts, Policy};
use crate::Timestamp;
use crate::decision::{Denial, MAX_REASONS};
use crate::features::Features;
use crate::offer::Terms;
use crate::reason::Reason;
use crate::scorecard::Assessment;

/// What a policy makes of an application.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// These terms are offered.
    Approved(Terms),
    /// Nothing is, for these reasons.
    Denied(Denial),
}

/// Why there are no terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Rules of the policy say so; at least one reason and at most four, in the order of the rules.
    Rules(Vec<Reason>),
    /// The risk is above the cut-off: whoever scored it knows the reasons.
    Risk,
}

impl Verdict {
    /// Whether there are terms.
    #[must_use]
    pub const fn is_approval(&self) -> bool {
        matches!(self, Self::Approved(_))
    }
}

impl Policy {
    /// The model of an assessment that this policy is not made for; `None` where it fits. A challenger decides nothing, so it may be any.
    ///
    /// One model's 0.3 is not another's: a cut-off that suits the one approves nearly everybody by the other.
    #[must_use]
    pub fn stranger<'a>(&self, assessment: &'a Assessment) -> Option<&'a str> {
        let second = assessment.without_emotions.as_ref().map(|second| second.model_version.as_str());
        let mut models = [assessment.model_version.as_str()].into_iter().chain(second);
        models.find(|model| !self.made_for.is_empty() && !self.made_for.iter().any(|known| known == model))
    }

    /// What this policy makes of an application at `now`.
    #[must_use]
    pub fn outcome(
        &self,
        features: &Features,
        assessment: &Assessment,
        facts: Facts,
        now: Timestamp,
    ) -> Verdict {
        match self.terms(features, assessment.risk_score, facts, now) {
            Ok(terms) => Verdict::Approved(terms),
            Err(Refusal::Rules(reasons)) => Verdict::Denied(Denial::of(reasons)),
            Err(Refusal::Risk) => Verdict::Denied(Denial::for_risk(assessment)),
        }
    }

    /// Whether it would be an approval had nobody looked at emotions: not the model, and not a rule. `None` where nobody did.
    #[must_use]
    pub fn approves_without_emotions(
        &self,
        features: &Features,
        assessment: &Assessment,
        facts: Facts,
        now: Timestamp,
    ) -> Option<bool> {
        let second = assessment.without_emotions.as_ref()?;
        let features = features.without_emotions();
        Some(self.terms(&features, second.risk_score, facts, now).is_ok())
    }

    /// The terms that are offered to somebody with these features and this score, or why there are none.
    pub fn terms(
        &self,
        features: &Features,
        risk_score: f64,
        facts: Facts,
        now: Timestamp,
    ) -> Result<Terms, Refusal> {
        if self.cool_down.is_some_and(|cool_down| cool_down.lasts(facts, now)) {
            return Err(Refusal::Rules(vec![Reason::DeniedRecently]));
        }
        let knocked_out = self.knocked_out(features);
        if !knocked_out.is_empty() {
            return Err(Refusal::Rules(knocked_out));
        }
        let terms = self.terms_for(risk_score).ok_or(Refusal::Risk)?;
        self.within_exposure(terms, facts).ok_or_else(|| Refusal::Rules(vec![Reason::ExistingCredit]))
    }

    /// What the score alone leads to, or `None` when it is denied.
    #[must_use]
    pub fn terms_for(&self, risk_score: f64) -> Option<Terms> {
        if risk_score > self.cut_off {
            return None;
        }
        let band = self.bands.iter().find(|band| risk_score <= band.max_risk)?;
        Some(Terms {
            credit_limit: self.rounding.limit(band.credit_limit),
            interest_rate: self.rounding.rate(band.interest_rate),
            credit_type: band.credit_type,
        })
    }

    fn knocked_out(&self, features: &Features) -> Vec<Reason> {
        let mut reasons = Vec::new();
        for rule in self.knock_outs.iter().filter(|rule| rule.applies_to(features)) {
            if !reasons.contains(&rule.reason) {
                reasons.push(rule.reason);
            }
        }
        reasons.truncate(MAX_REASONS);
        reasons
    }

    /// The terms with a limit that leaves the person within what they may owe; `None` when too little is left.
    fn within_exposure(&self, terms: Terms, facts: Facts) -> Option<Terms> {
        let Some(exposure) = self.exposure else { return Some(terms) };
        let credit_limit = self.rounding.limit(terms.credit_limit.min(exposure.left(facts)));
        (credit_limit >= exposure.min_limit).then_some(Terms { credit_limit, ..terms })
    }
}
