//! The bare statements of the emotion fold in a loop: the limit that the fold is measured against.
//!
//! It does what any exactly-once fold over these tables has to do: insert each raw row unless it is there, add what was
//! new up per user and day, upsert one summary row for each, commit and flush. It asks nobody whether a user exists or
//! has consented, keeps no inbox and answers nobody. Nothing but benches uses it.

use std::path::Path;

use ecs_domain::Timestamp;
use ecs_domain::emotion::{EmotionEvent, StressThreshold};
use ecs_store::StoreError;
use rusqlite::{CachedStatement, Connection, params};

use crate::Options;
use crate::column::{At, IdBytes, IdText, day_from_number};
use crate::engine::{Fault, store_error};
use crate::folds::{Batch, Row, emotion_statements as statements};
use crate::{migrations, open_writer};

/// A connection that runs the bare statements.
pub struct RawLoop {
    connection: Connection,
}

/// A batch in the order of the keys, made before the clock starts.
pub struct RawBatch(Batch);

impl RawBatch {
    /// Sorts and flattens the events.
    #[must_use]
    pub fn new(events: &[EmotionEvent], threshold: StressThreshold) -> Self {
        Self(Batch::new(events, threshold))
    }
}

impl RawLoop {
    /// Opens the file like the store's own writer does.
    pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Self, StoreError> {
        let run = || {
            let mut connection = open_writer(path.as_ref(), options)?;
            migrations::apply(&mut connection)?;
            Ok::<_, Fault>(Self { connection })
        };
        run().map_err(StoreError::from)
    }

    /// Runs one batch in one transaction. Returns how many events were new.
    pub fn run(&self, batch: &RawBatch, now: Timestamp) -> Result<u64, StoreError> {
        self.transact(&batch.0, now).map_err(|error| store_error(&error))
    }

    fn transact(&self, batch: &Batch, now: Timestamp) -> rusqlite::Result<u64> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut insert = self.connection.prepare_cached(statements::INSERT_RAW)?;
        let mut add = self.connection.prepare_cached(statements::ADD)?;
        let mut new = 0;
        for run in batch.runs() {
            let Some(first) = run.first() else { continue };
            let Some(user) = batch.users.get(first.user as usize).copied() else { continue };
            let mut sums = [0_i64; 5];
            for row in run {
                if insert_raw(&mut insert, batch, row, user, now)? {
                    let parts =
                        [1, i64::from(row.is_stress_event), row.positivity.into(), row.intensity.into()];
                    sums.iter_mut()
                        .zip(parts.into_iter().chain([row.stress.into()]))
                        .for_each(|(sum, part)| *sum += part);
                }
            }
            let [events, stress_events, positivity, intensity, stress] = sums;
            if events > 0 {
                let day = day_from_number(first.day)?.to_string();
                let user = IdText::new(user);
                add.execute(params![
                    user,
                    day,
                    events,
                    stress_events,
                    positivity,
                    intensity,
                    stress,
                    At(now)
                ])?;
            }
            new += events.unsigned_abs();
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(new)
    }
}

fn insert_raw(
    insert: &mut CachedStatement<'_>,
    batch: &Batch,
    row: &Row,
    user: uuid::Uuid,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let inserted = insert.execute(params![
        row.day,
        IdBytes(user),
        IdBytes(row.id),
        row.occurred_at,
        now.as_microsecond(),
        batch.word(row),
        row.positivity,
        row.intensity,
        row.stress,
    ])?;
    Ok(inserted == 1)
}
