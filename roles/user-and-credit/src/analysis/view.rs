//! A decision as the cache keeps it: all that an answer needs. It never changes but for its offer, and whoever changes an offer forgets
//! what is cached.

use ecs_domain::decision::{Decision, Outcome};
use ecs_domain::offer::{Offer, OfferStatus};
use ecs_domain::{DecisionId, Money, OfferId, Rate, Timestamp};
use serde::{Deserialize, Serialize};

use super::standing_since;
use crate::exact::Exact;

#[derive(PartialEq, Serialize, Deserialize)]
pub(super) struct DecisionView {
    pub(super) decision_id: DecisionId,
    pub(super) decided_at: Timestamp,
    pub(super) risk_score: Exact,
    pub(super) model_version: String,
    pub(super) policy_version: String,
    pub(super) offer: Option<OfferView>,
    /// The reason of a denial as it was kept, for those from before there were codes.
    pub(super) reason: Option<String>,
    /// Codes: the texts are in the language of who asks.
    pub(super) reasons: Vec<String>,
    pub(super) catalogue_version: u32,
    /// Whether it would have been an approval without emotions, and at which score.
    pub(super) without_emotions: Option<(bool, Exact)>,
    pub(super) emotion_data_used: bool,
    /// By falling weight in the decision.
    pub(super) explanation: Vec<(String, Exact)>,
}

ecs_domain::redacted!(DecisionView => "DecisionView");

/// An offer as it stood when it was read.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct OfferView {
    pub(super) offer_id: OfferId,
    #[serde(with = "status")]
    status: OfferStatus,
    pub(super) credit_limit: Money,
    pub(super) interest_rate: Rate,
    pub(super) credit_type: String,
    pub(super) expires_at: Timestamp,
}

impl DecisionView {
    /// Whether the decision still stands at `now`.
    pub(super) fn stands(&self, now: Timestamp) -> bool {
        self.decided_at > standing_since(now)
    }
}

impl OfferView {
    /// Where the offer stands at `now`.
    pub(super) fn status_at(&self, now: Timestamp) -> OfferStatus {
        self.status.at(now, self.expires_at)
    }
}

impl From<Decision> for DecisionView {
    fn from(decision: Decision) -> Self {
        let mut terms = decision.assessment.contributions;
        terms.sort_by(|a, b| b.log_odds.abs().total_cmp(&a.log_odds.abs()));
        let explanation =
            terms.iter().map(|term| (term.input.as_str().to_owned(), Exact(term.log_odds))).collect();
        let without = decision.assessment.without_emotions.map(|second| Exact(second.risk_score));
        let (offer, denial) = match decision.outcome {
            Outcome::Approved(offer) => (Some(OfferView::from(offer)), None),
            Outcome::Denied(denial) => (None, Some(denial)),
        };
        let reasons = denial.iter().flat_map(|denial| &denial.reasons);
        let reasons = reasons.map(|reason| reason.code().to_owned()).collect();
        Self {
            decision_id: decision.id,
            decided_at: decision.decided_at,
            risk_score: Exact(decision.assessment.risk_score),
            model_version: decision.assessment.model_version,
            policy_version: decision.policy_version,
            offer,
            reason: denial.map(|denial| denial.text),
            reasons,
            catalogue_version: decision.catalogue_version,
            without_emotions: decision.approved_without_emotions.zip(without),
            emotion_data_used: decision.features.hold_emotions(),
            explanation,
        }
    }
}

impl From<Offer> for OfferView {
    fn from(offer: Offer) -> Self {
        Self {
            offer_id: offer.id,
            status: offer.status,
            credit_limit: offer.terms.credit_limit,
            interest_rate: offer.terms.interest_rate,
            credit_type: offer.terms.credit_type.as_str().to_owned(),
            expires_at: offer.expires_at,
        }
    }
}

/// A status as its word.
mod status {
    use ecs_domain::offer::OfferStatus;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(status: &OfferStatus, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(status.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<OfferStatus, D::Error> {
        String::deserialize(from)?.parse().map_err(|()| D::Error::custom("no status of an offer"))
    }
}
