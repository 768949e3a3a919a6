//! Decisions: the last one stands for a while, and this is where that is enforced.

use ecs_domain::decision::{Decision, Outcome};
use ecs_domain::scorecard::Assessment;
use ecs_domain::{DecisionId, OfferId, Timestamp, UserId};
use ecs_store::{NewDecision, Recorded, StoreError, decision_text};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::offers;
use crate::column::{At, Id, IdText};
use crate::engine::Fault;

pub(crate) mod statements {
    //! The SQL of decisions, where the test of the query plans sees it.

    pub(crate) const LAST: &str =
        "SELECT id, decided_at, outcome, reason, offer_id, risk_score, model_version,
            policy_version, features, contributions
         FROM decisions WHERE user_id = ?1 AND decided_at > ?2 ORDER BY decided_at DESC LIMIT 1";
    pub(crate) const BY_ID: &str =
        "SELECT id, decided_at, outcome, reason, offer_id, risk_score, model_version,
            policy_version, features, contributions
         FROM decisions WHERE id = ?1";
}

const INSERT: &str = "INSERT INTO decisions (id, user_id, decided_at, outcome, reason, offer_id, risk_score,
        model_version, policy_version, features, contributions)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

/// The user's last decision when it was made after `since`.
pub(super) fn standing(
    connection: &Connection,
    user: UserId,
    since: Timestamp,
) -> Result<Option<Decision>, Fault> {
    let mut statement = connection.prepare_cached(statements::LAST)?;
    let row =
        statement.query_row(params![IdText::new(user.uuid()), At(since)], DecisionRow::read).optional()?;
    row.map(|row| row.decision(connection, user)).transpose()
}

/// Keeps a decision unless an earlier one stands. Nobody else writes meanwhile: that is the lock.
pub(super) fn record(connection: &Connection, new: &NewDecision) -> Result<Recorded, Fault> {
    let decision = &new.decision;
    let since = decision.decided_at.saturating_sub(new.stands_for).unwrap_or(Timestamp::MIN);
    if let Some(standing) = standing(connection, decision.user, since)? {
        return Ok(Recorded { decision: standing, repeated: true });
    }
    if let Outcome::Approved(offer) = &decision.outcome {
        offers::insert(connection, offer)?;
    }
    insert(connection, decision)?;
    // Read back by its id, so that the first answer and its repeats are the same to the microsecond.
    let mut statement = connection.prepare_cached(statements::BY_ID)?;
    let kept = statement.query_row([IdText::new(decision.id.uuid())], DecisionRow::read)?;
    Ok(Recorded { decision: kept.decision(connection, decision.user)?, repeated: false })
}

fn insert(connection: &Connection, decision: &Decision) -> Result<(), Fault> {
    let (outcome, reason, offer) = match &decision.outcome {
        Outcome::Approved(offer) => ("approved", None, Some(IdText::new(offer.id.uuid()))),
        Outcome::Denied(reason) => ("denied", Some(reason), None),
    };
    connection.prepare_cached(INSERT)?.execute(params![
        IdText::new(decision.id.uuid()),
        IdText::new(decision.user.uuid()),
        At(decision.decided_at),
        outcome,
        reason,
        offer,
        decision.assessment.risk_score,
        decision.assessment.model_version,
        decision.policy_version,
        decision_text::features_text(&decision.features)?,
        decision_text::contributions_text(&decision.assessment.contributions)?,
    ])?;
    Ok(())
}

/// A row of `decisions` before its offer is fetched.
struct DecisionRow {
    id: DecisionId,
    decided_at: Timestamp,
    reason: Option<String>,
    offer: Option<OfferId>,
    risk_score: f64,
    model_version: String,
    policy_version: String,
    features: String,
    contributions: String,
}

impl DecisionRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: DecisionId::new(row.get::<_, Id>("id")?.0),
            decided_at: row.get::<_, At>("decided_at")?.0,
            reason: row.get("reason")?,
            offer: row.get::<_, Option<Id>>("offer_id")?.map(|id| OfferId::new(id.0)),
            risk_score: row.get("risk_score")?,
            model_version: row.get("model_version")?,
            policy_version: row.get("policy_version")?,
            features: row.get("features")?,
            contributions: row.get("contributions")?,
        })
    }

    fn decision(self, connection: &Connection, user: UserId) -> Result<Decision, Fault> {
        let offer = match self.offer {
            Some(offer) => offers::find(connection, user, offer)?,
            None => None,
        };
        let outcome = match (offer, self.reason) {
            (Some(offer), _) => Outcome::Approved(offer),
            (None, Some(reason)) => Outcome::Denied(reason),
            (None, None) => return Err(StoreError::Corrupt("an approval without an offer".to_owned()).into()),
        };
        Ok(Decision {
            id: self.id,
            user,
            decided_at: self.decided_at,
            features: decision_text::parse_features(&self.features)?,
            assessment: Assessment {
                risk_score: self.risk_score,
                model_version: self.model_version,
                contributions: decision_text::parse_contributions(&self.contributions)?,
            },
            policy_version: self.policy_version,
            outcome,
        })
    }
}
