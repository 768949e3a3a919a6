//! Events that were given up.

mod add;
mod read;

use async_trait::async_trait;
use ecs_domain::{Timestamp, UserId};
use ecs_store::audit::{Act, NewEntry};
use ecs_store::{
    DeadLetterRow, DeadLetters, FullLetter, Letter, LetterCount, LetterFilter, LetterId, StoreError,
};

use crate::PostgresStore;
use crate::audit::{self, EntryRow};
use crate::column::{get, limit as at_most, micros};
use crate::engine::{Answer, Call, Fault};

#[cfg(test)]
pub(crate) use {add::statements as add_statements, read::statements as read_statements};

/// Rows are locked first, in the order of their numbers, so replays at the same time take turns, and the second finds
/// letters that no longer wait. The outbox's numbers are drawn beforehand: the letter has to know where its payload went.
pub(crate) const REPLAY: &str = "
WITH waiting AS MATERIALIZED (
    SELECT l.*, nextval(pg_get_serial_sequence('outbox', 'row')) AS place
    FROM (SELECT row, event_id, subject, key, payload, schema_version, request_id, traceparent FROM dead_letters
        WHERE row = ANY ($1::bigint[]) AND state = 'waiting' ORDER BY row FOR UPDATE) l
),
published AS (
    INSERT INTO outbox (row, event_id, subject, key, payload, schema_version, request_id, traceparent)
    OVERRIDING SYSTEM VALUE
    SELECT place, event_id, subject, key, payload, schema_version, request_id, traceparent FROM waiting
)
UPDATE dead_letters d SET state = 'replayed', state_at = $2, replays = d.replays + 1, payload = NULL, outbox_row = w.place
FROM waiting w WHERE d.row = w.row RETURNING d.row";
pub(crate) const DROP: &str = "
WITH waiting AS MATERIALIZED (
    SELECT row FROM dead_letters WHERE row = ANY ($1::bigint[]) AND state = 'waiting' ORDER BY row FOR UPDATE
)
UPDATE dead_letters d SET state = 'dropped', state_at = $2, payload = NULL
FROM waiting w WHERE d.row = w.row RETURNING d.row";
/// One that comes back at this very moment is locked by whoever brings it, and stays.
pub(crate) const FORGET: &str = "DELETE FROM dead_letters WHERE row = ANY (ARRAY(
        SELECT d.row FROM dead_letters d WHERE d.state <> 'waiting' AND d.state_at < $1
            AND NOT EXISTS (SELECT FROM outbox o WHERE o.row = d.outbox_row)
        LIMIT $2 FOR UPDATE OF d SKIP LOCKED))";

#[async_trait]
impl DeadLetters for PostgresStore {
    async fn add_dead_letters(&self, letters: &[DeadLetterRow]) -> Result<(), StoreError> {
        if letters.is_empty() {
            return Ok(());
        }
        self.primary
            .run(Call::quick("dead_letters.add"), |session| async move { add::add(&session, letters).await })
            .await
    }

    async fn dead_letters(
        &self,
        filter: &LetterFilter,
        before: Option<LetterId>,
        limit: usize,
    ) -> Result<Vec<Letter>, StoreError> {
        self.primary
            .run(Call::long("dead_letters.list"), |session| async move {
                read::list(&session, filter, before, limit).await
            })
            .await
    }

    async fn dead_letter(&self, id: LetterId) -> Result<Option<FullLetter>, StoreError> {
        self.primary
            .run(Call::quick("dead_letters.one"), |session| async move { read::one(&session, id).await })
            .await
    }

    async fn count_dead_letters(&self) -> Result<Vec<LetterCount>, StoreError> {
        self.primary
            .run(Call::long("dead_letters.count"), |session| async move { read::counts(&session).await })
            .await
    }

    async fn replay_dead_letters(
        &self,
        ids: &[LetterId],
        operator: UserId,
        now: Timestamp,
    ) -> Result<Vec<LetterId>, StoreError> {
        let by = |letter| NewEntry::of_letter(operator, Act::LetterReplayed, letter, now);
        self.decide("dead_letters.replay", REPLAY, ids, now, by).await
    }

    async fn drop_dead_letters(
        &self,
        ids: &[LetterId],
        operator: UserId,
        now: Timestamp,
    ) -> Result<Vec<LetterId>, StoreError> {
        let by = |letter| NewEntry::of_letter(operator, Act::LetterDropped, letter, now);
        self.decide("dead_letters.drop", DROP, ids, now, by).await
    }

    async fn forget_dead_letters(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let (before, most) = (&micros(before), &at_most(limit));
        self.primary
            .run(Call::quick("dead_letters.forget"), |session| async move {
                Ok(session.query(FORGET, &[before, most]).await?.changed)
            })
            .await
    }
}

impl PostgresStore {
    /// Does something about letters that wait. Returns those that it was done about.
    async fn decide(
        &self,
        name: &'static str,
        sql: &'static str,
        ids: &[LetterId],
        now: Timestamp,
        entry: impl Fn(LetterId) -> NewEntry + Sync,
    ) -> Result<Vec<LetterId>, StoreError> {
        let rows: &Vec<i64> = &ids.iter().map(|id| id.0).collect();
        let (now, entry) = (&micros(now), &entry);
        self.primary
            .run(Call::quick(name), |session| async move {
                let mut flight = session.flight();
                flight.begin();
                let done = flight.add(sql, &[rows, now]);
                let done = decided(&flight.send().await?.take(done))?;
                let entries: Vec<NewEntry> = done.iter().copied().map(entry).collect();
                let entries: Vec<EntryRow<'_>> = entries.iter().map(EntryRow::new).collect();
                let mut flight = session.flight();
                entries.iter().for_each(|entry| audit::note(&mut flight, entry));
                flight.commit();
                flight.send().await?;
                Ok(done)
            })
            .await
    }
}

fn decided(answer: &Answer) -> Result<Vec<LetterId>, Fault> {
    let mut ids = answer.rows.iter().map(|row| get(row, 0).map(LetterId)).collect::<Result<Vec<_>, _>>()?;
    ids.sort_unstable();
    Ok(ids)
}
