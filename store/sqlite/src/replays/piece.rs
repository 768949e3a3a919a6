//! A piece of a replay: some users of one day, rebuilt from their raw rows and held against the live rows.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::{BUILDING, BUILT, State};
use crate::column::{Id, IdBytes, IdText, day_from_number, day_number};
use crate::engine::Fault;
use crate::folds::COUNTED;

pub(crate) mod statements {
    //! The SQL of the pieces, where the test of the query plans sees it.

    pub(crate) const NEXT_RAW: &str = "SELECT min(day) FROM emotional_events WHERE day >= ?1";
    pub(crate) const NEXT_LIVE: &str =
        "SELECT min(summary_date) FROM emotional_events_summary WHERE summary_date >= ?1";
    pub(crate) const RAW: &str =
        "SELECT user_id, count(*), sum(stress >= ?4), sum(positivity), sum(intensity), sum(stress)
         FROM emotional_events WHERE day = ?1 AND user_id >= ?2 GROUP BY user_id ORDER BY user_id LIMIT ?3";
    pub(crate) const LIVE: &str =
        "SELECT user_id, event_count, stress_event_count, positivity_sum, intensity_sum, stress_sum
         FROM emotional_events_summary WHERE summary_date = ?1 AND user_id >= ?2 ORDER BY user_id LIMIT ?3";
    pub(crate) const HAS_IDS: &str =
        "SELECT 1 FROM emotion_inbox WHERE day = ?1 AND user_id = ?2 AND fate = ?3 LIMIT 1";
}

const DIFFERS: &str =
    "INSERT INTO replay_shadow (user_id, summary_date, event_count, stress_event_count, positivity_sum,
        intensity_sum, stress_sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
/// Rows that are still to be looked at and whose days fell below the floor meanwhile.
const PASSED: &str = "SELECT count(*) FROM emotional_events_summary
     WHERE summary_date >= ?1 AND (summary_date > ?1 OR user_id >= ?2) AND summary_date < ?3";
const ADVANCE: &str =
    "UPDATE replay SET phase = ?1, next_day = ?2, next_user = ?3, confirmed = confirmed + ?4,
        healed = healed + ?5, kept = kept + ?6, carried_over = carried_over + ?7 WHERE one = 1";

/// Rebuilds the next piece, and notes how far it came. Nobody else writes meanwhile, so everything is of one moment.
pub(super) fn rebuild(connection: &Connection, state: &State, floor: i64, most: i64) -> Result<(), Fault> {
    let from = state.next_day.max(floor);
    let Some(day) = next_day(connection, from)? else {
        let verdicts = Verdicts { carried_over: passed(connection, state, from)?, ..Verdicts::default() };
        return advance(connection, BUILT, (from, Uuid::nil()), &verdicts);
    };
    let first = if day == state.next_day { state.next_user } else { Uuid::nil() };
    let piece = read(connection, day, first, state.stress, most)?;
    let mut verdicts = Verdicts { carried_over: passed(connection, state, from)?, ..Verdicts::default() };
    for (user, row) in piece.iter().take(usize::try_from(most).unwrap_or(usize::MAX)) {
        judge(connection, statements::HAS_IDS, (day, *user), row, &mut verdicts)?;
    }
    let next = next_place(day, &piece, most);
    advance(connection, BUILDING, next, &verdicts)
}

/// What became of a piece's rows.
#[derive(Default)]
pub(super) struct Verdicts {
    pub(super) confirmed: i64,
    pub(super) healed: i64,
    pub(super) kept: i64,
    pub(super) carried_over: i64,
}

/// A user's day, twice.
#[derive(Default)]
pub(super) struct Twice {
    pub(super) raw: Sums,
    pub(super) live: Sums,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sums {
    events: i64,
    stress_events: i64,
    positivity: i64,
    intensity: i64,
    stress: i64,
}

fn next_day(connection: &Connection, from: i64) -> Result<Option<i64>, Fault> {
    let raw: Option<i64> =
        connection.prepare_cached(statements::NEXT_RAW)?.query_row([from], |row| row.get(0))?;
    let date = day_from_number(from)?.to_string();
    let live: Option<String> =
        connection.prepare_cached(statements::NEXT_LIVE)?.query_row([date], |row| row.get(0))?;
    let live = live.and_then(|date| date.parse().ok()).map(day_number);
    Ok([raw, live].into_iter().flatten().min())
}

/// Users from `first` on. Of each table the first `most`, so the first `most` of both together are whole.
fn read(
    connection: &Connection,
    day: i64,
    first: Uuid,
    threshold: i64,
    most: i64,
) -> Result<BTreeMap<Uuid, Twice>, Fault> {
    let mut piece: BTreeMap<Uuid, Twice> = BTreeMap::new();
    let mut raw = connection.prepare_cached(statements::RAW)?;
    let mut rows = raw.query(params![day, IdBytes(first), most, threshold])?;
    while let Some(row) = rows.next()? {
        piece.entry(row.get::<_, IdBytes>(0)?.0).or_default().raw = Sums::read(row)?;
    }
    let mut live = connection.prepare_cached(statements::LIVE)?;
    let mut rows = live.query(params![day_from_number(day)?.to_string(), IdText::new(first), most])?;
    while let Some(row) = rows.next()? {
        piece.entry(row.get::<_, Id>(0)?.0).or_default().live = Sums::read(row)?;
    }
    Ok(piece)
}

pub(super) fn judge(
    connection: &Connection,
    has_ids: &str,
    (day, user): (i64, Uuid),
    row: &Twice,
    verdicts: &mut Verdicts,
) -> Result<(), Fault> {
    if row.raw == row.live {
        verdicts.confirmed += 1;
        return Ok(());
    }
    let mut has_ids = connection.prepare_cached(has_ids)?;
    if has_ids.exists(params![day, IdBytes(user), COUNTED])? {
        verdicts.carried_over += 1;
    } else if row.raw.events < row.live.events {
        verdicts.kept += 1;
    } else {
        verdicts.healed += 1;
        let Twice { raw, live } = row;
        connection.prepare_cached(DIFFERS)?.execute(params![
            IdText::new(user),
            day_from_number(day)?.to_string(),
            raw.events - live.events,
            raw.stress_events - live.stress_events,
            raw.positivity - live.positivity,
            raw.intensity - live.intensity,
            raw.stress - live.stress,
        ])?;
    }
    Ok(())
}

/// How many rows are passed over on the way to the day `to`, the floor if that has risen.
fn passed(connection: &Connection, state: &State, to: i64) -> Result<i64, Fault> {
    let date = |day| day_from_number(day).map(|day| day.to_string());
    let range = params![date(state.next_day)?, IdText::new(state.next_user), date(to)?];
    Ok(connection.prepare_cached(PASSED)?.query_row(range, |row| row.get(0))?)
}

/// Behind the last user of a full piece, else the next day.
pub(super) fn next_place(day: i64, piece: &BTreeMap<Uuid, Twice>, most: i64) -> (i64, Uuid) {
    let last = usize::try_from(most - 1).ok().and_then(|last| piece.keys().nth(last));
    match last.and_then(|last| last.as_u128().checked_add(1)) {
        Some(next) => (day, Uuid::from_u128(next)),
        None => (day + 1, Uuid::nil()),
    }
}

pub(super) fn advance(
    connection: &Connection,
    phase: i64,
    (day, user): (i64, Uuid),
    verdicts: &Verdicts,
) -> Result<(), Fault> {
    let Verdicts { confirmed, healed, kept, carried_over } = verdicts;
    connection.prepare_cached(ADVANCE)?.execute(params![
        phase,
        day,
        IdBytes(user),
        confirmed,
        healed,
        kept,
        carried_over
    ])?;
    Ok(())
}

impl Sums {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            stress_events: self.stress_events + other.stress_events,
            positivity: self.positivity + other.positivity,
            intensity: self.intensity + other.intensity,
            stress: self.stress + other.stress,
        }
    }

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            events: row.get(1)?,
            stress_events: row.get(2)?,
            positivity: row.get(3)?,
            intensity: row.get(4)?,
            stress: row.get(5)?,
        })
    }
}
