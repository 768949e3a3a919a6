//! Events that were given up.

use async_trait::async_trait;
use bytes::Bytes;
use ecs_domain::dead_letter::DeadLetterState;
use ecs_domain::{EventId, Timestamp, UserId};
use ecs_store::audit::{Act, NewEntry};
use ecs_store::{
    DeadLetterRow, DeadLetters, FullLetter, Letter, LetterCount, LetterFilter, LetterId, StoreError,
};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};
use serde::{Deserialize, Serialize};

use crate::SqliteStore;
use crate::audit;
use crate::column::{At, Id, IdText, Word, count, limit as held};
use crate::engine::Fault;
use crate::erasures;

/// Nobody else writes meanwhile, so what isn't there now isn't there at the insert.
pub(crate) const WAITS: &str = "SELECT 1 FROM dead_letters
     WHERE event_id = ?1 AND subject = ?2 AND \"group\" = ?3 AND state = 'waiting' AND payload = ?4";
pub(crate) const SETTLED: &str = "SELECT row, history FROM dead_letters
     WHERE event_id = ?1 AND subject = ?2 AND \"group\" = ?3 AND state <> 'waiting' ORDER BY row DESC LIMIT 1";
const RETURN: &str =
    "UPDATE dead_letters SET state = 'waiting', state_at = ?11, outbox_row = NULL, subject = ?1,
        \"group\" = ?2, event_id = ?3, key = ?4, kind = ?5, reason = ?6, history = ?7, payload = ?8,
        schema_version = ?9, request_id = ?10, created_at = ?11, traceparent = ?12 WHERE row = ?13";
const INSERT: &str =
    "INSERT INTO dead_letters (subject, \"group\", event_id, key, kind, reason, history, payload,
        schema_version, request_id, created_at, traceparent)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
/// What [`letter`] reads; conditions and the order come behind it.
const LETTERS: &str = "SELECT row, subject, \"group\", event_id, key, kind, reason, created_at,
        json_array_length(history) AS attempts, state, state_at, replays FROM dead_letters";
pub(crate) const FULL: &str = "SELECT row, subject, \"group\", event_id, key, kind, reason, created_at,
        json_array_length(history) AS attempts, state, state_at, replays, history, payload, schema_version,
        request_id, traceparent FROM dead_letters WHERE row = ?1";
const COUNTS: &str = "SELECT subject, \"group\", kind, state, count(*) FROM dead_letters
     GROUP BY subject, \"group\", kind, state ORDER BY subject, \"group\", kind, state";
pub(crate) const TO_OUTBOX: &str =
    "INSERT INTO outbox (event_id, subject, key, payload, schema_version, request_id,
        traceparent)
     SELECT event_id, subject, key, payload, schema_version, request_id, traceparent FROM dead_letters
     WHERE row = ?1 AND state = 'waiting'";
pub(crate) const REPLAY: &str =
    "UPDATE dead_letters SET state = 'replayed', state_at = ?2, replays = replays + 1,
        payload = x'', outbox_row = ?3 WHERE row = ?1";
pub(crate) const DROP: &str = "UPDATE dead_letters SET state = 'dropped', state_at = ?2, payload = x''
     WHERE row = ?1 AND state = 'waiting'";
pub(crate) const FORGET: &str = "DELETE FROM dead_letters WHERE row IN (
        SELECT d.row FROM dead_letters d WHERE d.state <> 'waiting' AND d.state_at < ?1
            AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.row = d.outbox_row) LIMIT ?2)";

/// How many attempts a letter remembers, however often it comes back: the newest.
const HISTORY: usize = 100;

#[async_trait]
impl DeadLetters for SqliteStore {
    async fn add_dead_letters(&self, letters: &[DeadLetterRow]) -> Result<(), StoreError> {
        let owned = letters.to_vec();
        self.write("dead_letters.add", move |connection| {
            owned.iter().try_for_each(|letter| match erasures::is_erased(connection, letter.key)? {
                true => Ok(()),
                false => add(connection, letter),
            })
        })
        .await
    }

    async fn dead_letters(
        &self,
        filter: &LetterFilter,
        before: Option<LetterId>,
        limit: usize,
    ) -> Result<Vec<Letter>, StoreError> {
        let conditions = Conditions::of(filter, before);
        self.read("dead_letters.list", move |connection| {
            let sql = format!("{LETTERS} WHERE {} ORDER BY row DESC LIMIT {}", conditions.sql, held(limit));
            let mut statement = connection.prepare_cached(&sql)?;
            let letters = statement.query_map(params_from_iter(conditions.values), letter)?;
            Ok(letters.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn dead_letter(&self, id: LetterId) -> Result<Option<FullLetter>, StoreError> {
        self.read("dead_letters.one", move |connection| {
            let mut rows = connection.prepare_cached(FULL)?;
            let mut rows = rows.query([id.0])?;
            rows.next()?.map(full_letter).transpose()
        })
        .await
    }

    async fn count_dead_letters(&self) -> Result<Vec<LetterCount>, StoreError> {
        self.read("dead_letters.count", |connection| {
            let mut statement = connection.prepare_cached(COUNTS)?;
            let counts = statement.query_map([], |row| {
                Ok(LetterCount {
                    subject: row.get(0)?,
                    group: row.get(1)?,
                    kind: row.get::<_, Word<_>>(2)?.0,
                    state: row.get::<_, Word<_>>(3)?.0,
                    count: count(row.get(4)?),
                })
            })?;
            Ok(counts.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn replay_dead_letters(
        &self,
        ids: &[LetterId],
        operator: UserId,
        now: Timestamp,
    ) -> Result<Vec<LetterId>, StoreError> {
        let ids = in_order(ids);
        self.write("dead_letters.replay", move |connection| {
            let mut done = Vec::with_capacity(ids.len());
            for id in ids {
                if connection.prepare_cached(TO_OUTBOX)?.execute([id.0])? == 1 {
                    let outbox_row = connection.last_insert_rowid();
                    connection.prepare_cached(REPLAY)?.execute(params![id.0, At(now), outbox_row])?;
                    audit::note(connection, &NewEntry::of_letter(operator, Act::LetterReplayed, id, now))?;
                    done.push(id);
                }
            }
            Ok(done)
        })
        .await
    }

    async fn drop_dead_letters(
        &self,
        ids: &[LetterId],
        operator: UserId,
        now: Timestamp,
    ) -> Result<Vec<LetterId>, StoreError> {
        let ids = in_order(ids);
        self.write("dead_letters.drop", move |connection| {
            let mut done = Vec::with_capacity(ids.len());
            for id in ids {
                if connection.prepare_cached(DROP)?.execute(params![id.0, At(now)])? == 1 {
                    audit::note(connection, &NewEntry::of_letter(operator, Act::LetterDropped, id, now))?;
                    done.push(id);
                }
            }
            Ok(done)
        })
        .await
    }

    async fn forget_dead_letters(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.write("dead_letters.forget", move |connection| {
            let gone = connection.prepare_cached(FORGET)?.execute(params![At(before), held(limit)])?;
            Ok(gone as u64)
        })
        .await
    }
}

fn in_order(ids: &[LetterId]) -> Vec<LetterId> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids
}

/// What a filter asks for, as SQL with its values.
struct Conditions {
    sql: String,
    values: Vec<Box<dyn ToSql + Send>>,
}

impl Conditions {
    fn of(filter: &LetterFilter, before: Option<LetterId>) -> Self {
        let LetterFilter { subject, group, state, kind, reason, key, event, since, until } = filter;
        let mut conditions = Self { sql: "TRUE".to_owned(), values: Vec::new() };
        conditions.add("row < ?", before.map(|before| before.0));
        conditions.add("subject = ?", subject.clone());
        conditions.add("\"group\" = ?", group.clone());
        conditions.add("state = ?", state.map(DeadLetterState::as_str));
        conditions.add("kind = ?", kind.map(|kind| kind.as_str()));
        conditions.add("instr(lower(reason), lower(?)) > 0", reason.clone());
        conditions.add("key = ?", key.map(|key| IdText::new(key.uuid())));
        conditions.add("event_id = ?", event.map(|event| IdText::new(event.uuid())));
        conditions.add("created_at >= ?", since.map(At));
        conditions.add("created_at < ?", until.map(At));
        conditions
    }

    fn add(&mut self, condition: &str, value: Option<impl ToSql + Send + 'static>) {
        if let Some(value) = value {
            self.sql.push_str(" AND ");
            self.sql.push_str(condition);
            self.values.push(Box::new(value));
        }
    }
}

/// One failed attempt, as the column `history` keeps it.
#[derive(Serialize, Deserialize)]
struct Attempt {
    at: Timestamp,
    reason: String,
}

fn add(connection: &Connection, letter: &DeadLetterRow) -> Result<(), Fault> {
    let event = IdText::new(letter.id.uuid());
    let waits = params![event, letter.subject, letter.group, letter.payload.as_ref()];
    if connection.prepare_cached(WAITS)?.exists(waits)? {
        return Ok(());
    }
    let mut settled = connection.prepare_cached(SETTLED)?;
    let settled: Option<(i64, String)> = settled
        .query_row(params![event, letter.subject, letter.group], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match settled {
        Some((row, history)) => {
            let history = with_attempts(serde_json::from_str(&history)?, letter);
            write(connection, RETURN, letter, &history, Some(row))
        }
        None => write(connection, INSERT, letter, &with_attempts(Vec::new(), letter), None),
    }
}

fn with_attempts(mut history: Vec<Attempt>, letter: &DeadLetterRow) -> Vec<Attempt> {
    let attempts = letter.history.iter().map(|(at, reason)| Attempt { at: *at, reason: reason.clone() });
    history.extend(attempts);
    let surplus = history.len().saturating_sub(HISTORY);
    history.drain(..surplus);
    history
}

/// Binds what [`INSERT`] and [`RETURN`] share, and the row where one is changed.
fn write(
    connection: &Connection,
    sql: &str,
    letter: &DeadLetterRow,
    history: &[Attempt],
    row: Option<i64>,
) -> Result<(), Fault> {
    let (event, key, at) = (IdText::new(letter.id.uuid()), IdText::new(letter.key.uuid()), At(letter.at));
    let (kind, history, payload) =
        (letter.kind.as_str(), serde_json::to_string(history)?, letter.payload.as_ref());
    let mut values: Vec<&dyn ToSql> = vec![
        &letter.subject,
        &letter.group,
        &event,
        &key,
        &kind,
        &letter.reason,
        &history,
        &payload,
        &letter.schema_version,
        &letter.request_id,
        &at,
        &letter.traceparent,
    ];
    values.extend(row.as_ref().map(|row| row as &dyn ToSql));
    connection.prepare_cached(sql)?.execute(values.as_slice())?;
    Ok(())
}

fn letter(row: &Row<'_>) -> rusqlite::Result<Letter> {
    Ok(Letter {
        id: LetterId(row.get("row")?),
        subject: row.get("subject")?,
        group: row.get("group")?,
        event: EventId::new(row.get::<_, Id>("event_id")?.0),
        key: UserId::new(row.get::<_, Id>("key")?.0),
        kind: row.get::<_, Word<_>>("kind")?.0,
        reason: row.get("reason")?,
        at: row.get::<_, At>("created_at")?.0,
        attempts: count(row.get("attempts")?),
        state: row.get::<_, Word<_>>("state")?.0,
        state_at: row.get::<_, Option<At>>("state_at")?.map(|at| at.0),
        replays: count(row.get("replays")?),
    })
}

fn full_letter(row: &Row<'_>) -> Result<FullLetter, Fault> {
    let letter = letter(row)?;
    let history: Vec<Attempt> =
        serde_json::from_str(row.get_ref("history")?.as_str().map_err(rusqlite::Error::from)?)?;
    let payload = Bytes::from(row.get::<_, Vec<u8>>("payload")?);
    Ok(FullLetter {
        payload: (letter.state == DeadLetterState::Waiting).then_some(payload),
        letter,
        history: history.into_iter().map(|attempt| (attempt.at, attempt.reason)).collect(),
        schema_version: row.get("schema_version")?,
        request_id: row.get("request_id")?,
        traceparent: row.get("traceparent")?,
    })
}
