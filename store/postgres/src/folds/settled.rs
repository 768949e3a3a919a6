//! What the fold's statement tells, put together into what became of each event.

use std::collections::{BTreeMap, HashSet};

use ecs_domain::Day;
use ecs_store::{Folded, StoreError};
use tokio_postgres::Row;
use uuid::Uuid;

use super::DISCARDED;
use super::batch::{Batch, Key};
use crate::column::get;
use crate::engine::Fault;

/// What became of the rows of a batch.
pub(super) struct Settled {
    /// The day from which on events have raw rows.
    pub(super) floor: Day,
    of_rows: Vec<Folded>,
}

impl Settled {
    /// From the rows that the statement returned.
    pub(super) fn read(batch: &Batch<'_>, rows: &[Row]) -> Result<Self, Fault> {
        let missing = || StoreError::Corrupt("the fold did not say what came of it".to_owned());
        let mut inserted: HashSet<Key> = HashSet::new();
        let mut known = None;
        for row in rows {
            match get::<_, i32>(row, "told")? {
                0 => known = Some(Known::read(row)?),
                _ => {
                    inserted.insert((get(row, "day")?, get(row, "user_id")?, get(row, "event_id")?));
                }
            }
        }
        let known = known.ok_or_else(missing)?;
        // Where every event is new, the keys are not told.
        let all_are_new = usize::try_from(known.counted).is_ok_and(|counted| counted == batch.ids.len());
        let became = |(key, owner): (Key, usize)| match known.standings.get(owner).copied() {
            None | Some(0) => Folded::UnknownUser,
            Some(_) if !all_are_new && !inserted.contains(&key) => Folded::Repeated,
            Some(DISCARDED) => Folded::Discarded,
            Some(_) => Folded::Counted,
        };
        Ok(Self { floor: known.floor, of_rows: batch.keys().map(became).collect() })
    }

    /// In the order of the caller's events.
    pub(super) fn of_caller(&self, batch: &Batch<'_>) -> Vec<Folded> {
        let became = |row: usize| self.of_rows.get(row).copied().unwrap_or(Folded::UnknownUser);
        let places = batch.places.iter();
        places
            .map(|place| match became(place.row) {
                Folded::UnknownUser => Folded::UnknownUser,
                _ if place.repeats => Folded::Repeated,
                settled => settled,
            })
            .collect()
    }

    /// The keys of the rows that were there already.
    pub(super) fn repeated(&self, batch: &Batch<'_>) -> (Vec<Day>, Vec<Uuid>, Vec<Uuid>) {
        let (mut days, mut users, mut ids) = (Vec::new(), Vec::new(), Vec::new());
        for ((day, user, id), _) in self.those(batch, Folded::Repeated).map(|(_, key)| key) {
            days.push(day);
            users.push(user);
            ids.push(id);
        }
        (days, users, ids)
    }

    fn those(&self, batch: &Batch<'_>, wanted: Folded) -> impl Iterator<Item = (usize, (Key, usize))> {
        let rows = batch.keys().enumerate().zip(&self.of_rows);
        rows.filter(move |(_, became)| **became == wanted).map(|(row, _)| row)
    }
}

/// The row that the statement always returns.
struct Known {
    /// For each user: 0 unknown, 1 consent, 2 none.
    standings: Vec<i16>,
    floor: Day,
    counted: i64,
}

impl Known {
    fn read(row: &Row) -> Result<Self, Fault> {
        Ok(Self {
            standings: get(row, "standings")?,
            floor: get(row, "floor")?,
            counted: get(row, "counted")?,
        })
    }
}

/// What the events add up to that counted without a raw row, as arrays by user and day.
#[derive(Default)]
pub(super) struct OldSums {
    pub(super) users: Vec<Uuid>,
    pub(super) days: Vec<Day>,
    pub(super) events: Vec<i64>,
    pub(super) stress_events: Vec<i64>,
    pub(super) positivity: Vec<i64>,
    pub(super) intensity: Vec<i64>,
    pub(super) stress: Vec<i64>,
}

impl OldSums {
    /// Adds up the counted rows of days before the floor.
    pub(super) fn of(batch: &Batch<'_>, settled: &Settled, threshold: i32) -> Self {
        let mut sums: BTreeMap<(Uuid, Day), [i64; 5]> = BTreeMap::new();
        let counted = settled.those(batch, Folded::Counted);
        // Rows stand by rising day, so the old ones are the first.
        for (row, ((day, user, _), _)) in counted.take_while(|(_, ((day, ..), _))| *day < settled.floor) {
            let metric = |of: &[i32]| of.get(row).copied().unwrap_or(0);
            let stress = metric(&batch.stress);
            let parts = [
                1,
                i64::from(stress >= threshold),
                metric(&batch.positivity).into(),
                metric(&batch.intensity).into(),
                stress.into(),
            ];
            let sum = sums.entry((user, day)).or_default();
            sum.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
        }
        let mut columns = Self::default();
        for ((user, day), [events, stress_events, positivity, intensity, stress]) in sums {
            columns.users.push(user);
            columns.days.push(day);
            columns.events.push(events);
            columns.stress_events.push(stress_events);
            columns.positivity.push(positivity);
            columns.intensity.push(intensity);
            columns.stress.push(stress);
        }
        columns
    }
}
