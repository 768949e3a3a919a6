//! The audit log.

use async_trait::async_trait;
use ecs_domain::Timestamp;
use ecs_store::audit::{Audit, Batch, Digest, Entry, EntryFilter, FIRST, NewEntry, Totals, digest};
use ecs_store::{StoreError, sealed};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use crate::SqliteStore;
use crate::column::{IdBytes, at_from_micros, count, limit};
use crate::engine::Fault;

const NOTE: &str =
    "INSERT INTO audit_entries (at, actor, act, subject, was, became) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
pub(crate) const UNSEALED: &str = "SELECT number, at, actor, act, subject, was, became, batch
     FROM audit_entries WHERE batch IS NULL ORDER BY number LIMIT ?1";
pub(crate) const OF_BATCH: &str = "SELECT number, at, actor, act, subject, was, became, batch
     FROM audit_entries WHERE batch = ?1 ORDER BY number";
pub(crate) const BY_SUBJECT: &str = "SELECT number, at, actor, act, subject, was, became, batch
     FROM audit_entries WHERE subject = ?1 AND number < ?2 AND (?3 IS NULL OR +actor = ?3) AND (?4 IS NULL OR act = ?4)
     ORDER BY number DESC LIMIT ?5";
pub(crate) const BY_ACTOR: &str = "SELECT number, at, actor, act, subject, was, became, batch
     FROM audit_entries WHERE actor = ?1 AND number < ?2 AND (?3 IS NULL OR act = ?3) ORDER BY number DESC LIMIT ?4";
pub(crate) const NEWEST: &str = "SELECT number, at, actor, act, subject, was, became, batch
     FROM audit_entries WHERE number < ?1 AND (?2 IS NULL OR act = ?2) ORDER BY number DESC LIMIT ?3";
pub(crate) const LAST: &str =
    "SELECT number, digest FROM audit_batches WHERE number = (SELECT max(number) FROM audit_batches)";
pub(crate) const SEAL: &str = "UPDATE audit_entries SET batch = ?2, was = ?3, became = ?4 WHERE number = ?1";
const ADD: &str = "INSERT INTO audit_batches (number, entries, digest, sealed_at) VALUES (?1, ?2, ?3, ?4)";
const TOTALS: &str =
    "SELECT count(batch), count(*) - count(batch), min(at) FILTER (WHERE batch IS NULL) FROM audit_entries";
pub(crate) const NEWEST_BATCH: &str = "SELECT number, entries, digest, sealed_at FROM audit_batches
     WHERE number = (SELECT max(number) FROM audit_batches)";
pub(crate) const BATCHES: &str = "SELECT number, entries, digest, sealed_at FROM audit_batches
     WHERE number >= ?1 ORDER BY number LIMIT ?2";

#[async_trait]
impl Audit for SqliteStore {
    async fn note(&self, entry: NewEntry) -> Result<(), StoreError> {
        self.write("audit.note", move |connection| note(connection, &entry)).await
    }

    async fn seal(&self, now: Timestamp, most: usize) -> Result<Option<Batch>, StoreError> {
        let entries =
            self.read("audit.unsealed", move |connection| list(connection, UNSEALED, [limit(most)]));
        let mut entries = entries.await?;
        sealed::seal_entries(&mut entries, &self.keyring).await?;
        self.write("audit.seal", move |connection| seal(connection, &entries, now)).await
    }

    async fn audit_totals(&self) -> Result<Totals, StoreError> {
        self.read("audit.totals", totals).await
    }

    async fn batches(&self, from: u64, most: usize) -> Result<Vec<Batch>, StoreError> {
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        self.read("audit.batches", move |connection| {
            let mut statement = connection.prepare_cached(BATCHES)?;
            Ok(statement.query_map((from, limit(most)), read_batch)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn entries_of(&self, batch: Option<u64>) -> Result<Vec<Entry>, StoreError> {
        let batch = batch.map(|batch| i64::try_from(batch).unwrap_or(i64::MAX));
        self.read("audit.entries_of", move |connection| match batch {
            Some(batch) => list(connection, OF_BATCH, [batch]),
            None => list(connection, UNSEALED, [i64::MAX]),
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
        let before = before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
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

/// Nobody else writes meanwhile, so the last batch is the last until the end. `None` when somebody else has sealed any of these.
fn seal(connection: &Connection, entries: &[Entry], now: Timestamp) -> Result<Option<Batch>, Fault> {
    let Some(first) = entries.first() else { return Ok(None) };
    let still = list(connection, UNSEALED, [limit(entries.len())])?;
    if !still.iter().map(|entry| entry.number).eq(entries.iter().map(|entry| entry.number)) {
        tracing::debug!(first.number, "entries of the audit log were sealed elsewhere");
        return Ok(None);
    }
    let last = connection
        .prepare_cached(LAST)?
        .query_row([], |row| Ok((count(row.get(0)?), row.get::<_, Digest>(1)?)))
        .optional()?;
    let (last, previous) = last.unwrap_or((0, FIRST));
    let number = last + 1;
    let digest = digest(number, &previous, entries);
    let column = i64::try_from(number).unwrap_or(i64::MAX);
    for entry in entries {
        let key = i64::try_from(entry.number).unwrap_or(i64::MAX);
        connection.prepare_cached(SEAL)?.execute((key, column, &entry.before, &entry.after))?;
    }
    let entries = entries.len() as u64;
    let values = params![column, i64::try_from(entries).unwrap_or(i64::MAX), digest, now.as_microsecond()];
    connection.prepare_cached(ADD)?.execute(values)?;
    Ok(Some(Batch { number, entries, digest, sealed_at: crate::column::micros(now) }))
}

fn totals(connection: &Connection) -> Result<Totals, Fault> {
    let (sealed, unsealed, oldest_unsealed) = connection
        .prepare_cached(TOTALS)?
        .query_row([], |row| Ok((count(row.get(0)?), count(row.get(1)?), row.get(2)?)))?;
    let newest = connection.prepare_cached(NEWEST_BATCH)?.query_row([], read_batch).optional()?;
    Ok(Totals { sealed, unsealed, oldest_unsealed, newest })
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

fn read_batch(row: &Row<'_>) -> rusqlite::Result<Batch> {
    Ok(Batch {
        number: count(row.get(0)?),
        entries: count(row.get(1)?),
        digest: row.get(2)?,
        sealed_at: at_from_micros(row.get(3)?)?,
    })
}
