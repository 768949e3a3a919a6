//! Decisions: the last one stands for a while, and this is where that is enforced.

use ecs_domain::decision::{Decision, Outcome};
use ecs_domain::scorecard::Assessment;
use ecs_domain::{DecisionId, Timestamp, UserId};
use ecs_store::{KeptAnswer, NewDecision, Recorded, StoreError, decision_text};
use tokio_postgres::Row;
use uuid::Uuid;

use super::offers::{self, OfferColumns};
use crate::column::{get, micros};
use crate::engine::{Fault, Flight, Param, Session};
use crate::idempotency::{self, Held};
use crate::users;

pub(crate) mod statements {
    //! The SQL of decisions, where the test of the query plans sees it.

    /// With its offer, whose columns are named as `offers::read` wants them.
    pub(crate) const LAST: &str =
        "SELECT d.id, d.decided_at, d.reason, d.risk_score, d.model_version, d.policy_version,
            d.features::text AS features, d.contributions::text AS contributions,
            o.id AS offer_id, o.user_id, o.status, (o.credit_limit * 100)::bigint AS credit_limit_minor,
            (o.interest_rate * 100)::bigint AS interest_rate_bp, o.credit_type, o.expires_at, o.accepted_at,
            o.activated_at, o.created_at
         FROM decisions d LEFT JOIN credit_limits o ON o.id = d.offer_id
         WHERE d.user_id = $1 AND d.decided_at > $2 ORDER BY d.decided_at DESC LIMIT 1";
}

const INSERT: &str = "INSERT INTO decisions (id, user_id, decided_at, outcome, reason, offer_id, risk_score,
        model_version, policy_version, features, contributions)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::json, $11::text::json)";

/// The user's last decision when it was made after `since`.
pub(super) async fn standing(
    session: &Session,
    user: UserId,
    since: Timestamp,
) -> Result<Option<Decision>, Fault> {
    let (id, since) = (user.uuid(), micros(since));
    let found = session.query(statements::LAST, &[&id, &since]).await?;
    found.first().map(|row| read(row, user)).transpose()
}

/// Keeps a decision unless an earlier one stands. The user's row is locked first, and what stands is read after that: a second
/// call waits here, and then finds the first one's decision.
pub(super) async fn record(
    session: &Session,
    new: &NewDecision,
    answer: Option<&KeptAnswer>,
) -> Result<Recorded, Fault> {
    let decision = as_kept(&new.decision);
    let user = decision.user.uuid();
    let since = micros(new.decision.decided_at.saturating_sub(new.stands_for).unwrap_or(Timestamp::MIN));
    let columns = DecisionColumns::new(&decision)?;
    let held = answer.map(Held::new);

    let mut flight = session.flight();
    flight.begin();
    flight.add(users::LOCK, &[&user]);
    let last = flight.add(statements::LAST, &[&user, &since]);
    let claim = held.as_ref().map(|held| held.lock(&mut flight));
    let mut answers = flight.send().await?;

    let mut flight = session.flight();
    if let Some(row) = answers.take(last).first() {
        let standing = read(row, decision.user)?;
        flight.roll_back();
        flight.send().await?;
        return Ok(Recorded { decision: standing, repeated: true });
    }
    columns.insert(&mut flight);
    if let (Some(held), Some(claim)) = (&held, claim) {
        idempotency::require(&answers.take(claim))?;
        held.keep(&mut flight);
    }
    flight.commit();
    flight.send().await?;
    Ok(Recorded { decision, repeated: false })
}

/// The decision as it is read again: with whole microseconds.
fn as_kept(decision: &Decision) -> Decision {
    let outcome = match &decision.outcome {
        Outcome::Approved(offer) => Outcome::Approved(offers::as_kept(offer)),
        Outcome::Denied(reason) => Outcome::Denied(reason.clone()),
    };
    Decision { decided_at: micros(decision.decided_at), outcome, ..decision.clone() }
}

/// A decision and its offer as the columns of new rows.
struct DecisionColumns<'a> {
    decision: &'a Decision,
    id: Uuid,
    user: Uuid,
    outcome: &'a str,
    reason: Option<&'a str>,
    offer_id: Option<Uuid>,
    offer: Option<OfferColumns<'a>>,
    features: String,
    contributions: String,
}

impl<'a> DecisionColumns<'a> {
    fn new(decision: &'a Decision) -> Result<Self, Fault> {
        let (outcome, reason) = match &decision.outcome {
            Outcome::Approved(_) => ("approved", None),
            Outcome::Denied(reason) => ("denied", Some(reason.as_str())),
        };
        Ok(Self {
            decision,
            id: decision.id.uuid(),
            user: decision.user.uuid(),
            outcome,
            reason,
            offer_id: decision.offer().map(|offer| offer.id.uuid()),
            offer: decision.offer().map(OfferColumns::new),
            features: decision_text::features_text(&decision.features)?,
            contributions: decision_text::contributions_text(&decision.assessment.contributions)?,
        })
    }

    fn insert<'f>(&'f self, flight: &mut Flight<'f>) {
        if let Some(offer) = &self.offer {
            flight.add(offers::INSERT, &offer.params());
        }
        let decision = self.decision;
        let params: [Param<'f>; 11] = [
            &self.id,
            &self.user,
            &decision.decided_at,
            &self.outcome,
            &self.reason,
            &self.offer_id,
            &decision.assessment.risk_score,
            &decision.assessment.model_version,
            &decision.policy_version,
            &self.features,
            &self.contributions,
        ];
        flight.add(INSERT, &params);
    }
}

fn read(row: &Row, user: UserId) -> Result<Decision, Fault> {
    let offer: Option<Uuid> = get(row, "offer_id")?;
    let offer = offer.map(|_| offers::read(row)).transpose()?;
    let outcome = match (offer, get::<_, Option<String>>(row, "reason")?) {
        (Some(offer), _) => Outcome::Approved(offer),
        (None, Some(reason)) => Outcome::Denied(reason),
        (None, None) => return Err(StoreError::Corrupt("an approval without an offer".to_owned()).into()),
    };
    Ok(Decision {
        id: DecisionId::new(get(row, "id")?),
        user,
        decided_at: get(row, "decided_at")?,
        features: decision_text::parse_features(get(row, "features")?)?,
        assessment: Assessment {
            risk_score: get(row, "risk_score")?,
            model_version: get(row, "model_version")?,
            contributions: decision_text::parse_contributions(get(row, "contributions")?)?,
        },
        policy_version: get(row, "policy_version")?,
        outcome,
    })
}
