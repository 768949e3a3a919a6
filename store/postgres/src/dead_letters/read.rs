//! How letters are read.

use bytes::Bytes;
use ecs_domain::dead_letter::DeadLetterState;
use ecs_domain::{EventId, UserId};
use ecs_store::{FullLetter, Letter, LetterCount, LetterFilter, LetterId, StoreError};
use tokio_postgres::Row;

use super::add::Attempt;
use crate::column::{count, get, limit as at_most, micros, word};
use crate::engine::{Fault, Param, Session};

pub(crate) mod statements {
    //! The SQL of reading, where the test of the query plans sees it.

    /// What the filter doesn't ask for is NULL. Lower case is ASCII's, as the collation C has it.
    macro_rules! list {
        ($start:literal) => {
            concat!(
                "SELECT row, subject, \"group\", event_id, key, kind, reason, created_at,
        json_array_length(history)::bigint AS attempts, state, state_at, replays FROM dead_letters
     WHERE ",
                $start,
                " AND ($1::bigint IS NULL OR row < $1) AND ($2::text IS NULL OR subject = $2)
        AND ($3::text IS NULL OR \"group\" = $3) AND ($4::text IS NULL OR state = $4)
        AND ($5::text IS NULL OR kind = $5)
        AND ($6::text IS NULL OR position(lower($6 COLLATE \"C\") IN lower(reason COLLATE \"C\")) > 0)
        AND ($7::uuid IS NULL OR key = $7) AND ($9::timestamptz IS NULL OR created_at >= $9)
        AND ($10::timestamptz IS NULL OR created_at < $10)
     ORDER BY row DESC LIMIT $11"
            )
        };
    }

    pub(crate) const LIST: &str = list!("$8::uuid IS NULL");
    pub(crate) const LIST_OF_EVENT: &str = list!("event_id = $8::uuid");
    pub(crate) const FULL: &str = "SELECT row, subject, \"group\", event_id, key, kind, reason, created_at,
            json_array_length(history)::bigint AS attempts, state, state_at, replays, history::text AS history, payload,
            schema_version, request_id, traceparent
         FROM dead_letters WHERE row = $1";
    pub(crate) const COUNTS: &str =
        "SELECT subject, \"group\", kind, state, count(*) AS letters FROM dead_letters
         GROUP BY subject, \"group\", kind, state ORDER BY subject, \"group\", kind, state";
}

pub(super) async fn list(
    session: &Session,
    filter: &LetterFilter,
    before: Option<LetterId>,
    limit: usize,
) -> Result<Vec<Letter>, Fault> {
    let LetterFilter { subject, group, state, kind, reason, key, event, since, until } = filter;
    if reason.as_ref().is_some_and(|reason| reason.contains('\0')) {
        return Ok(Vec::new());
    }
    let (before, most) = (before.map(|before| before.0), at_most(limit));
    let (state, kind) = (state.map(DeadLetterState::as_str), kind.map(|kind| kind.as_str()));
    let (key, event) = (key.map(|key| key.uuid()), event.map(|event| event.uuid()));
    let (since, until) = (since.map(micros), until.map(micros));
    let params: [Param<'_>; 11] =
        [&before, subject, group, &state, &kind, reason, &key, &event, &since, &until, &most];
    let mut flight = session.flight();
    flight.begin_long();
    let sql = if event.is_some() { statements::LIST_OF_EVENT } else { statements::LIST };
    let list = flight.add(sql, &params);
    flight.commit();
    flight.send().await?.take(list).rows.iter().map(letter).collect()
}

pub(super) async fn one(session: &Session, id: LetterId) -> Result<Option<FullLetter>, Fault> {
    session.query(statements::FULL, &[&id.0]).await?.first().map(full_letter).transpose()
}

pub(super) async fn counts(session: &Session) -> Result<Vec<LetterCount>, Fault> {
    let mut flight = session.flight();
    flight.begin_long();
    let counts = flight.add(statements::COUNTS, &[]);
    flight.commit();
    let read = |row: &Row| {
        Ok(LetterCount {
            subject: get(row, "subject")?,
            group: get(row, "group")?,
            kind: word(row, "kind")?,
            state: word(row, "state")?,
            count: count(row, "letters")?,
        })
    };
    flight.send().await?.take(counts).rows.iter().map(read).collect()
}

fn letter(row: &Row) -> Result<Letter, Fault> {
    Ok(Letter {
        id: LetterId(get(row, "row")?),
        subject: get(row, "subject")?,
        group: get(row, "group")?,
        event: EventId::new(get(row, "event_id")?),
        key: UserId::new(get(row, "key")?),
        kind: word(row, "kind")?,
        reason: get(row, "reason")?,
        at: get(row, "created_at")?,
        attempts: count(row, "attempts")?,
        state: word(row, "state")?,
        state_at: get(row, "state_at")?,
        replays: count(row, "replays")?,
    })
}

fn full_letter(row: &Row) -> Result<FullLetter, Fault> {
    let history: Vec<Attempt> = serde_json::from_str(get(row, "history")?)?;
    let version: i32 = get(row, "schema_version")?;
    let out_of_range = |_| StoreError::Corrupt("the column schema_version is out of range".to_owned());
    Ok(FullLetter {
        letter: letter(row)?,
        history: history.into_iter().map(|attempt| (attempt.at, attempt.reason)).collect(),
        payload: get::<_, Option<Vec<u8>>>(row, "payload")?.map(Bytes::from),
        schema_version: u16::try_from(version).map_err(out_of_range)?,
        request_id: get(row, "request_id")?,
        traceparent: get(row, "traceparent")?,
    })
}
