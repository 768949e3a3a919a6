//! The partitions of the raw emotion events, one per UTC day, and the floor below which there are none.
//!
//! Partitions are made ahead, by the first fold of a day, and on demand for events of other days. Neither stops a fold: a
//! table is made for itself and then attached, which takes a lock that readers and folds don't mind.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ecs_domain::{Day, Timestamp, utc_day};
use ecs_store::StoreError;
use jiff::ToSpan;

use crate::PostgresStore;
use crate::column::get;
use crate::engine::{Call, Fault, Session};

/// Held by whoever makes partitions: "ecs days" in a number. It ends with the transaction.
const LOCK_MAKERS: &str = "SELECT pg_advisory_xact_lock(7305808869228380531)";
/// Shuts all folds out until the transaction ends, and lets readers in. A fold that waits for it takes its snapshot
/// afterwards: PostgreSQL locks what a statement writes to before it looks at anything.
pub(crate) const SHUT_FOLDS_OUT: &str = "LOCK TABLE ONLY emotional_events IN SHARE ROW EXCLUSIVE MODE";
/// While somebody waits for such a lock, everybody behind waits too. Better to give up and come again.
pub(crate) const BE_BRIEF: &str = "SELECT set_config('lock_timeout', '2s', true)";
const PARTITIONS: &str =
    "SELECT c.relname::text AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'emotional_events'::regclass";
const FLOOR: &str = "SELECT day FROM raw_floor WHERE one = 1";
const RAISE: &str = "UPDATE raw_floor SET day = greatest(day, $1::date) WHERE one = 1 RETURNING day";

/// How many days are made ahead, today included.
const AHEAD: i32 = 3;
const PREFIX: &str = "emotional_events_";

/// What this process knows of the partitions. A partition stays as long as its day isn't below the floor, and the floor
/// never sinks, so what was true stays true, and the database need not be asked again.
#[derive(Default)]
pub(crate) struct Partitions {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    floor: Option<Day>,
    days: BTreeSet<Day>,
}

impl Partitions {
    /// Notes where the floor is.
    pub(crate) fn note_floor(&self, floor: Day) {
        let mut known = self.known();
        known.floor = known.floor.max(Some(floor));
        known.days.retain(|day| *day >= floor);
    }

    /// Asks the database again.
    pub(crate) fn forget(&self) {
        *self.known() = Known::default();
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_at_least(&self, floor: Day) -> bool {
        self.known().floor.is_some_and(|known| known >= floor)
    }

    /// Which of these days, from the floor on, are not known to have a partition.
    fn missing(&self, days: &[Day]) -> BTreeSet<Day> {
        let known = self.known();
        let mut last = None;
        // Days of a batch stand in order, so most are looked up once for a thousand events.
        let changes = days.iter().filter(|day| last.replace(**day) != Some(**day));
        changes
            .filter(|day| known.floor.is_none_or(|floor| **day >= floor) && !known.days.contains(day))
            .copied()
            .collect()
    }
}

impl PostgresStore {
    /// Sees to it that the floor is at least `floor`, and that those of the days that are not below it have partitions, as
    /// have the next few.
    pub(crate) async fn prepare_days(
        &self,
        days: &[Day],
        floor: Day,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if !self.partitions.is_at_least(floor) {
            self.raise_floor(floor).await?;
        }
        let mut missing = self.partitions.missing(days);
        let today = utc_day(now);
        if missing.is_empty() && self.partitions.missing(&[today]).is_empty() {
            return Ok(());
        }
        let ahead: Vec<Day> = (0..AHEAD).map(|more| today.saturating_add(more.days())).collect();
        missing.extend(self.partitions.missing(&ahead));
        let missing = &missing;
        self.primary
            .run(Call::long("partitions.make"), |session| async move { make(&session, missing).await })
            .await?;
        self.partitions.known().days.extend(missing);
        Ok(())
    }

    /// Raises the floor unless it is as high already. Returns nothing: where it is stands with the partitions.
    pub(crate) async fn raise_floor(&self, floor: Day) -> Result<(), StoreError> {
        let stands = self
            .primary
            .run(Call::long("partitions.floor"), |session| async move { raise(&session, floor).await })
            .await?;
        self.partitions.note_floor(stands);
        Ok(())
    }
}

async fn raise(session: &Session, floor: Day) -> Result<Day, Fault> {
    let stands = session.query(FLOOR, &[]).await?.only::<Day>()?;
    if stands >= floor {
        return Ok(stands);
    }
    // Folds that are under way go by the old floor, and must end first.
    let mut flight = session.flight();
    flight.begin();
    flight.add(BE_BRIEF, &[]);
    flight.add(SHUT_FOLDS_OUT, &[]);
    let raise = flight.add(RAISE, &[&floor]);
    flight.commit();
    flight.send().await?.take(raise).only()
}

/// Makes the partitions of these days that aren't there, all or none.
async fn make(session: &Session, days: &BTreeSet<Day>) -> Result<(), Fault> {
    let mut flight = session.flight();
    flight.begin_long();
    flight.add(LOCK_MAKERS, &[]);
    let there = flight.add(PARTITIONS, &[]);
    let there = flight.send().await?.take(there);
    let names = there.rows.iter().map(|row| get(row, "name")).collect::<Result<BTreeSet<String>, _>>()?;
    let absent = days.iter().filter(|day| !names.contains(&name(**day)));
    let ddl: String = absent.map(|day| ddl(*day)).collect();
    if !ddl.is_empty() {
        session.batch(&ddl).await?;
    }
    let mut flight = session.flight();
    flight.commit();
    flight.send().await?;
    Ok(())
}

/// A new table is empty, so attaching it looks at no row.
fn ddl(day: Day) -> String {
    let (name, next) = (name(day), day.saturating_add(1.day()));
    format!(
        "CREATE TABLE {name} (LIKE emotional_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES);
         ALTER TABLE emotional_events ATTACH PARTITION {name} FOR VALUES FROM ('{day}') TO ('{next}');"
    )
}

/// The partition's name, such as `emotional_events_20261120`.
pub(crate) fn name(day: Day) -> String {
    format!("{PREFIX}{:04}{:02}{:02}", day.year(), day.month(), day.day())
}

/// The days before `floor` that have a partition, the oldest first.
pub(crate) async fn due(session: &Session, floor: Day) -> Result<Vec<Day>, Fault> {
    let there = session.query(PARTITIONS, &[]).await?;
    let mut due = Vec::new();
    for row in &there.rows {
        due.extend(day_of(get(row, "name")?).filter(|day| *day < floor));
    }
    due.sort_unstable();
    Ok(due)
}

fn day_of(name: &str) -> Option<Day> {
    let digits = name.strip_prefix(PREFIX)?;
    Day::new(digits.get(..4)?.parse().ok()?, digits.get(4..6)?.parse().ok()?, digits.get(6..)?.parse().ok()?)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_their_days() {
        let check = |day: &str, expect: &str| {
            let day: Day = day.parse().unwrap();
            assert_eq!(name(day), expect);
            assert_eq!(day_of(expect), Some(day));
        };
        check("2026-11-20", "emotional_events_20261120");
        check("0001-01-02", "emotional_events_00010102");
        assert_eq!(day_of("emotional_events_old"), None);
    }

    #[test]
    fn what_is_known_is_not_asked_for_again() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        let partitions = Partitions::default();
        let days = [day("2026-11-18"), day("2026-11-19"), day("2026-11-19"), day("2026-11-20")];
        assert_eq!(partitions.missing(&days).len(), 3);
        partitions.known().days.insert(day("2026-11-20"));
        partitions.note_floor(day("2026-11-19"));
        assert_eq!(partitions.missing(&days), BTreeSet::from([day("2026-11-19")]));
        assert!(partitions.is_at_least(day("2026-11-19")) && !partitions.is_at_least(day("2026-11-20")));
        partitions.note_floor(day("2026-11-01"));
        assert!(partitions.is_at_least(day("2026-11-19")), "it never sinks");
        partitions.forget();
        assert_eq!(partitions.missing(&days).len(), 3);
    }
}
