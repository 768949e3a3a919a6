//! The outbox.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ecs_domain::{EventId, Timestamp, UserId};
use ecs_store::{Outbox, OutboxMessage, OutboxRow, StoreError};
use rusqlite::{Connection, Row, params};

use crate::SqliteStore;
use crate::column::{Id, IdText, count, limit};
use crate::engine::Fault;

const INSERT: &str = "INSERT INTO outbox (event_id, subject, key, payload, schema_version, request_id,
        traceparent) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
pub(crate) const ANY_FREE: &str = "SELECT 1 FROM outbox WHERE claimed_until <= ?1 OR claimed_until > ?2";
pub(crate) const FREE: &str =
    "SELECT row, event_id, subject, key, payload, schema_version, request_id, traceparent
     FROM outbox WHERE claimed_until <= ?1 ORDER BY claimed_until, row LIMIT ?2";
pub(crate) const CLAIM: &str = "UPDATE outbox SET claimed_until = ?2 WHERE row = ?1";
pub(crate) const RELEASE_FUTURE: &str = "UPDATE outbox SET claimed_until = 0 WHERE claimed_until > ?1";
const RELEASE_ALL: &str = "UPDATE outbox SET claimed_until = 0 WHERE claimed_until > 0";
pub(crate) const FINISH: &str = "DELETE FROM outbox WHERE row = ?1";
pub(crate) const DEPTH: &str = "SELECT count(*) FROM outbox";

#[async_trait]
impl Outbox for SqliteStore {
    async fn claim_outbox(
        &self,
        limit: usize,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        // The relay asks many times a second and mostly for nothing: a look doesn't disturb the writer.
        let instant = now.as_microsecond();
        let future = now.saturating_add(lease.saturating_mul(2)).unwrap_or(Timestamp::MAX).as_microsecond();
        let any = self.read("outbox.look", move |connection| {
            Ok(connection.prepare_cached(ANY_FREE)?.exists([instant, future])?)
        });
        if !any.await? {
            return Ok(Vec::new());
        }
        let until = now.saturating_add(lease).unwrap_or(Timestamp::MAX).as_microsecond();
        self.write("outbox.claim", move |connection| {
            connection.prepare_cached(RELEASE_FUTURE)?.execute([future])?;
            claim(connection, limit, instant, until)
        })
        .await
    }

    async fn finish_outbox(&self, rows: &[OutboxRow]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let rows: Vec<i64> = rows.iter().map(|row| row.row).collect();
        self.write("outbox.finish", move |connection| {
            let mut statement = connection.prepare_cached(FINISH)?;
            for row in rows {
                statement.execute([row])?;
            }
            Ok(())
        })
        .await
    }

    async fn outbox_depth(&self) -> Result<u64, StoreError> {
        self.read("outbox.depth", |connection| {
            Ok(count(connection.prepare_cached(DEPTH)?.query_row([], |row| row.get(0))?))
        })
        .await
    }
}

/// Frees every row. The file belongs to one process at a time, so a claim that is there when it is opened was left by
/// one that died, and nobody need wait for it to run out.
pub(crate) fn release_all(connection: &Connection) -> Result<(), Fault> {
    connection.execute(RELEASE_ALL, [])?;
    Ok(())
}

/// Puts a message into the outbox, inside the transaction of the write that it belongs to.
pub(crate) fn insert(connection: &Connection, message: &OutboxMessage) -> Result<(), Fault> {
    connection.prepare_cached(INSERT)?.execute(params![
        IdText::new(message.id.uuid()),
        message.subject,
        IdText::new(message.key.uuid()),
        message.payload.as_ref(),
        message.schema_version,
        message.request_id,
        message.traceparent,
    ])?;
    Ok(())
}

fn claim(connection: &Connection, most: usize, now: i64, until: i64) -> Result<Vec<OutboxRow>, Fault> {
    let mut statement = connection.prepare_cached(FREE)?;
    let rows = statement.query_map([now, limit(most)], read)?.collect::<Result<Vec<_>, _>>()?;
    let mut claim = connection.prepare_cached(CLAIM)?;
    for row in &rows {
        claim.execute([row.row, until])?;
    }
    Ok(rows)
}

fn read(row: &Row<'_>) -> rusqlite::Result<OutboxRow> {
    Ok(OutboxRow {
        row: row.get("row")?,
        id: EventId::new(row.get::<_, Id>("event_id")?.0),
        subject: row.get("subject")?,
        key: UserId::new(row.get::<_, Id>("key")?.0),
        payload: Bytes::from(row.get::<_, Vec<u8>>("payload")?),
        schema_version: row.get("schema_version")?,
        request_id: row.get("request_id")?,
        traceparent: row.get("traceparent")?,
    })
}
