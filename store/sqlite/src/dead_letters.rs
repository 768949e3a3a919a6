//! Events that were given up.

use async_trait::async_trait;
use bytes::Bytes;
use ecs_domain::{EventId, Timestamp, UserId};
use ecs_store::{DeadLetterRow, DeadLetters, StoreError};
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use crate::SqliteStore;
use crate::column::{At, Id, IdText, count};
use crate::engine::Fault;

/// Nobody else writes meanwhile, so what isn't there now isn't there at the insert.
pub(crate) const INSERT: &str =
    "INSERT INTO dead_letters (subject, \"group\", event_id, key, reason, history, payload,
        schema_version, request_id, traceparent, created_at)
     SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 WHERE NOT EXISTS (
        SELECT 1 FROM dead_letters WHERE event_id = ?3 AND subject = ?1 AND \"group\" = ?2 AND payload = ?7)";
pub(crate) const LIST: &str =
    "SELECT subject, \"group\", event_id, key, reason, history, payload, schema_version,
        request_id, traceparent, created_at
     FROM dead_letters ORDER BY row DESC LIMIT ?1";
const COUNT: &str = "SELECT count(*) FROM dead_letters";

#[async_trait]
impl DeadLetters for SqliteStore {
    async fn add_dead_letters(&self, letters: &[DeadLetterRow]) -> Result<(), StoreError> {
        let owned = letters.to_vec();
        self.write(move |connection| owned.iter().try_for_each(|letter| add(connection, letter))).await
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetterRow>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(LIST)?;
            let mut rows = statement.query([limit])?;
            let mut letters = Vec::new();
            while let Some(row) = rows.next()? {
                letters.push(read(row)?);
            }
            Ok(letters)
        })
        .await
    }

    async fn dead_letter_count(&self) -> Result<u64, StoreError> {
        self.read(|connection| Ok(count(connection.prepare_cached(COUNT)?.query_row([], |row| row.get(0))?)))
            .await
    }
}

/// One failed attempt, as the column `history` keeps it.
#[derive(Serialize, Deserialize)]
struct Attempt {
    at: Timestamp,
    reason: String,
}

fn add(connection: &Connection, letter: &DeadLetterRow) -> Result<(), Fault> {
    let attempt = |(at, reason): &(Timestamp, String)| Attempt { at: *at, reason: reason.clone() };
    let history: Vec<Attempt> = letter.history.iter().map(attempt).collect();
    connection.prepare_cached(INSERT)?.execute(params![
        letter.subject,
        letter.group,
        IdText::new(letter.id.uuid()),
        IdText::new(letter.key.uuid()),
        letter.reason,
        serde_json::to_string(&history)?,
        letter.payload.as_ref(),
        letter.schema_version,
        letter.request_id,
        letter.traceparent,
        At(letter.at),
    ])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<DeadLetterRow, Fault> {
    let history: Vec<Attempt> =
        serde_json::from_str(row.get_ref("history")?.as_str().map_err(rusqlite::Error::from)?)?;
    Ok(DeadLetterRow {
        subject: row.get("subject")?,
        group: row.get("group")?,
        id: EventId::new(row.get::<_, Id>("event_id")?.0),
        key: UserId::new(row.get::<_, Id>("key")?.0),
        reason: row.get("reason")?,
        history: history.into_iter().map(|attempt| (attempt.at, attempt.reason)).collect(),
        payload: Bytes::from(row.get::<_, Vec<u8>>("payload")?),
        schema_version: row.get("schema_version")?,
        request_id: row.get("request_id")?,
        traceparent: row.get("traceparent")?,
        at: row.get::<_, At>("created_at")?.0,
    })
}
