//! The bare statement of the emotion fold: the limit that the fold is measured against.
//!
//! It does what any exactly-once fold over these tables has to do: insert each raw row unless it is there, add what was
//! new up per user and day, upsert one summary row for each, commit and flush. It asks nobody whether a user exists or
//! has consented, keeps no inbox and answers nobody. Nothing but benches uses it.

use ecs_domain::emotion::{EmotionEvent, StressThreshold};
use ecs_domain::{Day, Timestamp};
use ecs_store::StoreError;
use uuid::Uuid;

use crate::PostgresStore;
use crate::column::micros;
use crate::engine::{Connection, Fault};
use crate::folds::Batch;

const STATEMENT: &str = "
WITH counted AS (
    INSERT INTO emotional_events
        (occurred_at, arrived_at, day, positivity, intensity, stress, user_id, event_id, kind)
    SELECT r.occurred_at, $9, r.day, r.positivity, r.intensity, r.stress, r.user_id, r.event_id, r.kind
    FROM unnest($1::uuid[], $2::date[], $3::uuid[], $4::timestamptz[], $5::text[], $6::integer[], $7::integer[],
            $8::integer[])
        AS r (user_id, day, event_id, occurred_at, kind, positivity, intensity, stress)
    ON CONFLICT DO NOTHING
    RETURNING day, user_id, event_id, positivity, intensity, stress
)
INSERT INTO emotional_events_summary AS s (user_id, summary_date, event_count, stress_event_count,
    positivity_sum, intensity_sum, stress_sum, updated_at)
SELECT user_id, day, count(*), count(*) FILTER (WHERE stress >= $10),
    sum(positivity), sum(intensity), sum(stress), $9
FROM counted GROUP BY user_id, day ORDER BY user_id, day
ON CONFLICT (user_id, summary_date) DO UPDATE SET
    event_count = s.event_count + excluded.event_count,
    stress_event_count = s.stress_event_count + excluded.stress_event_count,
    positivity_sum = s.positivity_sum + excluded.positivity_sum,
    intensity_sum = s.intensity_sum + excluded.intensity_sum,
    stress_sum = s.stress_sum + excluded.stress_sum,
    updated_at = greatest(s.updated_at, excluded.updated_at)";

/// A floor that every day is above.
const ANY: Day = jiff::civil::date(1, 1, 1);

/// A connection of its own that runs the bare statement.
pub struct RawLoop {
    connection: Connection,
    threshold: i32,
}

/// A batch in the order of the keys, made before the clock starts.
pub struct RawBatch {
    users: Vec<Uuid>,
    days: Vec<Day>,
    ids: Vec<Uuid>,
    occurred_at: Vec<Timestamp>,
    kinds: Vec<String>,
    positivity: Vec<i32>,
    intensity: Vec<i32>,
    stress: Vec<i32>,
}

impl RawBatch {
    /// Sorts and flattens the events.
    #[must_use]
    pub fn new(events: &[EmotionEvent]) -> Self {
        let batch = Batch::new(events);
        Self {
            users: batch.keys().map(|((_, user, _), _)| user).collect(),
            kinds: batch.kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            days: batch.days,
            ids: batch.ids,
            occurred_at: batch.occurred_at,
            positivity: batch.positivity,
            intensity: batch.intensity,
            stress: batch.stress,
        }
    }
}

impl RawLoop {
    /// Connects to the primary of `store`, and sees to it that the days of `batches` have their partitions.
    pub async fn open(
        store: &PostgresStore,
        threshold: StressThreshold,
        batches: &[RawBatch],
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        for batch in batches {
            store.prepare_days(&batch.days, ANY, now).await?;
        }
        let connection = store.primary.extra().await?;
        let threshold = i32::try_from(threshold.0.billionths()).unwrap_or(i32::MAX);
        Ok(Self { connection, threshold })
    }

    /// Runs one batch in one transaction. Returns how many rows of the summary it wrote.
    pub async fn run(&self, batch: &RawBatch, now: Timestamp) -> Result<u64, StoreError> {
        let RawBatch { users, days, ids, occurred_at, kinds, positivity, intensity, stress } = batch;
        let run = async {
            let statement = self.connection.prepare(STATEMENT).await?;
            let now = micros(now);
            let client = self.connection.client();
            let params: [crate::engine::Param<'_>; 10] =
                [users, days, ids, occurred_at, kinds, positivity, intensity, stress, &now, &self.threshold];
            Ok::<_, Fault>(client.execute(&statement, &params).await?)
        };
        run.await.map_err(StoreError::from)
    }
}
