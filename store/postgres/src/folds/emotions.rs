//! The fold of emotion events: one statement, and a second flight where something of it was not new.
//!
//! Why an event counts once, whoever folds it at the same time:
//! - Its id goes into one of two tables, each with a unique key. Which one is decided by the floor that stands in the
//!   database, which doesn't move while a fold runs: all folds look into the same one. Two that insert the same id at once
//!   meet at the key: the second waits for the first to commit and then inserts nothing.
//! - The other table is looked into as the statement's snapshot has it. Nothing moves from one to the other meanwhile:
//!   whoever moves ids, drops partitions or raises the floor holds a lock on `emotional_events` that shuts every fold out,
//!   and a fold's snapshot is taken behind that lock.
//! - What was inserted is added up from what the insert itself returns.
//!
//! Consent is read in the same snapshot. When it changes between two deliveries of one event that are folded at the same
//! moment, one may count it and the other note it as discarded; the aggregates have it once, and the books read the raw
//! row first.

use ecs_domain::consent::Purpose;
use ecs_domain::{Day, Timestamp};
use ecs_store::{EmotionRules, Folded};
use jiff::SignedDuration;

use super::batch::Batch;
use super::settled::{OldSums, Settled};
use crate::column::micros;
use crate::engine::{Fault, Param, Session};
use crate::evaluations::statements as evaluations;
use crate::plan::FIXED_PLANS;

pub(crate) mod statements {
    //! The fold's SQL, where the test of the query plans sees it.

    /// Arrays in, and what was not new out. Sets are unnested in the select list, which goes through the arrays in step
    /// and keeps no copy; users are named by their places in `$1`, so that standings are looked up once for each and need
    /// no join. What the inbox or the raw rows have to be asked for is asked row by row, and only where there can be
    /// something: a batch whose days have no ids in the inbox doesn't look into it, and one in which every event counts
    /// and is young enough never gets to `noted`.
    pub(crate) const FOLD: &str = "
WITH known AS MATERIALIZED (
    SELECT ARRAY(
            SELECT CASE WHEN u.id IS NULL THEN 0 WHEN coalesce(c.granted, $13::boolean) THEN 1 ELSE 2 END::smallint
            FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, place)
            LEFT JOIN users u ON u.id = asked.id
            LEFT JOIN consents c ON c.user_id = u.id AND c.purpose = $15::text
            ORDER BY asked.place) AS standings,
        (SELECT day FROM raw_floor WHERE one = 1) AS floor,
        NOT EXISTS (SELECT FROM emotion_inbox WHERE day BETWEEN $11::date AND $12::date) AS no_ids
),
counted AS (
    INSERT INTO emotional_events
        (occurred_at, arrived_at, day, positivity, intensity, stress, user_id, event_id, kind)
    SELECT r.occurred_at, $10::timestamptz, r.day, r.positivity, r.intensity, r.stress, ($1::uuid[])[r.user_at],
        r.event_id, r.kind
    FROM (SELECT unnest($2::integer[]) AS user_at, unnest($3::date[]) AS day, unnest($4::uuid[]) AS event_id,
            unnest($5::timestamptz[]) AS occurred_at, unnest($6::text[]) AS kind, unnest($7::integer[]) AS positivity,
            unnest($8::integer[]) AS intensity, unnest($9::integer[]) AS stress) r
    WHERE (SELECT standings FROM known)[r.user_at] = 1 AND r.day >= (SELECT floor FROM known)
        AND ((SELECT no_ids FROM known) OR NOT EXISTS (
            SELECT FROM emotion_inbox i
            WHERE i.day = r.day AND i.user_id = ($1::uuid[])[r.user_at] AND i.event_id = r.event_id))
    ON CONFLICT DO NOTHING
    RETURNING day, user_id, event_id, positivity, intensity, stress
),
noted AS (
    INSERT INTO emotion_inbox (day, user_id, event_id, arrived_at, fate)
    SELECT r.day, ($1::uuid[])[r.user_at], r.event_id, $10::timestamptz, (SELECT standings FROM known)[r.user_at]
    FROM (SELECT unnest($2::integer[]) AS user_at, unnest($3::date[]) AS day, unnest($4::uuid[]) AS event_id) r
    WHERE ($11::date < (SELECT floor FROM known) OR 2 = ANY ((SELECT standings FROM known)::smallint[]))
        AND ((SELECT standings FROM known)[r.user_at] = 2
            OR (SELECT standings FROM known)[r.user_at] = 1 AND r.day < (SELECT floor FROM known))
        AND NOT EXISTS (
            SELECT FROM emotional_events e
            WHERE e.day = r.day AND e.user_id = ($1::uuid[])[r.user_at] AND e.event_id = r.event_id
                AND e.day >= $11::date AND e.day <= $12::date)
    ON CONFLICT DO NOTHING
    RETURNING day, user_id, event_id
),
summed AS (
    INSERT INTO emotional_events_summary AS s (user_id, summary_date, event_count, stress_event_count,
        positivity_sum, intensity_sum, stress_sum, updated_at)
    SELECT user_id, day, count(*), count(*) FILTER (WHERE stress >= $14::integer),
        sum(positivity), sum(intensity), sum(stress), $10::timestamptz
    FROM counted GROUP BY user_id, day ORDER BY user_id, day
    ON CONFLICT (user_id, summary_date) DO UPDATE SET
        event_count = s.event_count + excluded.event_count,
        stress_event_count = s.stress_event_count + excluded.stress_event_count,
        positivity_sum = s.positivity_sum + excluded.positivity_sum,
        intensity_sum = s.intensity_sum + excluded.intensity_sum,
        stress_sum = s.stress_sum + excluded.stress_sum,
        updated_at = greatest(s.updated_at, excluded.updated_at)
)
SELECT 0 AS told, standings, floor, (SELECT count(*) FROM counted) AS counted,
    NULL::date AS day, NULL::uuid AS user_id, NULL::uuid AS event_id
FROM known
UNION ALL
SELECT 1, NULL, NULL, NULL, day, user_id, event_id FROM counted
WHERE (SELECT count(*) FROM counted) <> cardinality($4::uuid[])
UNION ALL
SELECT 2, NULL, NULL, NULL, day, user_id, event_id FROM noted";

    /// Adds what counted without a raw row. These days are before the floor, those of [`FOLD`] are not: no two folds can
    /// wait for each other over rows of both.
    pub(crate) const ADD_OLD: &str = "
INSERT INTO emotional_events_summary AS s (user_id, summary_date, event_count, stress_event_count, positivity_sum,
    intensity_sum, stress_sum, updated_at)
SELECT o.user_id, o.day, o.events, o.stress_events, o.positivity, o.intensity, o.stress, $8::timestamptz
FROM unnest($1::uuid[], $2::date[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
    AS o (user_id, day, events, stress_events, positivity, intensity, stress)
ORDER BY o.user_id, o.day
ON CONFLICT (user_id, summary_date) DO UPDATE SET
    event_count = s.event_count + excluded.event_count,
    stress_event_count = s.stress_event_count + excluded.stress_event_count,
    positivity_sum = s.positivity_sum + excluded.positivity_sum,
    intensity_sum = s.intensity_sum + excluded.intensity_sum,
    stress_sum = s.stress_sum + excluded.stress_sum,
    updated_at = greatest(s.updated_at, excluded.updated_at)";

    pub(crate) const RENEW_RAW: &str = "
UPDATE emotional_events e SET arrived_at = $4::timestamptz
FROM unnest($1::date[], $2::uuid[], $3::uuid[]) AS r (day, user_id, event_id)
WHERE e.day = r.day AND e.user_id = r.user_id AND e.event_id = r.event_id AND e.arrived_at < $5::timestamptz
    AND e.day >= $6::date AND e.day <= $7::date";

    /// Each id is looked up by its key, whatever the planner thinks of the index by arrival. Nobody moves or drops ids while
    /// a fold runs, so the places where they were found hold.
    pub(crate) const RENEW_ID: &str = "
UPDATE emotion_inbox SET arrived_at = greatest(arrived_at, $4::timestamptz)
WHERE ctid = ANY (ARRAY(
    SELECT (SELECT CASE WHEN i.arrived_at < $5::timestamptz THEN i.ctid END FROM emotion_inbox i
        WHERE i.day = r.day AND i.user_id = r.user_id AND i.event_id = r.event_id)
    FROM unnest($1::date[], $2::uuid[], $3::uuid[]) AS r (day, user_id, event_id)))";
}

/// How old a noted arrival may get before a repeat renews it. Ids are kept for a day longer than the bus keeps events,
/// so within that day nothing needs to be written.
const RENEWAL: SignedDuration = SignedDuration::from_hours(24);

/// A batch with all that the statements take beside it.
pub(super) struct Fold<'a> {
    batch: &'a Batch<'a>,
    assumed: bool,
    threshold: i32,
    first: Day,
    last: Day,
    now: Timestamp,
    renewed_before: Timestamp,
}

impl<'a> Fold<'a> {
    /// `None` for an empty batch.
    pub(super) fn new(batch: &'a Batch<'a>, rules: EmotionRules, now: Timestamp) -> Option<Self> {
        let (first, last) = batch.span()?;
        Some(Self {
            batch,
            assumed: rules.consent.allows(None),
            threshold: i32::try_from(rules.stress.0.billionths()).unwrap_or(i32::MAX),
            first,
            last,
            now: micros(now),
            renewed_before: micros(now.saturating_sub(RENEWAL).unwrap_or(Timestamp::MIN)),
        })
    }

    /// Folds the batch. Returns what became of the caller's events, in the caller's order, and the floor.
    pub(super) async fn run(&self, session: &Session) -> Result<(Vec<Folded>, Day), Fault> {
        let Batch { users, user, days, ids, occurred_at, kinds, positivity, intensity, stress, .. } =
            self.batch;
        let purpose = &Purpose::EmotionAnalysis.as_str();
        let params: [Param<'_>; 15] = [
            users,
            user,
            days,
            ids,
            occurred_at,
            kinds,
            positivity,
            intensity,
            stress,
            &self.now,
            &self.first,
            &self.last,
            &self.assumed,
            &self.threshold,
            purpose,
        ];
        let mut flight = session.flight();
        flight.begin_long();
        flight.add(FIXED_PLANS, &[]);
        let fold = flight.add(statements::FOLD, &params);
        let told = flight.send().await?.take(fold);
        let settled = Settled::read(self.batch, &told.rows)?;
        self.finish(session, &settled).await?;
        Ok((settled.of_caller(self.batch), settled.floor))
    }

    /// Adds up what counted without a raw row, renews what was there already, and commits.
    async fn finish(&self, session: &Session, settled: &Settled) -> Result<(), Fault> {
        let old = OldSums::of(self.batch, settled, self.threshold);
        let (days, users, ids) = settled.repeated(self.batch);
        let mut flight = session.flight();
        if !old.users.is_empty() {
            let OldSums { users, days, events, stress_events, positivity, intensity, stress } = &old;
            let params: [Param<'_>; 8] =
                [users, days, events, stress_events, positivity, intensity, stress, &self.now];
            flight.add(statements::ADD_OLD, &params);
        }
        if !ids.is_empty() {
            // The bus may deliver a repeat for as long as it could the first one, so the id has to live as long again.
            let key: [Param<'_>; 5] = [&days, &users, &ids, &self.now, &self.renewed_before];
            flight.add(statements::RENEW_RAW, &[key.as_slice(), &[&self.first, &self.last]].concat());
            flight.add(statements::RENEW_ID, &key);
        }
        flight.add(evaluations::NOTE, &[&self.batch.users, &self.now]);
        flight.commit();
        flight.send().await?;
        Ok(())
    }
}
