//! The fold of emotion events.
//!
//! Events come sorted by (day, user). Each run of one day and user asks once what it needs to know, inserts its events,
//! adds the ones that were really new up in memory, and writes one summary row.

use ecs_domain::Timestamp;
use ecs_domain::consent::{ConsentRule, Purpose};
use ecs_store::{EmotionRules, Folded};
use jiff::SignedDuration;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use uuid::Uuid;

use super::batch::{Batch, Row};
use crate::column::{At, IdBytes, IdText, day_from_number, day_number};
use crate::engine::Fault;
use crate::evaluations;

/// What the inbox says of an event whose raw row is gone, or never was.
pub(crate) const COUNTED: i64 = 1;
/// What the inbox says of an event that was discarded for lack of consent.
pub(crate) const DISCARDED: i64 = 2;

/// How old a noted arrival may get before a repeat renews it. Ids are kept for a day longer than the bus keeps events,
/// so within that day nothing needs to be written.
const RENEWAL: SignedDuration = SignedDuration::from_hours(24);

pub(crate) mod statements {
    //! The fold's SQL, where the test of the query plans sees it.

    pub(crate) const STANDING: &str = "SELECT c.granted FROM users u LEFT JOIN consents c ON c.user_id = u.id AND c.purpose = ?2 WHERE u.id = ?1";
    pub(crate) const HAS_RAW: &str = "SELECT 1 FROM emotional_events WHERE day = ?1 AND user_id = ?2";
    pub(crate) const HAS_IDS: &str = "SELECT 1 FROM emotion_inbox WHERE day = ?1 AND user_id = ?2";
    pub(crate) const FIND_RAW: &str =
        "SELECT 1 FROM emotional_events WHERE day = ?1 AND user_id = ?2 AND event_id = ?3";
    pub(crate) const FIND_ID: &str =
        "SELECT 1 FROM emotion_inbox WHERE day = ?1 AND user_id = ?2 AND event_id = ?3";
    pub(crate) const INSERT_RAW: &str = "INSERT INTO emotional_events
            (day, user_id, event_id, occurred_at, arrived_at, kind, positivity, intensity, stress)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING";
    pub(crate) const INSERT_ID: &str = "INSERT INTO emotion_inbox (day, user_id, event_id, arrived_at, fate)
         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    pub(crate) const RENEW_RAW: &str = "UPDATE emotional_events SET arrived_at = ?4
         WHERE day = ?1 AND user_id = ?2 AND event_id = ?3 AND arrived_at < ?5";
    pub(crate) const RENEW_ID: &str = "UPDATE emotion_inbox SET arrived_at = ?4
         WHERE day = ?1 AND user_id = ?2 AND event_id = ?3 AND arrived_at < ?5";
    pub(crate) const ADD: &str = "INSERT INTO emotional_events_summary (user_id, summary_date, event_count,
            stress_event_count, positivity_sum, intensity_sum, stress_sum, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (user_id, summary_date) DO UPDATE SET
            event_count = event_count + excluded.event_count,
            stress_event_count = stress_event_count + excluded.stress_event_count,
            positivity_sum = positivity_sum + excluded.positivity_sum,
            intensity_sum = intensity_sum + excluded.intensity_sum,
            stress_sum = stress_sum + excluded.stress_sum,
            updated_at = max(updated_at, excluded.updated_at)";
}

/// Folds a batch inside the writer's transaction. The result is in the order of the caller's events.
pub(super) fn fold(
    connection: &Connection,
    batch: &Batch,
    rules: EmotionRules,
    now: Timestamp,
) -> Result<Vec<Folded>, Fault> {
    let standings = standings(connection, &batch.users, rules.consent)?;
    let mut fold = Fold::prepare(connection, batch, rules, now)?;
    let mut results = vec![Folded::UnknownUser; batch.rows.len()];
    for run in batch.runs() {
        let Some(first) = run.first() else { continue };
        let at = first.user as usize;
        let (Some(&user), Some(&standing)) = (batch.users.get(at), standings.get(at)) else { continue };
        fold.run(run, user, standing, &mut results)?;
    }
    evaluations::note(connection, batch.users.iter().copied(), now)?;
    Ok(results)
}

/// What holds for a user, read in the fold's own transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Unknown,
    Allowed,
    Refused,
}

fn standings(connection: &Connection, users: &[Uuid], rule: ConsentRule) -> Result<Vec<Standing>, Fault> {
    let mut statement = connection.prepare_cached(statements::STANDING)?;
    let purpose = Purpose::EmotionAnalysis.as_str();
    let standing = |user: &Uuid| {
        let said: Option<Option<bool>> =
            statement.query_row(params![IdText::new(*user), purpose], |row| row.get(0)).optional()?;
        Ok(match said {
            None => Standing::Unknown,
            Some(said) if rule.allows(said) => Standing::Allowed,
            Some(_) => Standing::Refused,
        })
    };
    users.iter().map(standing).collect()
}

/// The statements of one fold, prepared once, with what they share.
struct Fold<'a> {
    batch: &'a Batch,
    raw_floor: i64,
    now: At,
    has_raw: CachedStatement<'a>,
    has_ids: CachedStatement<'a>,
    find_raw: CachedStatement<'a>,
    find_id: CachedStatement<'a>,
    insert_raw: CachedStatement<'a>,
    insert_id: CachedStatement<'a>,
    renew_raw: CachedStatement<'a>,
    renew_id: CachedStatement<'a>,
    add: CachedStatement<'a>,
}

/// What the new events of a run add up to.
#[derive(Default)]
struct Sums {
    events: i64,
    stress_events: i64,
    positivity: i64,
    intensity: i64,
    stress: i64,
}

/// Where the ids of a run's new events are noted.
#[derive(Clone, Copy)]
enum Place {
    Raw,
    Inbox,
}

impl<'a> Fold<'a> {
    fn prepare(
        connection: &'a Connection,
        batch: &'a Batch,
        rules: EmotionRules,
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let mut fold = Self {
            batch,
            raw_floor: day_number(rules.raw_floor),
            now: At(now),
            has_raw: connection.prepare_cached(statements::HAS_RAW)?,
            has_ids: connection.prepare_cached(statements::HAS_IDS)?,
            find_raw: connection.prepare_cached(statements::FIND_RAW)?,
            find_id: connection.prepare_cached(statements::FIND_ID)?,
            insert_raw: connection.prepare_cached(statements::INSERT_RAW)?,
            insert_id: connection.prepare_cached(statements::INSERT_ID)?,
            renew_raw: connection.prepare_cached(statements::RENEW_RAW)?,
            renew_id: connection.prepare_cached(statements::RENEW_ID)?,
            add: connection.prepare_cached(statements::ADD)?,
        };
        fold.insert_raw.raw_bind_parameter(5, now.as_microsecond())?;
        Ok(fold)
    }

    /// Folds the events of one user on one day.
    fn run(
        &mut self,
        run: &[Row],
        user: Uuid,
        standing: Standing,
        results: &mut [Folded],
    ) -> Result<(), Fault> {
        let Some(day) = run.first().map(|row| row.day) else { return Ok(()) };
        match standing {
            Standing::Unknown => Ok(()),
            Standing::Refused => self.discard(run, day, user, results),
            Standing::Allowed => {
                let sums = self.count(run, day, user, results)?;
                if sums.events > 0 { self.add(&sums, day, user) } else { Ok(()) }
            }
        }
    }

    fn count(&mut self, run: &[Row], day: i64, user: Uuid, results: &mut [Folded]) -> Result<Sums, Fault> {
        let place = if day < self.raw_floor { Place::Inbox } else { Place::Raw };
        // An event is new when neither table has it. The one that it goes into tells at the insert; the other one is
        // mostly empty for this day and user, which one look tells for the whole run.
        let elsewhere = match place {
            Place::Raw => self.has_ids.exists(params![day, IdBytes(user)])?,
            Place::Inbox => self.has_raw.exists(params![day, IdBytes(user)])?,
        };
        self.insert_raw.raw_bind_parameter(1, day)?;
        self.insert_raw.raw_bind_parameter(2, IdBytes(user))?;
        let mut sums = Sums::default();
        for row in run {
            let is_new =
                !(elsewhere && self.is_elsewhere(place, row, user)?) && self.insert(place, row, user)?;
            if is_new {
                sums.take(row);
            } else {
                self.renew(row, user)?;
            }
            note(results, row, if is_new { Folded::Counted } else { Folded::Repeated });
        }
        Ok(sums)
    }

    fn is_elsewhere(&mut self, place: Place, row: &Row, user: Uuid) -> Result<bool, Fault> {
        let statement = match place {
            Place::Raw => &mut self.find_id,
            Place::Inbox => &mut self.find_raw,
        };
        Ok(statement.exists(params![row.day, IdBytes(user), IdBytes(row.id)])?)
    }

    fn insert(&mut self, place: Place, row: &Row, user: Uuid) -> Result<bool, Fault> {
        match place {
            Place::Raw => self.insert_raw(row),
            Place::Inbox => self.insert_id(row, user, COUNTED),
        }
    }

    /// Day, user and time of arrival are bound already: they stay the same for a whole run.
    fn insert_raw(&mut self, row: &Row) -> Result<bool, Fault> {
        let statement = &mut self.insert_raw;
        statement.raw_bind_parameter(3, IdBytes(row.id))?;
        statement.raw_bind_parameter(4, row.occurred_at)?;
        statement.raw_bind_parameter(6, self.batch.word(row))?;
        statement.raw_bind_parameter(7, row.positivity)?;
        statement.raw_bind_parameter(8, row.intensity)?;
        statement.raw_bind_parameter(9, row.stress)?;
        Ok(statement.raw_execute()? == 1)
    }

    fn insert_id(&mut self, row: &Row, user: Uuid, fate: i64) -> Result<bool, Fault> {
        let arrived_at = self.now.0.as_microsecond();
        let values = params![row.day, IdBytes(user), IdBytes(row.id), arrived_at, fate];
        Ok(self.insert_id.execute(values)? == 1)
    }

    /// Notes the ids of events whose user has not consented, without their values.
    fn discard(&mut self, run: &[Row], day: i64, user: Uuid, results: &mut [Folded]) -> Result<(), Fault> {
        // Events that were counted while there was consent stay counted.
        let counted = self.has_raw.exists(params![day, IdBytes(user)])?;
        for row in run {
            let was_counted =
                counted && self.find_raw.exists(params![day, IdBytes(user), IdBytes(row.id)])?;
            let is_new = !was_counted && self.insert_id(row, user, DISCARDED)?;
            if !is_new {
                self.renew(row, user)?;
            }
            note(results, row, if is_new { Folded::Discarded } else { Folded::Repeated });
        }
        Ok(())
    }

    /// The bus may deliver a repeat for as long as it could the first one, so the id has to live as long again.
    fn renew(&mut self, row: &Row, user: Uuid) -> Result<(), Fault> {
        let now = self.now.0;
        let old = now.saturating_sub(RENEWAL).unwrap_or(Timestamp::MIN);
        for statement in [&mut self.renew_raw, &mut self.renew_id] {
            let (user, id) = (IdBytes(user), IdBytes(row.id));
            statement.execute(params![row.day, user, id, now.as_microsecond(), old.as_microsecond()])?;
        }
        Ok(())
    }

    fn add(&mut self, sums: &Sums, day: i64, user: Uuid) -> Result<(), Fault> {
        self.add.execute(params![
            IdText::new(user),
            day_from_number(day)?.to_string(),
            sums.events,
            sums.stress_events,
            sums.positivity,
            sums.intensity,
            sums.stress,
            self.now,
        ])?;
        Ok(())
    }
}

impl Sums {
    fn take(&mut self, row: &Row) {
        self.events += 1;
        self.stress_events += i64::from(row.is_stress_event);
        self.positivity += i64::from(row.positivity);
        self.intensity += i64::from(row.intensity);
        self.stress += i64::from(row.stress);
    }
}

fn note(results: &mut [Folded], row: &Row, folded: Folded) {
    if let Some(result) = results.get_mut(row.place as usize) {
        *result = folded;
    }
}
