//! How letters are added: what is there is locked and read, what is to be done is worked out here, and all of it is
//! written at once.

use std::collections::{HashMap, HashSet};

use ecs_domain::Timestamp;
use ecs_store::DeadLetterRow;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::column::{get, micros};
use crate::engine::{Fault, Flight, Param, Session};
use crate::erasures;

pub(crate) mod statements {
    //! The SQL of adding, where the test of the query plans sees it.

    /// Rows are locked as they are read, so nobody decides about a letter, or forgets it, between that and the write. Of
    /// an event without a letter there is nothing to lock: those who add one take turns by a lock on the event's id,
    /// in one order.
    pub(crate) const LOCK: &str = "SELECT count(pg_advisory_xact_lock(hashtext('dead letter'), hash)) FROM (
            SELECT DISTINCT hashtext(id::text) AS hash FROM unnest($1::uuid[]) AS id ORDER BY 1) AS locks";
    pub(crate) const FIND: &str =
        "SELECT row, event_id, subject, \"group\", payload, history::text AS history
         FROM dead_letters WHERE event_id = ANY ($1::uuid[]) ORDER BY row FOR UPDATE";
    pub(crate) const INSERT: &str =
        "INSERT INTO dead_letters (subject, \"group\", event_id, key, kind, reason,
            history, payload, schema_version, request_id, created_at, traceparent)
         VALUES ($1, $2, $3, $4, $5, $6, $7::text::json, $8, $9, $10, $11, $12)";
    pub(crate) const RETURN: &str = "UPDATE dead_letters SET state = 'waiting', state_at = $11, outbox_row = NULL,
            subject = $1, \"group\" = $2, event_id = $3, key = $4, kind = $5, reason = $6, history = $7::text::json,
            payload = $8, schema_version = $9, request_id = $10, created_at = $11, traceparent = $12 WHERE row = $13";
}

/// How many attempts a letter remembers, however often it comes back: the newest.
const HISTORY: usize = 100;

/// One failed attempt, as the column `history` keeps it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) at: Timestamp,
    pub(super) reason: String,
}

/// Adds letters, in their order, all or none.
pub(super) async fn add(session: &Session, letters: &[DeadLetterRow]) -> Result<(), Fault> {
    let events: Vec<Uuid> = letters.iter().map(|letter| letter.id.uuid()).collect();
    let keys: Vec<Uuid> = letters.iter().map(|letter| letter.key.uuid()).collect();
    let mut flight = session.flight();
    flight.begin();
    flight.add(statements::LOCK, &[&events]);
    let find = flight.add(statements::FIND, &[&events]);
    let erased = flight.add(erasures::ERASED_AMONG, &[&keys]);
    let mut answers = flight.send().await?;
    let mut known = Known::read(&answers.take(find).rows)?;
    let erased =
        answers.take(erased).rows.iter().map(|row| get(row, 0)).collect::<Result<HashSet<Uuid>, _>>()?;
    let mut writes = Vec::new();
    for letter in letters.iter().filter(|letter| !erased.contains(&letter.key.uuid())) {
        writes.extend(known.add(letter)?);
    }
    let mut flight = session.flight();
    for write in &writes {
        write.add_to(&mut flight);
    }
    flight.commit();
    flight.send().await?;
    Ok(())
}

/// What the letters of one event, subject and group are known by.
type Of = (Uuid, String, String);

/// The letters that there are of some events.
#[derive(Default)]
struct Known {
    waiting: HashMap<Of, Vec<Vec<u8>>>,
    /// Those that were replayed or dropped, with their histories, the newest last.
    settled: HashMap<Of, Vec<(i64, String)>>,
}

impl Known {
    fn read(rows: &[Row]) -> Result<Self, Fault> {
        let mut known = Self::default();
        for row in rows {
            let of = (get(row, "event_id")?, get(row, "subject")?, get(row, "group")?);
            match get::<_, Option<Vec<u8>>>(row, "payload")? {
                Some(payload) => known.waiting.entry(of).or_default().push(payload),
                None => known.settled.entry(of).or_default().push((get(row, "row")?, get(row, "history")?)),
            }
        }
        Ok(known)
    }

    /// What is to be written of a letter: nothing when the same one waits already, else it comes back under the number of
    /// one that no longer waits, or gets a new number.
    fn add<'a>(&mut self, letter: &'a DeadLetterRow) -> Result<Option<Write<'a>>, Fault> {
        let of = (letter.id.uuid(), letter.subject.clone(), letter.group.clone());
        let waiting = self.waiting.entry(of.clone()).or_default();
        if waiting.iter().any(|payload| *payload == letter.payload) {
            return Ok(None);
        }
        waiting.push(letter.payload.to_vec());
        let settled = self.settled.get_mut(&of).and_then(Vec::pop);
        let (row, mut history): (_, Vec<Attempt>) = match settled {
            Some((row, history)) => (Some(row), serde_json::from_str(&history)?),
            None => (None, Vec::new()),
        };
        let attempts = letter.history.iter();
        history.extend(attempts.map(|(at, reason)| Attempt { at: *at, reason: reason.clone() }));
        let surplus = history.len().saturating_sub(HISTORY);
        history.drain(..surplus);
        Write::new(letter, &history, row).map(Some)
    }
}

/// A letter as the columns of a new row, or of one that changes.
struct Write<'a> {
    letter: &'a DeadLetterRow,
    event: Uuid,
    key: Uuid,
    kind: &'static str,
    reason: String,
    history: String,
    payload: &'a [u8],
    schema_version: i32,
    at: Timestamp,
    row: Option<i64>,
}

impl<'a> Write<'a> {
    fn new(letter: &'a DeadLetterRow, history: &[Attempt], row: Option<i64>) -> Result<Self, Fault> {
        Ok(Self {
            letter,
            event: letter.id.uuid(),
            key: letter.key.uuid(),
            kind: letter.kind.as_str(),
            // The one character that PostgreSQL's text can't hold. In the history it is escaped.
            reason: letter.reason.replace('\0', "\u{fffd}"),
            history: serde_json::to_string(history)?,
            payload: &letter.payload,
            schema_version: i32::from(letter.schema_version),
            at: micros(letter.at),
            row,
        })
    }

    fn add_to<'f>(&'f self, flight: &mut Flight<'f>) {
        let Self { letter, event, key, kind, reason, history, payload, schema_version, at, row } = self;
        let columns: [Param<'f>; 12] = [
            &letter.subject,
            &letter.group,
            event,
            key,
            kind,
            reason,
            history,
            payload,
            schema_version,
            &letter.request_id,
            at,
            &letter.traceparent,
        ];
        match row {
            None => flight.add(statements::INSERT, &columns),
            Some(row) => flight.add(statements::RETURN, &[columns.as_slice(), &[row]].concat()),
        };
    }
}
