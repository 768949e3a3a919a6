//! The audit log.

use async_trait::async_trait;
use ecs_domain::Timestamp;
use ecs_store::audit::{Audit, Batch, Entry, EntryFilter, NewEntry, Totals};
use ecs_store::{StoreError, sealed};
use rusqlite::{Connection, Params, Row, params};

use crate::SqliteStore;
use crate::chain::{self, Statements, key};
use crate::column::{IdBytes, count, limit};
use crate::engine::Fault;

pub(crate) const CHAIN: Statements = chain::statements!("audit_entries", "audit_batches");

const NOTE: &str =
    "INSERT INTO audit_entries (at, actor, act, subject, was, became) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
pub(crate) const UNSEALED: &str = "SELECT number, at, actor, act, subject, was, became, batch
     FROM audit_entries WHERE batch IS NULL AND number > ?1 ORDER BY number LIMIT ?2";
pub(crate) const STILL_UNSEALED: &str = "SELECT 1 FROM audit_entries WHERE number = ?1 AND batch IS NULL";
pub(crate) const OF_BATCH: &str = "SELECT number, at, actor, act, subject, was, became, batch
     FROM audit_entries WHERE batch = ?1 ORDER BY number";
pub(crate) const BY_SUBJECT: &str = "SELECT number, at, actor, act, subject, was, became, batch
     FROM audit_entries WHERE subject = ?1 AND number < ?2 AND (?3 IS NULL OR +actor = ?3) AND (?4 IS NULL OR act = ?4)
     ORDER BY number DESC LIMIT ?5";
pub(crate) const BY_ACTOR: &str = "SELECT number, at, actor, act, subject, was, became, batch
     FROM audit_entries WHERE actor = ?1 AND number < ?2 AND (?3 IS NULL OR act = ?3) ORDER BY number DESC LIMIT ?4";
pub(crate) const NEWEST: &str = "SELECT number, at, actor, act, subject, was, became, batch
     FROM audit_entries WHERE number < ?1 AND (?2 IS NULL OR act = ?2) ORDER BY number DESC LIMIT ?3";
pub(crate) const SEAL: &str = "UPDATE audit_entries SET batch = ?2, was = ?3, became = ?4 WHERE number = ?1";

#[async_trait]
impl Audit for SqliteStore {
    async fn note(&self, entry: NewEntry) -> Result<(), StoreError> {
        self.write("audit.note", move |connection| note(connection, &entry)).await
    }

    async fn seal(&self, now: Timestamp, most: usize) -> Result<Option<Batch>, StoreError> {
        let unsealed = |after| {
            self.read("audit.unsealed", move |connection| {
                list(connection, UNSEALED, [key(after), limit(most)])
            })
        };
        let next = sealed::next_batch(unsealed, &self.keyring).await?;
        self.withheld.note(next.withheld, now);
        if next.entries.is_empty() {
            return Ok(None);
        }
        self.write("audit.seal", move |connection| seal(connection, &next.entries, now)).await
    }

    async fn audit_totals(&self) -> Result<Totals, StoreError> {
        self.read("audit.totals", |connection| CHAIN.totals(connection)).await
    }

    async fn batches(&self, from: u64, most: usize) -> Result<Vec<Batch>, StoreError> {
        self.read("audit.batches", move |connection| CHAIN.batches(connection, from, most)).await
    }

    async fn entries_of(&self, batch: Option<u64>) -> Result<Vec<Entry>, StoreError> {
        let batch = batch.map(key);
        self.read("audit.entries_of", move |connection| match batch {
            Some(batch) => list(connection, OF_BATCH, [batch]),
            None => list(connection, UNSEALED, [0, i64::MAX]),
        })
        .await
    }

    async fn entries(
        &self,
        filter: &EntryFilter,
        before: Option<u64>,
        most: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let EntryFilter { actor, subject, act } = filter.clone();
        let before = before.map_or(i64::MAX, key);
        let actor = actor.map(|actor| IdBytes(actor.uuid()));
        let (act, most) = (act.map(|act| act.as_str()), limit(most));
        let found = self.read("audit.entries", move |connection| match (&subject, &actor) {
            (Some(subject), actor) => {
                list(connection, BY_SUBJECT, params![subject, before, actor, act, most])
            }
            (None, Some(actor)) => list(connection, BY_ACTOR, params![actor, before, act, most]),
            (None, None) => list(connection, NEWEST, params![before, act, most]),
        });
        sealed::open_entries(found.await?, &self.keyring).await
    }
}

/// Writes an entry into the open transaction.
pub(crate) fn note(connection: &Connection, entry: &NewEntry) -> Result<(), Fault> {
    let NewEntry { at, actor, act, subject, before, after } = entry;
    let texts = (act.as_str(), subject, before.to_string(), after.to_string());
    let values = params![at.as_microsecond(), IdBytes(actor.uuid()), texts.0, texts.1, texts.2, texts.3];
    connection.prepare_cached(NOTE)?.execute(values)?;
    Ok(())
}

/// The same, if there is one.
pub(crate) fn note_some(connection: &Connection, entry: Option<NewEntry>) -> Result<(), Fault> {
    entry.map_or(Ok(()), |entry| note(connection, &entry))
}

/// Nobody else writes meanwhile, so the last batch is the last until the end. `None` when somebody else has sealed any of these.
fn seal(connection: &Connection, entries: &[Entry], now: Timestamp) -> Result<Option<Batch>, Fault> {
    let mut still_unsealed = connection.prepare_cached(STILL_UNSEALED)?;
    for entry in entries {
        if !still_unsealed.exists([key(entry.number)])? {
            tracing::debug!(entry.number, "an entry of the audit log was sealed elsewhere");
            return Ok(None);
        }
    }
    let batch = CHAIN.next(connection)?;
    for entry in entries {
        let values = (key(entry.number), key(batch), &entry.before, &entry.after);
        connection.prepare_cached(SEAL)?.execute(values)?;
    }
    Ok(Some(CHAIN.append(connection, entries, now)?))
}

fn list(connection: &Connection, sql: &str, params: impl Params) -> Result<Vec<Entry>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_map(params, read)?.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        number: count(row.get(0)?),
        at: row.get(1)?,
        actor: row.get::<_, IdBytes>(2)?.0,
        act: row.get(3)?,
        subject: row.get(4)?,
        before: row.get(5)?,
        after: row.get(6)?,
        batch: row.get::<_, Option<i64>>(7)?.map(count),
    })
}
