//! Summary rows that don't say what the events of their day add up to.
//!
//! It goes day by day, so that memory holds one day's users and no more.

use std::collections::BTreeMap;

use ecs_domain::{Day, UserId};
use ecs_store::SummaryMismatch;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use crate::column::{Id, IdBytes, count, day_from_number, day_number};
use crate::engine::Fault;
use crate::folds::COUNTED;

pub(crate) mod statements {
    //! The SQL of the comparison, where the test of the query plans sees it.

    pub(crate) const NEXT_RAW: &str = "SELECT min(day) FROM emotional_events WHERE day >= ?1";
    pub(crate) const NEXT_INBOX: &str = "SELECT min(day) FROM emotion_inbox WHERE day >= ?1";
    pub(crate) const NEXT_SUMMARY: &str =
        "SELECT min(summary_date) FROM emotional_events_summary WHERE summary_date >= ?1";
    pub(crate) const RAW: &str = "SELECT user_id, count(*), sum(positivity), sum(intensity), sum(stress)
         FROM emotional_events WHERE day = ?1 GROUP BY user_id";
    pub(crate) const INBOX: &str =
        "SELECT user_id, count(*) FROM emotion_inbox WHERE day = ?1 AND fate = ?2 GROUP BY user_id";
    pub(crate) const SUMMARY: &str = "SELECT user_id, event_count, positivity_sum, intensity_sum, stress_sum
         FROM emotional_events_summary WHERE summary_date = ?1";
}

/// The first day of which every raw row is there, or NULL.
const RAW_FLOOR: &str = "SELECT max(day) FROM raw_floor";

/// At most `limit` mismatches of days from `floor` on.
pub(super) fn find(connection: &Connection, floor: Day, limit: usize) -> Result<Vec<SummaryMismatch>, Fault> {
    let mut mismatches = Vec::new();
    let dropped: Option<i64> = connection.prepare_cached(RAW_FLOOR)?.query_row([], |row| row.get(0))?;
    let mut from = day_number(floor).max(dropped.unwrap_or(i64::MIN));
    while mismatches.len() < limit
        && let Some(day) = next_day(connection, from)?
    {
        let date = day_from_number(day)?;
        let comparisons = compare(connection, day, date)?;
        mismatches.extend(comparisons.into_iter().filter_map(|(user, found)| found.mismatch(user, date)));
        from = day + 1;
    }
    mismatches.truncate(limit);
    Ok(mismatches)
}

/// The first day from `from` on of which any of the tables knows.
fn next_day(connection: &Connection, from: i64) -> Result<Option<i64>, Fault> {
    let next = |sql: &str| -> Result<Option<i64>, Fault> {
        Ok(connection.prepare_cached(sql)?.query_row([from], |row| row.get(0))?)
    };
    let date: Option<String> = connection
        .prepare_cached(statements::NEXT_SUMMARY)?
        .query_row([day_from_number(from)?.to_string()], |row| row.get(0))?;
    let summary = date.and_then(|date| date.parse().ok()).map(day_number);
    let days = [next(statements::NEXT_RAW)?, next(statements::NEXT_INBOX)?, summary];
    Ok(days.into_iter().flatten().min())
}

/// A user's day, twice: as the events add up, and as the summary has it.
#[derive(Default)]
struct Comparison {
    raw: Sums,
    /// Counted events of which only the id is left.
    ids: i64,
    summary: Sums,
}

#[derive(Default, PartialEq, Eq)]
struct Sums {
    events: i64,
    positivity: i64,
    intensity: i64,
    stress: i64,
}

fn compare(connection: &Connection, day: i64, date: Day) -> Result<BTreeMap<Uuid, Comparison>, Fault> {
    let mut found: BTreeMap<Uuid, Comparison> = BTreeMap::new();
    let mut raw = connection.prepare_cached(statements::RAW)?;
    let mut rows = raw.query([day])?;
    while let Some(row) = rows.next()? {
        found.entry(row.get::<_, IdBytes>(0)?.0).or_default().raw = Sums::read(row)?;
    }
    let mut inbox = connection.prepare_cached(statements::INBOX)?;
    let mut rows = inbox.query(params![day, COUNTED])?;
    while let Some(row) = rows.next()? {
        found.entry(row.get::<_, IdBytes>(0)?.0).or_default().ids = row.get(1)?;
    }
    let mut summary = connection.prepare_cached(statements::SUMMARY)?;
    let mut rows = summary.query([date.to_string()])?;
    while let Some(row) = rows.next()? {
        found.entry(row.get::<_, Id>(0)?.0).or_default().summary = Sums::read(row)?;
    }
    Ok(found)
}

impl Comparison {
    fn mismatch(&self, user: Uuid, day: Day) -> Option<SummaryMismatch> {
        let named = self.raw.events + self.ids;
        // Ids have no values, so sums can be compared only where every event has its raw row.
        let agrees = named == self.summary.events && (self.ids > 0 || self.raw == self.summary);
        (!agrees).then(|| SummaryMismatch {
            user: UserId::new(user),
            day,
            named: count(named),
            summarised: count(self.summary.events),
        })
    }
}

impl Sums {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { events: row.get(1)?, positivity: row.get(2)?, intensity: row.get(3)?, stress: row.get(4)? })
    }
}
