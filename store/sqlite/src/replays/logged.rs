//! Replays from the bus's log: its counted events, taken in page by page, and the pieces that are rebuilt from them.
//!
//! A fold that comes after the log was read has its raw row and stands in no page. Such events go into both sides of the
//! comparison by their raw rows, so that the error of a user's day is that of the events which the log told of.

use std::collections::BTreeMap;

use ecs_domain::Timestamp;
use ecs_domain::emotion::EmotionEvent;
use ecs_store::{LogReplayPlan, LoggedEvents, Replay};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::piece::{Sums, Twice, Verdicts, advance, judge, next_place};
use super::{BUILDING, BUILT, FORGET, State, find, told};
use crate::column::{At, Id, IdBytes, IdText, day_from_number, day_number, day_number_of};
use crate::engine::Fault;
use crate::folds::{COUNTED, emotion_statements as folds};

pub(crate) mod statements {
    //! The SQL, where the test of the query plans sees it.

    pub(crate) const COUNTED_ID: &str =
        "SELECT 1 FROM emotion_inbox WHERE day = ?1 AND user_id = ?2 AND event_id = ?3 AND fate = ?4";
    pub(crate) const NEXT: &str = "SELECT min(day) FROM replay_log WHERE day >= ?1";
    /// Of the first users, what the log says of events that are still counted.
    pub(crate) const LOGGED: &str =
        "SELECT l.user_id, count(*), sum(l.stress >= ?4), sum(l.positivity), sum(l.intensity), sum(l.stress)
         FROM replay_log l WHERE l.day = ?1 AND l.user_id >= ?2
            AND (EXISTS (SELECT 1 FROM emotional_events e
                    WHERE e.day = l.day AND e.user_id = l.user_id AND e.event_id = l.event_id)
                OR EXISTS (SELECT 1 FROM emotion_inbox i
                    WHERE i.day = l.day AND i.user_id = l.user_id AND i.event_id = l.event_id AND i.fate = ?5))
         GROUP BY l.user_id ORDER BY l.user_id LIMIT ?3";
    /// Counted events of a user's day that the log, as far as it was read, doesn't have.
    pub(crate) const NEWER: &str =
        "SELECT e.user_id, count(*), coalesce(sum(e.stress >= ?3), 0), coalesce(sum(e.positivity), 0),
            coalesce(sum(e.intensity), 0), coalesce(sum(e.stress), 0)
         FROM emotional_events e WHERE e.day = ?1 AND e.user_id = ?2
            AND NOT EXISTS (SELECT 1 FROM replay_log l
                WHERE l.day = e.day AND l.user_id = e.user_id AND l.event_id = e.event_id)";
    pub(crate) const LIVE: &str =
        "SELECT user_id, event_count, stress_event_count, positivity_sum, intensity_sum, stress_sum
         FROM emotional_events_summary WHERE user_id = ?1 AND summary_date = ?2";
    /// The same of which nothing but the ids is left.
    pub(crate) const HAS_OTHER_IDS: &str =
        "SELECT 1 FROM emotion_inbox i WHERE i.day = ?1 AND i.user_id = ?2 AND i.fate = ?3
            AND NOT EXISTS (SELECT 1 FROM replay_log l
                WHERE l.day = i.day AND l.user_id = i.user_id AND l.event_id = i.event_id) LIMIT 1";
    pub(crate) const ROWS: &str = "SELECT user_id FROM emotional_events_summary WHERE summary_date = ?1";
    pub(crate) const IS_LOGGED: &str = "SELECT 1 FROM replay_log WHERE day = ?1 AND user_id = ?2 LIMIT 1";
}

const BEGIN: &str = "INSERT OR REPLACE INTO replay
        (one, started_at, phase, stress, next_day, next_user, confirmed, healed, kept, carried_over, switched_at,
            from_day, to_day, log_cursor)
     VALUES (1, ?1, 1, ?2, ?3, ?4, 0, 0, 0, 0, NULL, ?3, ?5, '')";
const GIVE_UP: &str = "DELETE FROM replay WHERE from_day IS NOT NULL AND phase <> 3 AND started_at < ?1";
const ADD: &str = "INSERT INTO replay_log (day, user_id, event_id, positivity, intensity, stress)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
const NOTE: &str = "UPDATE replay SET log_cursor = ?1 WHERE one = 1";

pub(super) fn begin(connection: &Connection, plan: LogReplayPlan, now: Timestamp) -> Result<(), Fault> {
    let (from, to) = (day_number(plan.days.from), day_number(plan.days.to));
    let stress = i64::from(plan.stress.0.billionths());
    connection.execute_batch(FORGET)?;
    connection.execute(BEGIN, params![At(now), stress, from, IdBytes(Uuid::nil()), to])?;
    Ok(())
}

/// Forgets a replay from the log that was begun before this and never ended.
pub(crate) fn give_up(connection: &Connection, before: Timestamp) -> Result<(), Fault> {
    if connection.prepare_cached(GIVE_UP)?.execute([At(before)])? > 0 {
        connection.execute_batch(FORGET)?;
    }
    Ok(())
}

/// A page of the log, ready to be taken in.
pub(super) struct Taken(LoggedEvents);

impl Taken {
    /// Sorts the events on the caller's thread, so that those of one user's day stand together. Of the same ones the first stays first.
    pub(super) fn new(mut page: LoggedEvents) -> Self {
        page.events.sort_by_key(|event| (day_number_of(event.occurred_at), event.user, event.id));
        Self(page)
    }

    /// Takes in those that are counted, if nobody else has taken in this page.
    pub(super) fn add(&self, connection: &Connection) -> Result<Option<Replay>, Fault> {
        let Self(page) = self;
        if find(connection)?.is_some_and(|state| state.cursor.as_ref() == Some(&page.after)) {
            page.events.iter().try_for_each(|event| add(connection, event))?;
            let cursor = (!page.is_last).then_some(&page.through);
            connection.prepare_cached(NOTE)?.execute([cursor])?;
        }
        told(connection)
    }
}

fn add(connection: &Connection, event: &EmotionEvent) -> Result<(), Fault> {
    let day = day_number_of(event.occurred_at);
    let (user, id) = (IdBytes(event.user.uuid()), IdBytes(event.id.uuid()));
    let is_counted = connection.prepare_cached(folds::FIND_RAW)?.exists(params![day, user, id])?
        || connection.prepare_cached(statements::COUNTED_ID)?.exists(params![day, user, id, COUNTED])?;
    if is_counted {
        let metrics = &event.metrics;
        let [positivity, intensity, stress] =
            [metrics.positivity, metrics.intensity, metrics.stress].map(|unit| unit.billionths());
        connection.prepare_cached(ADD)?.execute(params![day, user, id, positivity, intensity, stress])?;
    }
    Ok(())
}

/// Rebuilds the next piece, and notes how far it came.
pub(super) fn rebuild(connection: &Connection, state: &State, to: i64, most: i64) -> Result<(), Fault> {
    let next: Option<i64> =
        connection.prepare_cached(statements::NEXT)?.query_row([state.next_day], |row| row.get(0))?;
    let Some(day) = next else {
        let carried_over = untold(connection, state, to)?;
        let verdicts = Verdicts { carried_over, ..Verdicts::default() };
        return advance(connection, BUILT, (to, Uuid::nil()), &verdicts);
    };
    let first = if day == state.next_day { state.next_user } else { Uuid::nil() };
    let piece = read(connection, day, first, state.stress, most)?;
    let mut verdicts = Verdicts { carried_over: untold(connection, state, day)?, ..Verdicts::default() };
    for (user, row) in &piece {
        judge(connection, statements::HAS_OTHER_IDS, (day, *user), row, &mut verdicts)?;
    }
    advance(connection, BUILDING, next_place(day, &piece, most), &verdicts)
}

fn read(
    connection: &Connection,
    day: i64,
    first: Uuid,
    threshold: i64,
    most: i64,
) -> Result<BTreeMap<Uuid, Twice>, Fault> {
    let mut piece: BTreeMap<Uuid, Twice> = BTreeMap::new();
    let mut logged = connection.prepare_cached(statements::LOGGED)?;
    let mut rows = logged.query(params![day, IdBytes(first), most, threshold, COUNTED])?;
    while let Some(row) = rows.next()? {
        piece.entry(row.get::<_, IdBytes>(0)?.0).or_default().raw = Sums::read(row)?;
    }
    let date = day_from_number(day)?.to_string();
    let mut newer = connection.prepare_cached(statements::NEWER)?;
    let mut live = connection.prepare_cached(statements::LIVE)?;
    for (user, twice) in &mut piece {
        let found = newer.query_row(params![day, IdBytes(*user), threshold], Sums::read)?;
        twice.raw = twice.raw.plus(found);
        let mut rows = live.query(params![IdText::new(*user), date])?;
        if let Some(row) = rows.next()? {
            twice.live = Sums::read(row)?;
        }
    }
    Ok(piece)
}

/// How many rows the log says nothing of, on the days from the one that is next up to `to`. Days are counted when they are begun.
fn untold(connection: &Connection, state: &State, to: i64) -> Result<i64, Fault> {
    let begun = i64::from(!state.next_user.is_nil());
    let mut rows = connection.prepare_cached(statements::ROWS)?;
    let mut logged = connection.prepare_cached(statements::IS_LOGGED)?;
    let mut untold = 0;
    for day in state.next_day + begun..=to {
        let mut users = rows.query([day_from_number(day)?.to_string()])?;
        while let Some(row) = users.next()? {
            let Id(user) = row.get(0)?;
            untold += i64::from(!logged.exists(params![day, IdBytes(user)])?);
        }
    }
    Ok(untold)
}
