//! The audit log.

use async_trait::async_trait;
use ecs_domain::Timestamp;
use ecs_store::audit::{Audit, Batch, Entry, EntryFilter, NewEntry, Totals};
use ecs_store::{StoreError, sealed};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::chain::{self, Statements};
use crate::column::{count, get, limit, signed};
use crate::engine::{Call, Fault, Flight, Param, Session};

pub(crate) const CHAIN: Statements = chain::statements!("audit_entries", "audit_batches");

const NOTE: &str =
    "INSERT INTO audit_entries (at, actor, act, subject, was, became) VALUES ($1, $2, $3, $4, $5, $6)";
pub(crate) const UNSEALED: &str = "SELECT number, at, actor, act, subject, was, became, batch
     FROM audit_entries WHERE batch IS NULL AND number > $1 ORDER BY number LIMIT $2";
pub(crate) const STILL_UNSEALED: &str =
    "SELECT count(*) FROM audit_entries WHERE number = ANY ($1::bigint[]) AND batch IS NULL";
pub(crate) const OF_BATCH: &str = "SELECT number, at, actor, act, subject, was, became, batch
     FROM audit_entries WHERE batch = $1 ORDER BY number";
pub(crate) const BY_SUBJECT: &str = "SELECT number, at, actor, act, subject, was, became, batch
     FROM audit_entries WHERE subject = $1 AND number < $2 AND ($3::uuid IS NULL OR actor = $3)
        AND ($4::text IS NULL OR act = $4) ORDER BY number DESC LIMIT $5";
pub(crate) const BY_ACTOR: &str = "SELECT number, at, actor, act, subject, was, became, batch
     FROM audit_entries WHERE actor = $1 AND number < $2 AND ($3::text IS NULL OR act = $3) ORDER BY number DESC LIMIT $4";
pub(crate) const NEWEST: &str = "SELECT number, at, actor, act, subject, was, became, batch
     FROM audit_entries WHERE number < $1 AND ($2::text IS NULL OR act = $2) ORDER BY number DESC LIMIT $3";
pub(crate) const SEAL: &str = "UPDATE audit_entries e SET batch = $2, was = s.was, became = s.became
     FROM unnest($1::bigint[], $3::text[], $4::text[]) AS s (number, was, became) WHERE e.number = s.number";

#[async_trait]
impl Audit for PostgresStore {
    async fn note(&self, entry: NewEntry) -> Result<(), StoreError> {
        let entry = &entry;
        self.primary
            .run(Call::quick("audit.note"), |session| async move { write(&session, entry).await })
            .await
    }

    async fn seal(&self, now: Timestamp, most: usize) -> Result<Option<Batch>, StoreError> {
        let most = limit(most);
        let unsealed = async |after| {
            let (after, most) = (&signed(after), &most);
            self.primary
                .run(Call::quick("audit.unsealed"), |session| async move {
                    list(&session, UNSEALED, &[after, most]).await
                })
                .await
        };
        let next = sealed::next_batch(unsealed, &self.keyring).await?;
        self.withheld.note(next.withheld, now);
        let entries = &next.entries;
        if entries.is_empty() {
            return Ok(None);
        }
        self.primary
            .run(Call::quick("audit.seal"), |session| async move { seal(&session, entries, now).await })
            .await
    }

    async fn audit_totals(&self) -> Result<Totals, StoreError> {
        self.primary
            .run(Call::long("audit.totals"), |session| async move { CHAIN.totals(&session).await })
            .await
    }

    async fn batches(&self, from: u64, most: usize) -> Result<Vec<Batch>, StoreError> {
        self.primary
            .run(
                Call::quick("audit.batches"),
                |session| async move { CHAIN.batches(&session, from, most).await },
            )
            .await
    }

    async fn entries_of(&self, batch: Option<u64>) -> Result<Vec<Entry>, StoreError> {
        let (batch, first, all) = (&batch.map(signed), &0_i64, &i64::MAX);
        self.primary
            .run(Call::quick("audit.entries_of"), |session| async move {
                match batch {
                    Some(batch) => list(&session, OF_BATCH, &[batch]).await,
                    None => list(&session, UNSEALED, &[first, all]).await,
                }
            })
            .await
    }

    async fn entries(
        &self,
        filter: &EntryFilter,
        before: Option<u64>,
        most: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let EntryFilter { actor, subject, act } = filter;
        let (before, most) = (&before.map_or(i64::MAX, signed), &limit(most));
        let (actor, act) = (&actor.map(|actor| actor.uuid()), &act.map(|act| act.as_str()));
        let found = self.primary.run(Call::quick("audit.entries"), |session| async move {
            match (subject, actor) {
                (Some(subject), actor) => {
                    list(&session, BY_SUBJECT, &[subject, before, actor, act, most]).await
                }
                (None, Some(actor)) => list(&session, BY_ACTOR, &[actor, before, act, most]).await,
                (None, None) => list(&session, NEWEST, &[before, act, most]).await,
            }
        });
        sealed::open_entries(found.await?, &self.keyring).await
    }
}

/// An entry as its columns have it; it must live until the flight is sent.
pub(crate) struct EntryRow<'a> {
    entry: &'a NewEntry,
    at: i64,
    actor: Uuid,
    act: &'static str,
    before: String,
    after: String,
}

impl<'a> EntryRow<'a> {
    pub(crate) fn new(entry: &'a NewEntry) -> Self {
        let NewEntry { at, actor, act, before, after, .. } = entry;
        let (before, after) = (before.to_string(), after.to_string());
        Self { entry, at: at.as_microsecond(), actor: actor.uuid(), act: act.as_str(), before, after }
    }

    fn params(&self) -> [Param<'_>; 6] {
        [&self.at, &self.actor, &self.act, &self.entry.subject, &self.before, &self.after]
    }
}

/// Writes an entry, into the open transaction if there is one.
pub(crate) async fn write(session: &Session, entry: &NewEntry) -> Result<(), Fault> {
    session.query(NOTE, &EntryRow::new(entry).params()).await?;
    Ok(())
}

/// Writes an entry with the flight's transaction.
pub(crate) fn note<'a>(flight: &mut Flight<'a>, row: &'a EntryRow<'_>) {
    flight.add(NOTE, &row.params());
}

/// Commits the open transaction, with an entry if there is one.
pub(crate) async fn commit(session: &Session, entry: Option<&NewEntry>) -> Result<(), Fault> {
    let row = entry.map(EntryRow::new);
    let mut flight = session.flight();
    if let Some(row) = &row {
        note(&mut flight, row);
    }
    flight.commit();
    flight.send().await?;
    Ok(())
}

/// `None` when somebody else has sealed any of these.
async fn seal(session: &Session, entries: &[Entry], now: Timestamp) -> Result<Option<Batch>, Fault> {
    let numbers: Vec<i64> = entries.iter().map(|entry| signed(entry.number)).collect();
    let mut flight = session.flight();
    let last = CHAIN.begin(&mut flight);
    let still = flight.add(STILL_UNSEALED, &[&numbers]);
    let mut answers = flight.send().await?;
    let still: i64 = answers.take(still).only()?;
    let mut flight = session.flight();
    if still != limit(entries.len()) {
        flight.roll_back();
        flight.send().await?;
        return Ok(None);
    }
    let row = Statements::next(&answers.take(last), entries, now)?;
    let before: Vec<&str> = entries.iter().map(|entry| entry.before.as_str()).collect();
    let after: Vec<&str> = entries.iter().map(|entry| entry.after.as_str()).collect();
    flight.add(SEAL, &[&numbers, row.number(), &before, &after]);
    CHAIN.add(&mut flight, &row);
    flight.commit();
    flight.send().await?;
    Ok(Some(row.batch()))
}

async fn list(session: &Session, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<Entry>, Fault> {
    session.query(sql, params).await?.rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Entry, Fault> {
    Ok(Entry {
        number: count(row, "number")?,
        at: get(row, "at")?,
        actor: get(row, "actor")?,
        act: get(row, "act")?,
        subject: get(row, "subject")?,
        before: get(row, "was")?,
        after: get(row, "became")?,
        batch: get::<_, Option<i64>>(row, "batch")?.map(crate::column::unsigned),
    })
}
