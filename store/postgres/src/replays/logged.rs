//! Replays from the bus's log: its counted events, taken in page by page, and the pieces that are rebuilt from them.
//!
//! A fold that comes after the log was read has its raw row and stands in no page. Such events go into both sides of the
//! comparison by their raw rows, so that the error of a user's day is that of the events which the log told of.

use ecs_domain::emotion::EmotionEvent;
use ecs_domain::{Day, Timestamp, utc_day};
use ecs_store::{LogReplayPlan, LoggedEvents, Replay};
use uuid::Uuid;

use super::piece::{advance, next_place};
use super::{BUILDING, BUILT, FORGET, State, end, locked};
use crate::column::get;
use crate::engine::{Fault, Param, Session};
use crate::plan::FIXED_PLANS;

pub(crate) mod statements {
    //! The SQL, where the test of the query plans sees it.

    pub(crate) const ADD: &str = "
INSERT INTO replay_log (day, user_id, event_id, positivity, intensity, stress)
SELECT r.day, r.user_id, r.event_id, r.positivity, r.intensity, r.stress
FROM unnest($1::date[], $2::uuid[], $3::uuid[], $4::integer[], $5::integer[], $6::integer[])
    WITH ORDINALITY AS r (day, user_id, event_id, positivity, intensity, stress, place)
WHERE EXISTS (SELECT FROM emotional_events e
        WHERE e.day = r.day AND e.user_id = r.user_id AND e.event_id = r.event_id
            AND e.day >= $7::date AND e.day <= $8::date)
    OR EXISTS (SELECT FROM emotion_inbox i
        WHERE i.day = r.day AND i.user_id = r.user_id AND i.event_id = r.event_id AND i.fate = 1)
ORDER BY r.place
ON CONFLICT DO NOTHING";
    pub(crate) const NEXT: &str = "SELECT min(day) FROM replay_log WHERE day >= $1::date";
    /// Rows of the days from `$1` up to `$2` of which the log says nothing.
    pub(crate) const UNTOLD: &str = "
SELECT count(*) FROM emotional_events_summary s
WHERE s.summary_date BETWEEN $1::date AND $2::date AND NOT EXISTS (
    SELECT FROM replay_log l WHERE l.day = s.summary_date AND l.user_id = s.user_id)";
    /// One snapshot: what the log says of events that are still counted, what was counted since, and the live rows. Verdicts as in
    /// the pieces from raw rows.
    pub(crate) const PIECE: &str = "
WITH logged AS MATERIALIZED (
    SELECT l.user_id, count(*) AS events, count(*) FILTER (WHERE l.stress >= $4::integer) AS stress_events,
        sum(l.positivity) AS positivity, sum(l.intensity) AS intensity, sum(l.stress) AS stress
    FROM replay_log l
    WHERE l.day = $1::date AND l.user_id >= $2::uuid
        AND (EXISTS (SELECT FROM emotional_events e
                WHERE e.day = $1::date AND e.user_id = l.user_id AND e.event_id = l.event_id)
            OR EXISTS (SELECT FROM emotion_inbox i
                WHERE i.day = $1::date AND i.user_id = l.user_id AND i.event_id = l.event_id AND i.fate = 1))
    GROUP BY l.user_id ORDER BY l.user_id LIMIT $3::bigint
),
errors AS (
    SELECT user_id, logged.events + newer.events - coalesce(s.event_count, 0) AS events,
        logged.stress_events + newer.stress_events - coalesce(s.stress_event_count, 0) AS stress_events,
        logged.positivity + newer.positivity - coalesce(s.positivity_sum, 0) AS positivity,
        logged.intensity + newer.intensity - coalesce(s.intensity_sum, 0) AS intensity,
        logged.stress + newer.stress - coalesce(s.stress_sum, 0) AS stress
    FROM logged
    CROSS JOIN LATERAL (
        SELECT count(*) AS events, count(*) FILTER (WHERE e.stress >= $4::integer) AS stress_events,
            coalesce(sum(e.positivity), 0) AS positivity, coalesce(sum(e.intensity), 0) AS intensity,
            coalesce(sum(e.stress), 0) AS stress
        FROM emotional_events e
        WHERE e.day = $1::date AND e.user_id = logged.user_id AND NOT EXISTS (
            SELECT FROM replay_log l WHERE l.day = $1::date AND l.user_id = e.user_id AND l.event_id = e.event_id)
    ) newer
    LEFT JOIN LATERAL (
        SELECT * FROM emotional_events_summary s WHERE s.user_id = logged.user_id AND s.summary_date = $1::date
    ) s USING (user_id)
),
judged AS MATERIALIZED (
    SELECT e.*, CASE
        WHEN (events, stress_events, positivity, intensity, stress) = (0, 0, 0, 0, 0) THEN 0
        WHEN EXISTS (SELECT FROM emotion_inbox i
            WHERE i.day = $1::date AND i.user_id = e.user_id AND i.fate = 1 AND NOT EXISTS (
                SELECT FROM replay_log l
                WHERE l.day = $1::date AND l.user_id = i.user_id AND l.event_id = i.event_id)) THEN 1
        WHEN events < 0 THEN 2
        ELSE 3 END AS verdict
    FROM errors e
),
shadow AS (
    INSERT INTO replay_shadow (user_id, summary_date, event_count, stress_event_count, positivity_sum, intensity_sum,
        stress_sum)
    SELECT user_id, $1::date, events, stress_events, positivity, intensity, stress FROM judged WHERE verdict = 3
)
SELECT count(*) FILTER (WHERE verdict = 0) AS confirmed, count(*) FILTER (WHERE verdict = 1) AS carried_over,
    count(*) FILTER (WHERE verdict = 2) AS kept, count(*) FILTER (WHERE verdict = 3) AS healed,
    (SELECT user_id FROM judged ORDER BY user_id LIMIT 1 OFFSET $3::bigint - 1) AS last
FROM judged";
}

const BEGIN: &str = "
INSERT INTO replay AS r (one, started_at, phase, stress, next_day, next_user, confirmed, healed, kept, carried_over, from_day,
    to_day, log_cursor)
VALUES (1, $1::timestamptz, 1, $2::integer, $3::date, $4::uuid, 0, 0, 0, 0, $3::date, $5::date, '')
ON CONFLICT (one) DO UPDATE SET started_at = excluded.started_at, phase = 1, stress = excluded.stress,
    next_day = excluded.next_day, next_user = excluded.next_user, confirmed = 0, healed = 0, kept = 0, carried_over = 0,
    switched_at = NULL, from_day = excluded.from_day, to_day = excluded.to_day, log_cursor = excluded.log_cursor";
const GIVE_UP: &str = "DELETE FROM replay WHERE from_day IS NOT NULL AND phase <> 3 AND started_at < $1::timestamptz RETURNING true";
const NOTE: &str = "UPDATE replay SET log_cursor = $1 WHERE one = 1";

/// Begins anew in the open transaction.
pub(super) async fn begin(session: &Session, plan: LogReplayPlan, now: Timestamp) -> Result<(), Fault> {
    let stress = i32::try_from(plan.stress.0.billionths()).unwrap_or(i32::MAX);
    let (nobody, days) = (Uuid::nil(), plan.days);
    let mut flight = session.flight();
    for forget in FORGET {
        flight.add(forget, &[]);
    }
    flight.add(BEGIN, &[&now, &stress, &days.from, &nobody, &days.to]);
    flight.send().await?;
    Ok(())
}

/// Forgets a replay from the log that was begun before this and never ended.
pub(crate) async fn give_up(session: &Session, before: Timestamp) -> Result<(), Fault> {
    let mut flight = session.flight();
    flight.begin_long();
    let given_up = flight.add(GIVE_UP, &[&before]);
    let is_any = flight.send().await?.take(given_up).first().is_some();
    let mut flight = session.flight();
    for forget in FORGET.iter().filter(|_| is_any) {
        flight.add(forget, &[]);
    }
    flight.commit();
    flight.send().await?;
    Ok(())
}

/// A page of the log as the arrays that the statement takes.
pub(super) struct Columns {
    page: LoggedEvents,
    days: Vec<Day>,
    users: Vec<Uuid>,
    ids: Vec<Uuid>,
    metrics: [Vec<i32>; 3],
}

impl Columns {
    pub(super) fn new(page: LoggedEvents) -> Self {
        let events = &page.events;
        let column = |of: fn(&EmotionEvent) -> u32| -> Vec<i32> {
            events.iter().map(|event| i32::try_from(of(event)).unwrap_or(i32::MAX)).collect()
        };
        Self {
            days: events.iter().map(|event| utc_day(event.occurred_at)).collect(),
            users: events.iter().map(|event| event.user.uuid()).collect(),
            ids: events.iter().map(|event| event.id.uuid()).collect(),
            metrics: [
                column(|event| event.metrics.positivity.billionths()),
                column(|event| event.metrics.intensity.billionths()),
                column(|event| event.metrics.stress.billionths()),
            ],
            page,
        }
    }

    /// Takes in those events that are counted, if nobody else has taken in this page.
    pub(super) async fn add(&self, session: &Session) -> Result<Option<Replay>, Fault> {
        let Some(state) = locked(session).await? else { return Ok(None) };
        if state.cursor.as_ref() != Some(&self.page.after) {
            return Ok(Some(state.replay));
        }
        let cursor = (!self.page.is_last).then_some(self.page.through.as_str());
        let mut flight = session.flight();
        let [positivity, intensity, stress] = &self.metrics;
        if let (Some(first), Some(last)) = (self.days.iter().min(), self.days.iter().max()) {
            let params: [Param<'_>; 8] =
                [&self.days, &self.users, &self.ids, positivity, intensity, stress, first, last];
            flight.add(FIXED_PLANS, &[]);
            flight.add(statements::ADD, &params);
        }
        flight.add(NOTE, &[&cursor]);
        flight.send().await?;
        end(session).await
    }
}

/// Rebuilds the next piece in the open transaction, and notes how far it came.
pub(super) async fn rebuild(session: &Session, state: &State, to: Day, most: i64) -> Result<(), Fault> {
    let next: Option<Day> = session.query(statements::NEXT, &[&state.next_day]).await?.only()?;
    // Days are counted when they are begun.
    let begun = !state.next_user.is_nil();
    let uncounted = if begun { state.next_day.tomorrow().unwrap_or(Day::MAX) } else { state.next_day };
    let until = next.unwrap_or(to);
    let untold: i64 = session.query(statements::UNTOLD, &[&uncounted, &until]).await?.only()?;
    let Some(day) = next else {
        return advance(session, BUILT, (to, Uuid::nil()), [0, 0, 0, untold]).await;
    };
    let first = if day == state.next_day { state.next_user } else { Uuid::nil() };
    let mut flight = session.flight();
    flight.add(FIXED_PLANS, &[]);
    let piece = flight.add(statements::PIECE, &[&day, &first, &most, &state.stress]);
    let found = flight.send().await?.take(piece);
    let row = found.first().ok_or(Fault::UNANSWERED)?;
    let number = |column: &'static str| get::<_, i64>(row, column);
    let counts = [number("confirmed")?, number("healed")?, number("kept")?, number("carried_over")? + untold];
    advance(session, BUILDING, next_place(day, get(row, "last")?), counts).await
}
