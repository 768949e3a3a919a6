//! The decision log.

use async_trait::async_trait;
use ecs_domain::{Timestamp, UserId};
use ecs_store::chain::{Batch, Digest};
use ecs_store::decision_log::{
    AGED, DecisionLog, DecisionTotals, Found, LogEntry, Logged, LoggedDecision, MADE, REVIEWED,
    WantedDecisions, decisions_left, standings,
};
use ecs_store::{DecisionRow, ReviewRow, StoreError};
use rusqlite::{Connection, Params, Row, ToSql, params};
use uuid::Uuid;

use crate::SqliteStore;
use crate::chain::{self, Statements, key};
use crate::column::{Id, IdText, count, limit};
use crate::credit::{decisions, reviews};
use crate::engine::Fault;

pub(crate) const CHAIN: Statements = chain::statements!("decision_log", "decision_batches");

const NOTE: &str =
    "INSERT INTO decision_log (at, act, decision_id, user_id, digest) VALUES (?1, ?2, ?3, ?4, ?5)";
pub(crate) const UNSEALED: &str = "SELECT number, at, act, decision_id, user_id, digest, batch
     FROM decision_log WHERE batch IS NULL ORDER BY number LIMIT ?1";
pub(crate) const OF_BATCH: &str = "SELECT number, at, act, decision_id, user_id, digest, batch
     FROM decision_log WHERE batch = ?1 ORDER BY number";
pub(crate) const AFTER: &str = "SELECT number, at, act, decision_id, user_id, digest, batch
     FROM decision_log WHERE number > ?1 AND act = 'made' AND at >= ?2 AND at < ?3 ORDER BY number LIMIT ?4";
pub(crate) const OF_USER: &str = "SELECT number, at, act, decision_id, user_id, digest, batch
     FROM decision_log WHERE user_id = ?5 AND number > ?1 AND act = 'made' AND at >= ?2 AND at < ?3
     ORDER BY number LIMIT ?4";
pub(crate) const WENT: &str = "SELECT 1 FROM decision_log WHERE decision_id = ?1 AND act = 'aged'";
pub(crate) const SEAL: &str = "UPDATE decision_log SET batch = ?2, digest = ?3 WHERE number = ?1";
const UNLOGGED: &str = "SELECT count(*) FROM decisions d
     WHERE NOT EXISTS (SELECT 1 FROM decision_log l WHERE l.decision_id = d.id AND l.act = 'made')";
const UNLOGGED_REVIEWS: &str = "SELECT count(*) FROM decision_reviews r WHERE r.concluded_at IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM decision_log l WHERE l.decision_id = r.id AND l.act = 'reviewed')";
const UNDECIDED: &str = "SELECT count(*) FROM credit_limits o
     WHERE NOT EXISTS (SELECT 1 FROM decisions d WHERE d.offer_id = o.id)
        AND NOT EXISTS (SELECT 1 FROM decision_reviews r WHERE r.offer_id = o.id)
        AND NOT EXISTS (SELECT 1 FROM erasures e WHERE e.user_id = o.user_id)";

#[async_trait]
impl DecisionLog for SqliteStore {
    async fn seal_decisions(&self, now: Timestamp, most: usize) -> Result<Option<Batch>, StoreError> {
        self.write("decision_log.seal", move |connection| seal(connection, now, most)).await
    }

    async fn decision_totals(&self) -> Result<DecisionTotals, StoreError> {
        self.read("decision_log.totals", |connection| {
            let counted = |sql| connection.prepare_cached(sql)?.query_row([], |row| Ok(count(row.get(0)?)));
            Ok(DecisionTotals {
                log: CHAIN.totals(connection)?,
                unlogged: counted(UNLOGGED)? + counted(UNLOGGED_REVIEWS)?,
                undecided: counted(UNDECIDED)?,
            })
        })
        .await
    }

    async fn decision_batches(&self, from: u64, most: usize) -> Result<Vec<Batch>, StoreError> {
        self.read("decision_log.batches", move |connection| CHAIN.batches(connection, from, most)).await
    }

    async fn logged(&self, batch: Option<u64>) -> Result<Vec<Logged>, StoreError> {
        let found = self.read("decision_log.logged", move |connection| {
            let entries = match batch {
                Some(batch) => list(connection, OF_BATCH, [key(batch)])?,
                None => list(connection, UNSEALED, [i64::MAX])?,
            };
            entries.into_iter().map(|entry| find(connection, entry)).collect::<Result<_, Fault>>()
        });
        standings(found.await?, &self.keyring).await
    }

    async fn logged_decisions(
        &self,
        wanted: &WantedDecisions,
        after: u64,
        most: usize,
    ) -> Result<Vec<LoggedDecision>, StoreError> {
        let wanted = *wanted;
        let found = self.read("decision_log.decisions", move |connection| {
            let entries = made(connection, wanted, after, most)?;
            entries.into_iter().map(|entry| find(connection, entry)).collect::<Result<_, Fault>>()
        });
        decisions_left(found.await?, &self.keyring).await
    }
}

/// Notes a decision in the open transaction, in which its row is, too.
pub(crate) fn note_made(connection: &Connection, row: &DecisionRow) -> Result<(), Fault> {
    let ids = (IdText::new(row.id.uuid()), IdText::new(row.user.uuid()));
    let values = params![row.decided_at.as_microsecond(), MADE, ids.0, ids.1, row.digest()];
    connection.prepare_cached(NOTE)?.execute(values)?;
    Ok(())
}

/// Notes that a review was concluded in the open transaction, in which its row is, too.
pub(crate) fn note_reviewed(
    connection: &Connection,
    review: &ReviewRow,
    now: Timestamp,
) -> Result<(), Fault> {
    let ids = (IdText::new(review.id.uuid()), IdText::new(review.user.uuid()));
    let digest = reviews::digest(connection, review)?;
    connection.prepare_cached(NOTE)?.execute(params![
        now.as_microsecond(),
        REVIEWED,
        ids.0,
        ids.1,
        digest
    ])?;
    Ok(())
}

/// Notes in the open transaction that a decision, or a review, goes for its age.
pub(crate) fn note_aged(
    connection: &Connection,
    decision: Uuid,
    user: Uuid,
    now: Timestamp,
) -> Result<(), Fault> {
    let nothing: Option<Digest> = None;
    let values = params![now.as_microsecond(), AGED, IdText::new(decision), IdText::new(user), nothing];
    connection.prepare_cached(NOTE)?.execute(values)?;
    Ok(())
}

/// What there is of a sealed batch; `None` where there is no such batch.
pub(crate) fn found_of_batch(connection: &Connection, batch: u64) -> Result<Option<Vec<Found>>, Fault> {
    if CHAIN.batches(connection, batch, 1)?.first().is_none_or(|found| found.number != batch) {
        return Ok(None);
    }
    let made = list(connection, OF_BATCH, [key(batch)])?.into_iter().filter(|entry| entry.act == MADE);
    made.map(|entry| find(connection, entry)).collect::<Result<_, _>>().map(Some)
}

/// Nobody else writes meanwhile.
fn seal(connection: &Connection, now: Timestamp, most: usize) -> Result<Option<Batch>, Fault> {
    let mut entries = list(connection, UNSEALED, [limit(most)])?;
    if entries.is_empty() {
        return Ok(None);
    }
    let batch = CHAIN.next(connection)?;
    for entry in &mut entries {
        if entry.act == MADE && entry.digest.is_none() {
            entry.digest = decisions::row(connection, entry.decision)?.map(|row| row.digest());
        }
        connection.prepare_cached(SEAL)?.execute((key(entry.number), key(batch), entry.digest))?;
    }
    Ok(Some(CHAIN.append(connection, &entries, now)?))
}

fn made(
    connection: &Connection,
    wanted: WantedDecisions,
    after: u64,
    most: usize,
) -> Result<Vec<LogEntry>, Fault> {
    let WantedDecisions { from, until, user } = wanted;
    let from = from.map_or(i64::MIN, Timestamp::as_microsecond);
    let until = until.map_or(i64::MAX, Timestamp::as_microsecond);
    let user = user.map(|user: UserId| IdText::new(user.uuid()));
    let values: [&dyn ToSql; 4] = [&key(after), &from, &until, &limit(most)];
    match &user {
        Some(user) => list(connection, OF_USER, &[&values[..], &[user]].concat()[..]),
        None => list(connection, AFTER, &values[..]),
    }
}

fn find(connection: &Connection, entry: LogEntry) -> Result<Found, Fault> {
    let (row, review) = match entry.act.as_str() {
        MADE => (decisions::row(connection, entry.decision)?, None),
        REVIEWED => (None, reviews::digest_of(connection, entry.decision)?),
        _ => return Ok(Found { entry, row: None, review: None, aged: false }),
    };
    let is_missing = row.is_none() && review.is_none();
    let aged = is_missing && connection.prepare_cached(WENT)?.exists([IdText::new(entry.decision)])?;
    Ok(Found { entry, row, review, aged })
}

fn list(connection: &Connection, sql: &str, params: impl Params) -> Result<Vec<LogEntry>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_map(params, read)?.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<LogEntry> {
    Ok(LogEntry {
        number: count(row.get(0)?),
        at: row.get(1)?,
        act: row.get(2)?,
        decision: row.get::<_, Id>(3)?.0,
        user: row.get::<_, Id>(4)?.0,
        digest: row.get(5)?,
        batch: row.get::<_, Option<i64>>(6)?.map(count),
    })
}
