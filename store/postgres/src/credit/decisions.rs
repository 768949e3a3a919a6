//! Decisions: the last one stands for a while, and this is where that is enforced.

use std::collections::BTreeMap;

use ecs_domain::decision::{Decision, Outcome};
use ecs_domain::policy::Facts;
use ecs_domain::{DecisionId, Money, Timestamp, UserId};
use ecs_store::{
    DecisionRow, KeptAnswer, NewDecision, PlainDecision, Recorded, SealedDecision, StoreError, denied_since,
};
use ecs_vault::PersonKey;
use tokio_postgres::Row;
use uuid::Uuid;

use super::offers::{self, OfferColumns};
use crate::column::{get, limit, micros};
use crate::decision_log::NewEntry;
use crate::engine::{Answer, Call, Fault, Flight, Param, Session};
use crate::idempotency::{self, Held};
use crate::{PostgresStore, erasures, users};

pub(crate) mod statements {
    //! The SQL of decisions, where the test of the query plans sees it.

    /// With its offer, whose columns are named as `offers::read` wants them.
    macro_rules! select {
        ($which:literal) => {
            concat!(
                "SELECT d.id, d.user_id AS person, d.decided_at, d.outcome, d.reason, d.risk_score, d.model_version,
            d.model_digest, d.policy_version, d.policy_digest, d.features, d.contributions, d.record,
            o.id AS offer_id, o.user_id, o.status, (o.credit_limit * 100)::bigint AS credit_limit_minor,
            (o.interest_rate * 100)::bigint AS interest_rate_bp, o.credit_type, o.expires_at, o.accepted_at,
            o.activated_at, o.created_at
         FROM decisions d LEFT JOIN credit_limits o ON o.id = d.offer_id WHERE ",
                $which
            )
        };
    }

    pub(crate) const LAST: &str =
        select!("d.user_id = $1 AND d.decided_at > $2 ORDER BY d.decided_at DESC LIMIT 1");
    pub(crate) const BY_IDS: &str = select!("d.id = ANY ($1::uuid[])");
    /// One row: what could be owed, in hundredths and held at what money is at most, and the last denial if there is one.
    pub(crate) const FACTS: &str = "SELECT o.exposure_minor, d.decided_at, d.record FROM
            (SELECT (least(coalesce(sum(credit_limit), 0), 999999999999.99) * 100)::bigint AS exposure_minor
             FROM credit_limits
             WHERE user_id = $1 AND (status IN ('accepted', 'active') OR (status = 'offered' AND expires_at > $2))) o
            LEFT JOIN LATERAL
            (SELECT decided_at, record FROM decisions
             WHERE user_id = $1 AND outcome = 'denied' ORDER BY decided_at DESC LIMIT 1) d ON true";
    pub(crate) const OWNED: &str = select!("d.id = $1 AND d.user_id = $2");
    pub(crate) const OWNER: &str = "SELECT user_id FROM decisions WHERE id = $1";
    pub(crate) const COUNT: &str = "SELECT count(*) FROM decisions WHERE user_id = $1";
    pub(crate) const PAGE: &str = select!(
        "d.id = ANY (ARRAY(SELECT id FROM decisions WHERE user_id = $1 ORDER BY decided_at DESC, id DESC LIMIT $2 OFFSET $3))
         ORDER BY d.decided_at DESC, d.id DESC"
    );
}

const INSERT: &str = "INSERT INTO decisions (id, user_id, decided_at, outcome, reason, offer_id, risk_score,
        model_version, model_digest, policy_version, policy_digest, features, contributions, record)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";

/// The user's last decision when it was made after `since`.
pub(super) async fn standing(
    session: &Session,
    user: UserId,
    since: Timestamp,
    key: Option<&PersonKey>,
) -> Result<Option<Decision>, Fault> {
    let (id, since) = (user.uuid(), micros(since));
    let found = session.query(statements::LAST, &[&id, &since]).await?;
    found.first().map(|row| Ok(read(row)?.open(key)?)).transpose()
}

/// What a policy must know of the user at `now`.
pub(super) async fn facts(
    session: &Session,
    user: UserId,
    now: Timestamp,
    key: Option<&PersonKey>,
) -> Result<Facts, Fault> {
    let (id, now) = (user.uuid(), micros(now));
    read_facts(&session.query(statements::FACTS, &[&id, &now]).await?, key)
}

fn read_facts(answer: &Answer, key: Option<&PersonKey>) -> Result<Facts, Fault> {
    let row = answer.first().ok_or(Fault::Outage("the database left an answer out"))?;
    let denied_at: Option<Timestamp> = get(row, "decided_at")?;
    let record: Option<String> = get(row, "record")?;
    let last_denied_at = denied_at.map(|at| denied_since(at, record, key)).transpose()?;
    Ok(Facts { exposure: Money::from_minor_units(get(row, "exposure_minor")?), last_denied_at })
}

/// Keeps a decision unless an earlier one stands. The user's row is locked first, and what stands is read after that: a second
/// call waits here, and then finds the first one's decision.
pub(super) async fn record(
    session: &Session,
    new: &NewDecision,
    key: &PersonKey,
    answer: Option<&KeptAnswer>,
) -> Result<Recorded, Fault> {
    let decision = as_kept(&new.decision);
    let user = decision.user.uuid();
    let since = micros(new.decision.decided_at.saturating_sub(new.stands_for).unwrap_or(Timestamp::MIN));
    let columns = DecisionColumns::new(&decision, key)?;
    let held = answer.map(Held::new);

    let mut flight = session.flight();
    flight.begin();
    flight.add(users::LOCK, &[&user]);
    let leaves = flight.add(erasures::IS_ASKED_FOR, &[&user]);
    let last = flight.add(statements::LAST, &[&user, &since]);
    let now = flight.add(statements::FACTS, &[&user, &decision.decided_at]);
    let claim = held.as_ref().map(|held| held.lock(&mut flight));
    let mut answers = flight.send().await?;

    let mut flight = session.flight();
    if answers.take(leaves).only()? {
        flight.roll_back();
        flight.send().await?;
        return Err(StoreError::Unavailable("the user is being erased".to_owned()).into());
    }
    if let Some(row) = answers.take(last).first() {
        let standing = read(row)?.open(Some(key))?;
        flight.roll_back();
        flight.send().await?;
        return Ok(Recorded { decision: standing, repeated: true });
    }
    if are_others(new.facts, &answers.take(now), key)? {
        flight.roll_back();
        flight.send().await?;
        return Err(StoreError::Stale.into());
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

/// Whether what a decision was made of does not hold any more.
pub(crate) fn are_others(facts: Option<Facts>, now: &Answer, key: &PersonKey) -> Result<bool, Fault> {
    let Some(facts) = facts else { return Ok(false) };
    Ok(facts != read_facts(now, Some(key))?)
}

/// The decision as it is read again: with whole microseconds.
pub(crate) fn as_kept(decision: &Decision) -> Decision {
    let outcome = match &decision.outcome {
        Outcome::Approved(offer) => Outcome::Approved(offers::as_kept(offer)),
        Outcome::Denied(denial) => Outcome::Denied(denial.clone()),
    };
    Decision { decided_at: micros(decision.decided_at), outcome, ..decision.clone() }
}

/// A decision and its offer as the columns of new rows.
pub(crate) struct DecisionColumns<'a> {
    decision: &'a Decision,
    id: Uuid,
    user: Uuid,
    outcome: &'a str,
    offer_id: Option<Uuid>,
    offer: Option<OfferColumns<'a>>,
    sealed: SealedDecision,
    entry: NewEntry,
}

impl<'a> DecisionColumns<'a> {
    pub(crate) fn new(decision: &'a Decision, key: &PersonKey) -> Result<Self, Fault> {
        let sealed = SealedDecision::seal(decision, key)?;
        Ok(Self {
            decision,
            id: decision.id.uuid(),
            user: decision.user.uuid(),
            outcome: decision.outcome.as_str(),
            offer_id: decision.offer().map(|offer| offer.id.uuid()),
            offer: decision.offer().map(OfferColumns::new),
            entry: NewEntry::made(&DecisionRow::of(decision, &sealed)),
            sealed,
        })
    }

    pub(crate) fn insert<'f>(&'f self, flight: &mut Flight<'f>) {
        if let Some(offer) = &self.offer {
            flight.add(offers::INSERT, &offer.params());
        }
        let decision = self.decision;
        let params: [Param<'f>; 14] = [
            &self.id,
            &self.user,
            &decision.decided_at,
            &self.outcome,
            &self.sealed.reason,
            &self.offer_id,
            &decision.assessment.risk_score,
            &decision.assessment.model_version,
            &decision.assessment.model_digest,
            &decision.policy_version,
            &decision.policy_digest,
            &self.sealed.features,
            &self.sealed.contributions,
            &self.sealed.record,
        ];
        flight.add(INSERT, &params);
        self.entry.note(flight);
    }
}

/// The rows of these decisions as they stand, with their offers.
pub(crate) async fn rows(session: &Session, ids: &[Uuid]) -> Result<BTreeMap<Uuid, DecisionRow>, Fault> {
    let found = session.query(statements::BY_IDS, &[&ids]).await?;
    found.rows.iter().map(|row| read(row).map(|row| (row.id.uuid(), row))).collect()
}

pub(super) fn read(row: &Row) -> Result<DecisionRow, Fault> {
    let offer: Option<Uuid> = get(row, "offer_id")?;
    let offer = offer.map(|_| offers::read(row)).transpose()?;
    Ok(DecisionRow {
        id: DecisionId::new(get(row, "id")?),
        user: UserId::new(get(row, "person")?),
        decided_at: get(row, "decided_at")?,
        outcome: get(row, "outcome")?,
        offer,
        reason: get(row, "reason")?,
        risk_score: get(row, "risk_score")?,
        model_version: get(row, "model_version")?,
        model_digest: get(row, "model_digest")?,
        policy_version: get(row, "policy_version")?,
        policy_digest: get(row, "policy_digest")?,
        features: get(row, "features")?,
        contributions: get(row, "contributions")?,
        record: get(row, "record")?,
    })
}

/// What was written before there were keys.
pub(crate) const PLAIN: &str = "SELECT id, user_id, features, contributions, reason FROM decisions
     WHERE features LIKE '{%' OR (reason IS NOT NULL AND record IS NULL AND reason NOT LIKE '~1.%') LIMIT $1";
const SEAL: &str = "UPDATE decisions SET features = $2, contributions = $3, reason = $4 WHERE id = $1
     AND (features LIKE '{%' OR (reason IS NOT NULL AND record IS NULL AND reason NOT LIKE '~1.%'))";

/// Seals a piece of what was written before there were keys. Returns how many rows.
pub(crate) async fn seal_plain(store: &PostgresStore, most: usize) -> Result<u64, StoreError> {
    let most = &limit(most);
    let read = |row: &Row| {
        let plain =
            PlainDecision { features: get(row, 2)?, contributions: get(row, 3)?, reason: get(row, 4)? };
        Ok((get(row, 0)?, get(row, 1)?, plain))
    };
    let plain = store.primary.run(Call::long("decisions.plain"), |session| async move {
        session.query(PLAIN, &[most]).await?.rows.iter().map(read).collect::<Result<Vec<_>, Fault>>()
    });
    let plain: Vec<(Uuid, Uuid, PlainDecision)> = plain.await?;
    let mut rows = Vec::with_capacity(plain.len());
    for (id, user, plain) in plain {
        let key = store.keyring.person(UserId::new(user)).await?;
        rows.push((id, plain.seal(&key)?));
    }
    let rows = &rows;
    store
        .primary
        .run(Call::long("decisions.seal"), |session| async move {
            for (id, row) in rows {
                session.query(SEAL, &[id, &row.features, &row.contributions, &row.reason]).await?;
            }
            Ok(())
        })
        .await?;
    Ok(rows.len() as u64)
}
