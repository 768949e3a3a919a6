//! Decisions as the rows that they become, with their offers and their entries in the log.

use ecs_domain::decision::{Decision, Outcome};
use ecs_domain::offer::Offer;
use ecs_domain::{Timestamp, UserId};
use ecs_store::chain::Digest;
use ecs_store::decision_log::MADE;
use ecs_store::{DecisionRow, SealedDecision, StoreError};
use ecs_vault::PersonKey;
use uuid::Uuid;

use super::offers;
use crate::column::micros;
use crate::decision_log;
use crate::engine::{Flight, Param};

const INSERT: &str = "INSERT INTO decisions (id, user_id, decided_at, outcome, reason, offer_id, risk_score,
        model_version, model_digest, policy_version, policy_digest, features, contributions, record)
     SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::uuid[],
        $7::double precision[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[])";

/// A decision that is ready to be kept.
pub(crate) struct Prepared {
    decision: Decision,
    sealed: SealedDecision,
    digest: Digest,
}

impl Prepared {
    /// Seals what is personal, which is work.
    pub(crate) fn new(decision: &Decision, key: &PersonKey) -> Result<Self, StoreError> {
        let decision = as_kept(decision);
        let sealed = SealedDecision::seal(&decision, key)?;
        let digest = DecisionRow::of(&decision, &sealed).digest();
        Ok(Self { decision, sealed, digest })
    }

    /// The decision as it is read again.
    pub(crate) fn decision(&self) -> &Decision {
        &self.decision
    }

    pub(crate) fn user(&self) -> UserId {
        self.decision.user
    }
}

/// With whole microseconds.
fn as_kept(decision: &Decision) -> Decision {
    let outcome = match &decision.outcome {
        Outcome::Approved(offer) => Outcome::Approved(offers::as_kept(offer)),
        Outcome::Denied(denial) => Outcome::Denied(denial.clone()),
    };
    Decision { decided_at: micros(decision.decided_at), outcome, ..decision.clone() }
}

/// Columns of new rows; they must live until their flight is sent.
#[derive(Default)]
pub(crate) struct Rows<'a> {
    offers: offers::Rows<'a>,
    entries: decision_log::Rows,
    id: Vec<Uuid>,
    user: Vec<Uuid>,
    decided_at: Vec<Timestamp>,
    outcome: Vec<&'a str>,
    reason: Vec<Option<&'a str>>,
    offer: Vec<Option<Uuid>>,
    risk_score: Vec<f64>,
    model_version: Vec<&'a str>,
    model_digest: Vec<&'a str>,
    policy_version: Vec<&'a str>,
    policy_digest: Vec<&'a str>,
    features: Vec<&'a str>,
    contributions: Vec<&'a str>,
    record: Vec<&'a str>,
}

impl<'a> Rows<'a> {
    pub(crate) fn of(decisions: impl IntoIterator<Item = &'a Prepared>) -> Self {
        let mut rows = Self::default();
        for prepared in decisions {
            rows.push(prepared);
        }
        rows
    }

    fn push(&mut self, Prepared { decision, sealed, digest }: &'a Prepared) {
        let offer: Option<&Offer> = decision.offer();
        if let Some(offer) = offer {
            self.offers.push(offer);
        }
        self.entries.push(MADE, decision.decided_at, decision.id.uuid(), decision.user, *digest);
        self.id.push(decision.id.uuid());
        self.user.push(decision.user.uuid());
        self.decided_at.push(decision.decided_at);
        self.outcome.push(decision.outcome.as_str());
        self.reason.push(sealed.reason.as_deref());
        self.offer.push(offer.map(|offer| offer.id.uuid()));
        self.risk_score.push(decision.assessment.risk_score);
        self.model_version.push(&decision.assessment.model_version);
        self.model_digest.push(&decision.assessment.model_digest);
        self.policy_version.push(&decision.policy_version);
        self.policy_digest.push(&decision.policy_digest);
        self.features.push(&sealed.features);
        self.contributions.push(&sealed.contributions);
        self.record.push(&sealed.record);
    }

    /// Keeps them with the flight's transaction.
    pub(crate) fn insert<'f>(&'f self, flight: &mut Flight<'f>) {
        self.offers.insert(flight);
        let params: [Param<'f>; 14] = [
            &self.id,
            &self.user,
            &self.decided_at,
            &self.outcome,
            &self.reason,
            &self.offer,
            &self.risk_score,
            &self.model_version,
            &self.model_digest,
            &self.policy_version,
            &self.policy_digest,
            &self.features,
            &self.contributions,
            &self.record,
        ];
        flight.add(INSERT, &params);
        self.entries.insert(flight);
    }
}
