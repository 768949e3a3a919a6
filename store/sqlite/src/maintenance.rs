//! Housekeeping.

use async_trait::async_trait;
use ecs_store::{Maintenance, Retained, Retention, StoreError, Swept};
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::SqliteStore;
use crate::column::{IdBytes, day_number};
use crate::engine::{Fault, Size};
use crate::folds::COUNTED;
use crate::{audit, idempotency, replays, rights, sessions};

/// How many rows of each table one call drops at most: some tens of milliseconds of the writer's time.
const CHUNK: i64 = 10_000;

/// The last key of the chunk. Keys are unique, so the chunk is everything up to it.
pub(crate) const CHUNK_END: &str = "SELECT day, user_id, event_id FROM emotional_events WHERE day < ?1
     ORDER BY day, user_id, event_id LIMIT 1 OFFSET ?2";
pub(crate) const KEEP_IDS: &str = "INSERT INTO emotion_inbox (day, user_id, event_id, arrived_at, fate)
     SELECT day, user_id, event_id, arrived_at, ?5 FROM emotional_events
     WHERE (day, user_id, event_id) <= (?1, ?2, ?3) AND arrived_at >= ?4
     ON CONFLICT DO NOTHING";
pub(crate) const DROP_RAW: &str =
    "DELETE FROM emotional_events WHERE (day, user_id, event_id) <= (?1, ?2, ?3)";
const NOTE_FLOOR: &str = "INSERT INTO raw_floor (one, day) VALUES (1, ?1)
     ON CONFLICT (one) DO UPDATE SET day = max(day, excluded.day)";
pub(crate) const OLD_IDS: &str =
    "SELECT day, user_id, event_id FROM emotion_inbox WHERE arrived_at < ?1 LIMIT ?2";
pub(crate) const DROP_ID: &str =
    "DELETE FROM emotion_inbox WHERE day = ?1 AND user_id = ?2 AND event_id = ?3";
const PING: &str = "SELECT 1 FROM schema_migrations LIMIT 1";

#[async_trait]
impl Maintenance for SqliteStore {
    async fn retain(&self, retention: Retention) -> Result<Retained, StoreError> {
        self.write_sized("retention.retain", Size::Large, move |connection| {
            let raw_rows = drop_raw(connection, retention)?;
            let ids = drop_ids(connection, retention)?;
            let answers = idempotency::drop_old(connection, retention.answers_since, CHUNK)?;
            let sessions = sessions::drop_old(connection, retention.answers_since, CHUNK)?;
            let changes = rights::drop_old(connection, retention.answers_since, CHUNK)?;
            replays::give_up(connection, retention.answers_since)?;
            for (swept, rows) in Swept::ALL.into_iter().zip([raw_rows, ids, answers, sessions, changes]) {
                audit::note_some(connection, retention.told(swept, rows))?;
            }
            let full = u64::try_from(CHUNK).unwrap_or(u64::MAX);
            let more = [raw_rows, ids, answers, sessions, changes].iter().any(|dropped| *dropped >= full);
            Ok(Retained { raw_rows, ids, answers, sessions, changes, more })
        })
        .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.read("maintenance.ping", |connection| {
            Ok(connection.prepare_cached(PING)?.query_row([], |_| Ok(()))?)
        })
        .await
    }

    async fn close(&self) -> Result<(), StoreError> {
        // The readers first: the last connection to close folds the write-ahead log back, and that is the writer's job.
        self.readers.close().await;
        self.writer.close().await;
        Ok(())
    }
}

type Key = (i64, IdBytes, IdBytes);

fn drop_raw(connection: &Connection, retention: Retention) -> Result<u64, Fault> {
    let floor = day_number(retention.raw_floor);
    let Some((day, user, id)) = chunk_end(connection, floor)? else { return Ok(0) };
    let since = retention.ids_since.as_microsecond();
    connection.prepare_cached(KEEP_IDS)?.execute(params![day, user, id, since, COUNTED])?;
    connection.prepare_cached(NOTE_FLOOR)?.execute([floor])?;
    let dropped = connection.prepare_cached(DROP_RAW)?.execute(params![day, user, id])?;
    Ok(dropped as u64)
}

fn chunk_end(connection: &Connection, floor: i64) -> Result<Option<Key>, Fault> {
    let mut statement = connection.prepare_cached(CHUNK_END)?;
    let full = statement.query_row([floor, CHUNK - 1], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    if let Some(end) = full.optional()? {
        return Ok(Some(end));
    }
    // Less than a chunk is left: it ends with the last key that the day before the floor could have.
    let any = statement.exists([floor, 0])?;
    Ok(any.then(|| (floor - 1, IdBytes(Uuid::max()), IdBytes(Uuid::max()))))
}

fn drop_ids(connection: &Connection, retention: Retention) -> Result<u64, Fault> {
    let mut find = connection.prepare_cached(OLD_IDS)?;
    let keys = find.query_map([retention.ids_since.as_microsecond(), CHUNK], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    let keys: Vec<Key> = keys.collect::<Result<_, _>>()?;
    let mut drop_id = connection.prepare_cached(DROP_ID)?;
    for key in &keys {
        drop_id.execute(params![key.0, key.1, key.2])?;
    }
    Ok(keys.len() as u64)
}
