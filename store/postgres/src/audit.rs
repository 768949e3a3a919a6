//! The audit log.

use async_trait::async_trait;
use ecs_domain::Timestamp;
use ecs_store::audit::{Audit, Batch, Digest, Entry, EntryFilter, FIRST, NewEntry, Totals, digest};
use ecs_store::{StoreError, sealed};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::column::{count, get, limit, micros, signed};
use crate::engine::{Call, Fault, Flight, Param, Session};

const NOTE: &str =
    "INSERT INTO audit_entries (at, actor, act, subject, was, became) VALUES ($1, $2, $3, $4, $5, $6)";
pub(crate) const UNSEALED: &str = "SELECT number, at, actor, act, subject, was, became, batch
     FROM audit_entries WHERE batch IS NULL ORDER BY number LIMIT $1";
pub(crate) const OF_BATCH: &str = "SELECT number, at, actor, act, subject, was, became, batch
     FROM audit_entries WHERE batch = $1 ORDER BY number";
pub(crate) const BY_SUBJECT: &str = "SELECT number, at, actor, act, subject, was, became, batch
     FROM audit_entries WHERE subject = $1 AND number < $2 AND ($3::uuid IS NULL OR actor = $3)
        AND ($4::text IS NULL OR act = $4) ORDER BY number DESC LIMIT $5";
pub(crate) const BY_ACTOR: &str = "SELECT number, at, actor, act, subject, was, became, batch
     FROM audit_entries WHERE actor = $1 AND number < $2 AND ($3::text IS NULL OR act = $3) ORDER BY number DESC LIMIT $4";
pub(crate) const NEWEST: &str = "SELECT number, at, actor, act, subject, was, became, batch
     FROM audit_entries WHERE number < $1 AND ($2::text IS NULL OR act = $2) ORDER BY number DESC LIMIT $3";
/// Only one seals at a time; whoever reads batches is not held up.
const ALONE: &str = "LOCK TABLE audit_batches IN SHARE ROW EXCLUSIVE MODE";
pub(crate) const LAST: &str = "SELECT number, digest FROM audit_batches ORDER BY number DESC LIMIT 1";
pub(crate) const SEAL: &str = "UPDATE audit_entries e SET batch = $2, was = s.was, became = s.became
     FROM unnest($1::bigint[], $3::text[], $4::text[]) AS s (number, was, became) WHERE e.number = s.number";
const ADD: &str = "INSERT INTO audit_batches (number, entries, digest, sealed_at) VALUES ($1, $2, $3, $4)";
const TOTALS: &str = "SELECT count(batch) AS sealed, count(*) - count(batch) AS unsealed,
        min(at) FILTER (WHERE batch IS NULL) AS oldest FROM audit_entries";
pub(crate) const NEWEST_BATCH: &str = "SELECT number, entries, digest, sealed_at FROM audit_batches
     ORDER BY number DESC LIMIT 1";
pub(crate) const BATCHES: &str = "SELECT number, entries, digest, sealed_at FROM audit_batches
     WHERE number >= $1 ORDER BY number LIMIT $2";

#[async_trait]
impl Audit for PostgresStore {
    async fn note(&self, entry: NewEntry) -> Result<(), StoreError> {
        let entry = &entry;
        self.primary
            .run(Call::quick("audit.note"), |session| async move { write(&session, entry).await })
            .await
    }

    async fn seal(&self, now: Timestamp, most: usize) -> Result<Option<Batch>, StoreError> {
        let most = &limit(most);
        let unsealed = self.primary.run(Call::quick("audit.unsealed"), |session| async move {
            list(&session, UNSEALED, &[most]).await
        });
        let mut entries = unsealed.await?;
        sealed::seal_entries(&mut entries, &self.keyring).await?;
        let entries = &entries;
        self.primary
            .run(Call::quick("audit.seal"), |session| async move { seal(&session, entries, now).await })
            .await
    }

    async fn audit_totals(&self) -> Result<Totals, StoreError> {
        self.primary.run(Call::long("audit.totals"), |session| async move { totals(&session).await }).await
    }

    async fn batches(&self, from: u64, most: usize) -> Result<Vec<Batch>, StoreError> {
        let (from, most) = (&signed(from), &limit(most));
        self.primary
            .run(Call::quick("audit.batches"), |session| async move {
                session.query(BATCHES, &[from, most]).await?.rows.iter().map(read_batch).collect()
            })
            .await
    }

    async fn entries_of(&self, batch: Option<u64>) -> Result<Vec<Entry>, StoreError> {
        let (batch, all) = (&batch.map(signed), &i64::MAX);
        self.primary
            .run(Call::quick("audit.entries_of"), |session| async move {
                match batch {
                    Some(batch) => list(&session, OF_BATCH, &[batch]).await,
                    None => list(&session, UNSEALED, &[all]).await,
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

/// `None` when there is nothing to seal, or when somebody else has sealed any of these.
async fn seal(session: &Session, entries: &[Entry], now: Timestamp) -> Result<Option<Batch>, Fault> {
    let most = limit(entries.len());
    let mut flight = session.flight();
    flight.begin();
    flight.add(ALONE, &[]);
    let last = flight.add(LAST, &[]);
    let unsealed = flight.add(UNSEALED, &[&most]);
    let mut answers = flight.send().await?;
    let still: Vec<Entry> = answers.take(unsealed).rows.iter().map(read).collect::<Result<_, _>>()?;
    let mut flight = session.flight();
    let same = still.iter().map(|entry| entry.number).eq(entries.iter().map(|entry| entry.number));
    if entries.is_empty() || !same {
        flight.roll_back();
        flight.send().await?;
        return Ok(None);
    }
    let (last, previous) = answers.take(last).first().map(read_last).transpose()?.unwrap_or((0, FIRST));
    let (number, digest) = (last + 1, digest(last + 1, &previous, entries));
    let numbers: Vec<i64> = entries.iter().map(|entry| signed(entry.number)).collect();
    let before: Vec<&str> = entries.iter().map(|entry| entry.before.as_str()).collect();
    let after: Vec<&str> = entries.iter().map(|entry| entry.after.as_str()).collect();
    let (column, bytes, sealed_at) = (signed(number), digest.as_slice(), micros(now));
    let entries = entries.len() as u64;
    let counted = signed(entries);
    flight.add(SEAL, &[&numbers, &column, &before, &after]);
    flight.add(ADD, &[&column, &counted, &bytes, &sealed_at]);
    flight.commit();
    flight.send().await?;
    Ok(Some(Batch { number, entries, digest, sealed_at }))
}

async fn totals(session: &Session) -> Result<Totals, Fault> {
    let counted = session.query(TOTALS, &[]).await?;
    let counted = counted.first().ok_or(Fault::Conflict)?;
    let newest = session.query(NEWEST_BATCH, &[]).await?.first().map(read_batch).transpose()?;
    let (sealed, unsealed) = (count(counted, "sealed")?, count(counted, "unsealed")?);
    Ok(Totals { sealed, unsealed, oldest_unsealed: get(counted, "oldest")?, newest })
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

fn read_last(row: &Row) -> Result<(u64, Digest), Fault> {
    Ok((count(row, "number")?, read_digest(row)?))
}

fn read_digest(row: &Row) -> Result<Digest, Fault> {
    let wrong = |_| StoreError::Corrupt("the column digest holds no digest".to_owned());
    Ok(get::<_, &[u8]>(row, "digest")?.try_into().map_err(wrong)?)
}

fn read_batch(row: &Row) -> Result<Batch, Fault> {
    Ok(Batch {
        number: count(row, "number")?,
        entries: count(row, "entries")?,
        digest: read_digest(row)?,
        sealed_at: get(row, "sealed_at")?,
    })
}
