//! The decision log.

use std::collections::BTreeMap;

use async_trait::async_trait;
use ecs_domain::{Timestamp, UserId};
use ecs_store::chain::{Batch, Digest};
use ecs_store::decision_log::{
    DecisionLog, DecisionTotals, Found, LogEntry, Logged, LoggedDecision, MADE, REVIEWED, WantedDecisions,
    decisions_left, standings,
};
use ecs_store::{DecisionRow, StoreError};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::chain::{self, Statements, to_digest};
use crate::column::{count, get, limit, signed, unsigned};
use crate::credit::{decisions, reviews};
use crate::engine::{Call, Fault, Flight, Param, Session};

pub(crate) const CHAIN: Statements = chain::statements!("decision_log", "decision_batches");

const NOTE: &str = "INSERT INTO decision_log (at, act, decision_id, user_id, digest)
     SELECT * FROM unnest($1::bigint[], $2::text[], $3::uuid[], $4::uuid[], $5::bytea[])";
pub(crate) const UNSEALED: &str = "SELECT number, at, act, decision_id, user_id, digest, batch
     FROM decision_log WHERE batch IS NULL ORDER BY number LIMIT $1";
pub(crate) const OF_BATCH: &str = "SELECT number, at, act, decision_id, user_id, digest, batch
     FROM decision_log WHERE batch = $1 ORDER BY number";
pub(crate) const AFTER: &str = "SELECT number, at, act, decision_id, user_id, digest, batch
     FROM decision_log WHERE number > $1 AND act = 'made' AND at >= $2 AND at < $3 ORDER BY number LIMIT $4";
pub(crate) const OF_USER: &str = "SELECT number, at, act, decision_id, user_id, digest, batch
     FROM decision_log WHERE user_id = $5 AND number > $1 AND act = 'made' AND at >= $2 AND at < $3
     ORDER BY number LIMIT $4";
pub(crate) const WENT: &str =
    "SELECT decision_id FROM decision_log WHERE decision_id = ANY ($1::uuid[]) AND act = 'aged'";
pub(crate) const SEAL: &str = "UPDATE decision_log e SET batch = $2, digest = s.digest
     FROM unnest($1::bigint[], $3::bytea[]) AS s (number, digest) WHERE e.number = s.number";
const UNLOGGED: &str = "SELECT count(*) FROM decisions d
     WHERE NOT EXISTS (SELECT 1 FROM decision_log l WHERE l.decision_id = d.id AND l.act = 'made')";
const UNLOGGED_REVIEWS: &str = "SELECT count(*) FROM decision_reviews r WHERE r.concluded_at IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM decision_log l WHERE l.decision_id = r.id AND l.act = 'reviewed')";
const UNDECIDED: &str = "SELECT count(*) FROM credit_limits o
     WHERE NOT EXISTS (SELECT 1 FROM decisions d WHERE d.offer_id = o.id)
        AND NOT EXISTS (SELECT 1 FROM decision_reviews r WHERE r.offer_id = o.id)
        AND NOT EXISTS (SELECT 1 FROM erasures e WHERE e.user_id = o.user_id)";

#[async_trait]
impl DecisionLog for PostgresStore {
    async fn seal_decisions(&self, now: Timestamp, most: usize) -> Result<Option<Batch>, StoreError> {
        self.primary
            .run(Call::quick("decision_log.seal"), |session| async move { seal(&session, now, most).await })
            .await
    }

    async fn decision_totals(&self) -> Result<DecisionTotals, StoreError> {
        self.primary
            .run(Call::long("decision_log.totals"), |session| async move {
                let counted = async |sql| session.query(sql, &[]).await?.only().map(unsigned);
                Ok(DecisionTotals {
                    log: CHAIN.totals(&session).await?,
                    unlogged: counted(UNLOGGED).await? + counted(UNLOGGED_REVIEWS).await?,
                    undecided: counted(UNDECIDED).await?,
                })
            })
            .await
    }

    async fn decision_batches(&self, from: u64, most: usize) -> Result<Vec<Batch>, StoreError> {
        self.primary
            .run(Call::quick("decision_log.batches"), |session| async move {
                CHAIN.batches(&session, from, most).await
            })
            .await
    }

    async fn logged(&self, batch: Option<u64>) -> Result<Vec<Logged>, StoreError> {
        let (batch, all) = (&batch.map(signed), &i64::MAX);
        let found = self.primary.run(Call::quick("decision_log.logged"), |session| async move {
            let entries = match batch {
                Some(batch) => list(&session, OF_BATCH, &[batch]).await?,
                None => list(&session, UNSEALED, &[all]).await?,
            };
            find(&session, entries).await
        });
        standings(found.await?, &self.keyring).await
    }

    async fn logged_decisions(
        &self,
        wanted: &WantedDecisions,
        after: u64,
        most: usize,
    ) -> Result<Vec<LoggedDecision>, StoreError> {
        let found = self.primary.run(Call::quick("decision_log.decisions"), |session| async move {
            made(&session, wanted, after, most).await
        });
        decisions_left(found.await?, &self.keyring).await
    }
}

/// Entries as the columns of new rows; they must live until their flight is sent.
#[derive(Default)]
pub(crate) struct Rows {
    at: Vec<i64>,
    act: Vec<&'static str>,
    decision: Vec<Uuid>,
    user: Vec<Uuid>,
    digest: Vec<Vec<u8>>,
}

impl Rows {
    /// An entry about what has this id, and the digest of its row.
    pub(crate) fn push(&mut self, act: &'static str, at: Timestamp, id: Uuid, user: UserId, digest: Digest) {
        self.at.push(at.as_microsecond());
        self.act.push(act);
        self.decision.push(id);
        self.user.push(user.uuid());
        self.digest.push(digest.to_vec());
    }

    /// Notes them with the flight's transaction, in which the rows are, too.
    pub(crate) fn insert<'a>(&'a self, flight: &mut Flight<'a>) {
        flight.add(NOTE, &[&self.at, &self.act, &self.decision, &self.user, &self.digest]);
    }
}

/// Decisions that are wanted, in the order of their entries, with numbers above `after`.
pub(crate) async fn made(
    session: &Session,
    wanted: &WantedDecisions,
    after: u64,
    most: usize,
) -> Result<Vec<Found>, Fault> {
    let from = wanted.from.map_or(i64::MIN, Timestamp::as_microsecond);
    let until = wanted.until.map_or(i64::MAX, Timestamp::as_microsecond);
    let (after, most) = (signed(after), limit(most));
    let entries = match wanted.user.map(|user| user.uuid()) {
        Some(user) => list(session, OF_USER, &[&after, &from, &until, &most, &user]).await?,
        None => list(session, AFTER, &[&after, &from, &until, &most]).await?,
    };
    find(session, entries).await
}

/// What there is of a sealed batch; `None` where there is no such batch.
pub(crate) async fn found_of_batch(session: &Session, batch: u64) -> Result<Option<Vec<Found>>, Fault> {
    if CHAIN.batches(session, batch, 1).await?.first().is_none_or(|found| found.number != batch) {
        return Ok(None);
    }
    let mut entries = list(session, OF_BATCH, &[&signed(batch)]).await?;
    entries.retain(|entry| entry.act == MADE);
    find(session, entries).await.map(Some)
}

/// Only one seals at a time; whoever decides is not held up.
async fn seal(session: &Session, now: Timestamp, most: usize) -> Result<Option<Batch>, Fault> {
    let most = limit(most);
    let mut flight = session.flight();
    let last = CHAIN.begin(&mut flight);
    let unsealed = flight.add(UNSEALED, &[&most]);
    let mut answers = flight.send().await?;
    let mut entries: Vec<LogEntry> =
        answers.take(unsealed).rows.iter().map(read).collect::<Result<_, _>>()?;
    if entries.is_empty() {
        let mut flight = session.flight();
        flight.roll_back();
        flight.send().await?;
        return Ok(None);
    }
    digest_older(session, &mut entries).await?;
    let row = Statements::next(&answers.take(last), &entries, now)?;
    let numbers: Vec<i64> = entries.iter().map(|entry| signed(entry.number)).collect();
    let digests: Vec<Option<Vec<u8>>> =
        entries.iter().map(|entry| entry.digest.map(|digest| digest.to_vec())).collect();
    let mut flight = session.flight();
    flight.add(SEAL, &[&numbers, row.number(), &digests]);
    CHAIN.add(&mut flight, &row);
    flight.commit();
    flight.send().await?;
    Ok(Some(row.batch()))
}

/// Digests the rows of decisions from before there was a log.
async fn digest_older(session: &Session, entries: &mut [LogEntry]) -> Result<(), Fault> {
    let older = |entry: &LogEntry| entry.act == MADE && entry.digest.is_none();
    let ids: Vec<Uuid> = entries.iter().filter(|entry| older(entry)).map(|entry| entry.decision).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let rows = decisions::rows(session, &ids).await?;
    for entry in entries.iter_mut().filter(|entry| older(entry)) {
        entry.digest = rows.get(&entry.decision).map(DecisionRow::digest);
    }
    Ok(())
}

/// Rows are read before what tells why they are not there: that is written with their removal, or before it.
async fn find(session: &Session, entries: Vec<LogEntry>) -> Result<Vec<Found>, Fault> {
    let of = |act: &str| -> Vec<Uuid> {
        entries.iter().filter(|entry| entry.act == act).map(|entry| entry.decision).collect()
    };
    let (made, reviewed) = (of(MADE), of(REVIEWED));
    let mut rows: BTreeMap<Uuid, DecisionRow> = decisions::rows(session, &made).await?;
    let reviews = match reviewed.is_empty() {
        true => BTreeMap::new(),
        false => reviews::digests(session, &reviewed).await?,
    };
    let is_there = |id: &Uuid| rows.contains_key(id) || reviews.contains_key(id);
    let missing: Vec<Uuid> = made.into_iter().chain(reviewed).filter(|id| !is_there(id)).collect();
    let mut aged: Vec<Uuid> = Vec::new();
    if !missing.is_empty() {
        let went = session.query(WENT, &[&missing]).await?;
        aged = went.rows.iter().map(|row| get(row, "decision_id")).collect::<Result<_, _>>()?;
    }
    let find = |entry: LogEntry| {
        let id = entry.decision;
        match entry.act.as_str() {
            MADE => Found { row: rows.remove(&id), review: None, aged: aged.contains(&id), entry },
            REVIEWED => {
                Found { row: None, review: reviews.get(&id).copied(), aged: aged.contains(&id), entry }
            }
            _ => Found { row: None, review: None, aged: false, entry },
        }
    };
    Ok(entries.into_iter().map(find).collect())
}

async fn list(session: &Session, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<LogEntry>, Fault> {
    session.query(sql, params).await?.rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<LogEntry, Fault> {
    let digest: Option<&[u8]> = get(row, "digest")?;
    let digest: Option<Digest> = digest.map(to_digest).transpose()?;
    Ok(LogEntry {
        number: count(row, "number")?,
        at: get(row, "at")?,
        act: get(row, "act")?,
        decision: get(row, "decision_id")?,
        user: get(row, "user_id")?,
        digest,
        batch: get::<_, Option<i64>>(row, "batch")?.map(unsigned),
    })
}
