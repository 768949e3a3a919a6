//! Decisions: the last one stands for a while, and this is where that is enforced.

use ecs_domain::decision::{Decision, Outcome};
use ecs_domain::policy::Facts;
use ecs_domain::{DecisionId, Money, OfferId, Timestamp, UserId};
use ecs_store::{
    DecisionRow, NewDecision, PlainDecision, Recorded, SealedDecision, StoreError, denied_since,
};
use ecs_vault::PersonKey;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::offers;
use crate::SqliteStore;
use crate::column::{At, Id, IdText, limit};
use crate::engine::Fault;
use crate::{decision_log, erasures};

pub(crate) mod statements {
    //! The SQL of decisions, where the test of the query plans sees it.

    pub(crate) const LAST: &str =
        "SELECT id, user_id, decided_at, outcome, reason, offer_id, risk_score, model_version, model_digest,
            policy_version, policy_digest, features, contributions, record
         FROM decisions WHERE user_id = ?1 AND decided_at > ?2 ORDER BY decided_at DESC LIMIT 1";
    pub(crate) const BY_ID: &str =
        "SELECT id, user_id, decided_at, outcome, reason, offer_id, risk_score, model_version, model_digest,
            policy_version, policy_digest, features, contributions, record
         FROM decisions WHERE id = ?1";
    /// In hundredths; held at what money is at most.
    pub(crate) const EXPOSURE: &str =
        "SELECT min(coalesce(sum(credit_limit_minor), 0), 99999999999999) FROM credit_limits
         WHERE user_id = ?1 AND (status IN ('accepted', 'active') OR (status = 'offered' AND expires_at > ?2))";
    pub(crate) const LAST_DENIAL: &str = "SELECT decided_at, record FROM decisions
         WHERE user_id = ?1 AND outcome = 'denied' ORDER BY decided_at DESC LIMIT 1";
    pub(crate) const OWNED: &str =
        "SELECT id, user_id, decided_at, outcome, reason, offer_id, risk_score, model_version, model_digest,
            policy_version, policy_digest, features, contributions, record
         FROM decisions WHERE id = ?1 AND user_id = ?2";
    pub(crate) const OWNER: &str = "SELECT user_id FROM decisions WHERE id = ?1";
    pub(crate) const COUNT: &str = "SELECT count(*) FROM decisions WHERE user_id = ?1";
    pub(crate) const PAGE: &str =
        "SELECT id, user_id, decided_at, outcome, reason, offer_id, risk_score, model_version, model_digest,
            policy_version, policy_digest, features, contributions, record
         FROM decisions WHERE user_id = ?1 ORDER BY decided_at DESC, rowid DESC LIMIT ?2 OFFSET ?3";
}

const INSERT: &str = "INSERT INTO decisions (id, user_id, decided_at, outcome, reason, offer_id, risk_score,
        model_version, model_digest, policy_version, policy_digest, features, contributions, record)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

/// The user's last decision when it was made after `since`.
pub(super) fn standing(
    connection: &Connection,
    user: UserId,
    since: Timestamp,
    key: Option<&PersonKey>,
) -> Result<Option<Decision>, Fault> {
    let mut statement = connection.prepare_cached(statements::LAST)?;
    let row = statement.query_row(params![IdText::new(user.uuid()), At(since)], read).optional()?;
    row.map(|row| with_offer(connection, row, key)).transpose()
}

/// What a policy must know of the user at `now`.
pub(super) fn facts(
    connection: &Connection,
    user: UserId,
    now: Timestamp,
    key: Option<&PersonKey>,
) -> Result<Facts, Fault> {
    let user = IdText::new(user.uuid());
    let exposure = connection
        .prepare_cached(statements::EXPOSURE)?
        .query_row(params![user, At(now)], |row| row.get(0))?;
    let mut statement = connection.prepare_cached(statements::LAST_DENIAL)?;
    let denied = statement.query_row([user], |row| Ok((row.get::<_, At>(0)?.0, row.get(1)?))).optional()?;
    let last_denied_at = denied.map(|(at, record)| denied_since(at, record, key)).transpose()?;
    Ok(Facts { exposure: Money::from_minor_units(exposure), last_denied_at })
}

/// Keeps a decision unless an earlier one stands. Nobody else writes meanwhile: that is the lock.
pub(crate) fn record(connection: &Connection, new: &NewDecision, key: &PersonKey) -> Result<Recorded, Fault> {
    let decision = &new.decision;
    if erasures::is_asked_for(connection, decision.user)? {
        return Err(StoreError::Unavailable("the user is being erased".to_owned()).into());
    }
    if let Some(standing) = standing(connection, decision.user, new.stands_since(), Some(key))? {
        return Ok(Recorded { decision: standing, repeated: true });
    }
    let decided_at = decision.decided_at;
    if let Some(read) = new.facts
        && read != facts(connection, decision.user, decided_at, Some(key))?
    {
        return Err(StoreError::Stale.into());
    }
    if let Outcome::Approved(offer) = &decision.outcome {
        offers::insert(connection, offer)?;
    }
    insert(connection, decision, key)?;
    // Read back by its id, so that the first answer and its repeats are the same to the microsecond.
    let mut statement = connection.prepare_cached(statements::BY_ID)?;
    let kept = statement.query_row([IdText::new(decision.id.uuid())], read)?;
    Ok(Recorded { decision: with_offer(connection, kept, Some(key))?, repeated: false })
}

fn insert(connection: &Connection, decision: &Decision, key: &PersonKey) -> Result<(), Fault> {
    let sealed = SealedDecision::seal(decision, key)?;
    decision_log::note_made(connection, &DecisionRow::of(decision, &sealed))?;
    connection.prepare_cached(INSERT)?.execute(params![
        IdText::new(decision.id.uuid()),
        IdText::new(decision.user.uuid()),
        At(decision.decided_at),
        decision.outcome.as_str(),
        sealed.reason,
        decision.offer().map(|offer| IdText::new(offer.id.uuid())),
        decision.assessment.risk_score,
        decision.assessment.model_version,
        decision.assessment.model_digest,
        decision.policy_version,
        decision.policy_digest,
        sealed.features,
        sealed.contributions,
        sealed.record,
    ])?;
    Ok(())
}

/// A row, and the id of the offer that belongs to it.
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<(DecisionRow, Option<OfferId>)> {
    let kept = DecisionRow {
        id: DecisionId::new(row.get::<_, Id>("id")?.0),
        user: UserId::new(row.get::<_, Id>("user_id")?.0),
        decided_at: row.get::<_, At>("decided_at")?.0,
        outcome: row.get("outcome")?,
        offer: None,
        reason: row.get("reason")?,
        risk_score: row.get("risk_score")?,
        model_version: row.get("model_version")?,
        model_digest: row.get("model_digest")?,
        policy_version: row.get("policy_version")?,
        policy_digest: row.get("policy_digest")?,
        features: row.get("features")?,
        contributions: row.get("contributions")?,
        record: row.get("record")?,
    };
    Ok((kept, row.get::<_, Option<Id>>("offer_id")?.map(|id| OfferId::new(id.0))))
}

/// The row of a decision as it stands, with its offer.
pub(crate) fn row(connection: &Connection, decision: Uuid) -> Result<Option<DecisionRow>, Fault> {
    let mut statement = connection.prepare_cached(statements::BY_ID)?;
    let found = statement.query_row([IdText::new(decision)], read).optional()?;
    found.map(|found| whole(connection, found)).transpose()
}

pub(super) fn with_offer(
    connection: &Connection,
    found: (DecisionRow, Option<OfferId>),
    key: Option<&PersonKey>,
) -> Result<Decision, Fault> {
    Ok(whole(connection, found)?.open(key)?)
}

fn whole(
    connection: &Connection,
    (mut row, offer): (DecisionRow, Option<OfferId>),
) -> Result<DecisionRow, Fault> {
    if let Some(offer) = offer {
        row.offer = offers::find(connection, row.user, offer)?;
    }
    Ok(row)
}

/// What was written before there were keys.
pub(crate) const PLAIN: &str = "SELECT id, user_id, features, contributions, reason FROM decisions
     WHERE features LIKE '{%' OR (reason IS NOT NULL AND record IS NULL AND reason NOT LIKE '~1.%') LIMIT ?1";
const SEAL: &str = "UPDATE decisions SET features = ?2, contributions = ?3, reason = ?4 WHERE id = ?1";

/// Seals a piece of what was written before there were keys. Returns how many rows.
pub(crate) async fn seal_plain(store: &SqliteStore, most: usize) -> Result<u64, StoreError> {
    let plain: Vec<(Uuid, Uuid, PlainDecision)> = store
        .read("decisions.plain", move |connection| {
            let mut statement = connection.prepare_cached(PLAIN)?;
            let read = |row: &Row<'_>| {
                let plain =
                    PlainDecision { features: row.get(2)?, contributions: row.get(3)?, reason: row.get(4)? };
                Ok((row.get::<_, Id>(0)?.0, row.get::<_, Id>(1)?.0, plain))
            };
            Ok(statement.query_map([limit(most)], read)?.collect::<Result<_, _>>()?)
        })
        .await?;
    let mut rows = Vec::with_capacity(plain.len());
    for (id, user, plain) in plain {
        let key = store.keyring.person(UserId::new(user)).await?;
        rows.push((id, plain.seal(&key)?));
    }
    let sealed = rows.len() as u64;
    store
        .write("decisions.seal", move |connection| {
            for (id, row) in &rows {
                let values = params![IdText::new(*id), row.features, row.contributions, row.reason];
                connection.prepare_cached(SEAL)?.execute(values)?;
            }
            Ok(())
        })
        .await?;
    Ok(sealed)
}
