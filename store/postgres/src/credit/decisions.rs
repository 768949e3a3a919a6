//! Decisions, as they are read.

use std::collections::BTreeMap;

use ecs_domain::policy::Facts;
use ecs_domain::{DecisionId, Money, Timestamp, UserId};
use ecs_store::{DecisionRow, PlainDecision, StoreError, denied_since};
use ecs_vault::PersonKey;
use tokio_postgres::Row;
use uuid::Uuid;

use super::offers;
use crate::PostgresStore;
use crate::column::{get, limit};
use crate::engine::{Call, Fault, Session};

pub(crate) mod statements {
    //! The SQL of decisions, where the test of the query plans sees it.

    /// With its offer, whose columns are named as `offers::read` wants them.
    macro_rules! select {
        ($which:literal) => {
            select!("", "decisions d LEFT JOIN credit_limits o ON o.id = d.offer_id WHERE ", $which)
        };
        ($before:literal, $from:literal, $which:literal) => {
            concat!(
                "SELECT ",
                $before,
                "d.id, d.user_id AS person, d.decided_at, d.outcome, d.reason, d.risk_score, d.model_version,
            d.model_digest, d.policy_version, d.policy_digest, d.features, d.contributions, d.record,
            o.id AS offer_id, o.user_id, o.status, (o.credit_limit * 100)::bigint AS credit_limit_minor,
            (o.interest_rate * 100)::bigint AS interest_rate_bp, o.credit_type, o.expires_at, o.accepted_at,
            o.activated_at, o.created_at FROM ",
                $from,
                $which
            )
        };
    }

    /// The last one of each of several users that was made after an instant.
    pub(crate) const LAST_OF: &str = select!(
        "asked.place, ",
        "unnest($1::uuid[], $2::timestamptz[]) WITH ORDINALITY AS asked (user_id, since, place)
         CROSS JOIN LATERAL (SELECT * FROM decisions WHERE user_id = asked.user_id AND decided_at > asked.since
            ORDER BY decided_at DESC LIMIT 1) d
         LEFT JOIN credit_limits o ON o.id = d.offer_id",
        ""
    );
    pub(crate) const BY_IDS: &str = select!("d.id = ANY ($1::uuid[])");
    /// What each of several users could owe at an instant, in hundredths and held at what money is at most, and their last denial if
    /// there is one.
    pub(crate) const FACTS_OF: &str = "SELECT asked.place, o.exposure_minor, d.decided_at, d.record
         FROM unnest($1::uuid[], $2::timestamptz[]) WITH ORDINALITY AS asked (user_id, at, place)
         CROSS JOIN LATERAL
            (SELECT (least(coalesce(sum(credit_limit), 0), 999999999999.99) * 100)::bigint AS exposure_minor
             FROM credit_limits
             WHERE user_id = asked.user_id
                AND (status IN ('accepted', 'active') OR (status = 'offered' AND expires_at > asked.at))) o
         LEFT JOIN LATERAL
            (SELECT decided_at, record FROM decisions
             WHERE user_id = asked.user_id AND outcome = 'denied' ORDER BY decided_at DESC LIMIT 1) d ON true";
    pub(crate) const OWNED: &str = select!("d.id = $1 AND d.user_id = $2");
    pub(crate) const OWNER: &str = "SELECT user_id FROM decisions WHERE id = $1";
    pub(crate) const COUNT: &str = "SELECT count(*) FROM decisions WHERE user_id = $1";
    pub(crate) const PAGE: &str = select!(
        "d.id = ANY (ARRAY(SELECT id FROM decisions WHERE user_id = $1 ORDER BY decided_at DESC, id DESC LIMIT $2 OFFSET $3))
         ORDER BY d.decided_at DESC, d.id DESC"
    );
}

/// What a policy must know of a user besides their features, as it stands there.
pub(crate) struct Latest {
    exposure: Money,
    /// The last denial, with its column `record`.
    denied: Option<(Timestamp, Option<String>)>,
}

impl Latest {
    pub(crate) fn read(row: &Row) -> Result<Self, Fault> {
        let denied_at: Option<Timestamp> = get(row, "decided_at")?;
        let denied = denied_at.map(|at| Ok::<_, Fault>((at, get(row, "record")?))).transpose()?;
        Ok(Self { exposure: Money::from_minor_units(get(row, "exposure_minor")?), denied })
    }

    /// Whether it can be told without the user's key.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.denied, Some((_, Some(_))))
    }

    pub(super) fn open(self, key: Option<&PersonKey>) -> Result<Facts, StoreError> {
        let denied = self.denied.map(|(at, record)| denied_since(at, record, key)).transpose()?;
        Ok(Facts { exposure: self.exposure, last_denied_at: denied })
    }

    /// Whether what a decision was made of does not hold any more.
    pub(crate) fn differs(self, facts: Option<Facts>, key: &PersonKey) -> Result<bool, StoreError> {
        let Some(facts) = facts else { return Ok(false) };
        Ok(facts != self.open(Some(key))?)
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
