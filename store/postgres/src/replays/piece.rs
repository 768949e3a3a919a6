//! A piece of a replay: some users of one day, rebuilt from their raw rows and held against the live rows.

use ecs_domain::Day;
use jiff::ToSpan;
use uuid::Uuid;

use super::{BUILDING, BUILT, State};
use crate::column::get;
use crate::engine::{Fault, Session};

pub(crate) mod statements {
    //! The SQL of the pieces, where the test of the query plans sees it.

    /// The first day to rebuild from `$1` on. The floor may have risen since the last piece.
    pub(crate) const NEXT: &str = "
SELECT least(
    (SELECT day FROM emotional_events WHERE day >= greatest($1::date, (SELECT day FROM raw_floor WHERE one = 1))
        ORDER BY day LIMIT 1),
    (SELECT summary_date FROM emotional_events_summary
        WHERE summary_date >= greatest($1::date, (SELECT day FROM raw_floor WHERE one = 1))
        ORDER BY summary_date LIMIT 1))";
    /// Rows that are still to be looked at and whose days fell below the floor meanwhile, up to the day `$3` if there is one.
    pub(crate) const PASSED: &str = "
SELECT count(*) FROM emotional_events_summary
WHERE summary_date >= $1::date AND (summary_date > $1::date OR user_id >= $2::uuid)
    AND summary_date < least($3::date, (SELECT day FROM raw_floor WHERE one = 1))";
    /// One snapshot: raw and live rows are of the same moment, and so is the floor. Of each table the first users, so the
    /// first ones of both together are whole. Verdicts: 0 confirmed, 1 carried over, 2 kept, 3 healed.
    pub(crate) const PIECE: &str = "
WITH raw AS (
    SELECT user_id, count(*) AS events, count(*) FILTER (WHERE stress >= $4::integer) AS stress_events,
        sum(positivity) AS positivity, sum(intensity) AS intensity, sum(stress) AS stress
    FROM emotional_events WHERE day = $1::date AND user_id >= $2::uuid GROUP BY user_id ORDER BY user_id LIMIT $3::bigint
),
live AS (
    SELECT user_id, event_count AS events, stress_event_count AS stress_events, positivity_sum AS positivity,
        intensity_sum AS intensity, stress_sum AS stress
    FROM emotional_events_summary WHERE summary_date = $1::date AND user_id >= $2::uuid ORDER BY user_id LIMIT $3::bigint
),
errors AS (
    SELECT user_id, coalesce(raw.events, 0) - coalesce(live.events, 0) AS events,
        coalesce(raw.stress_events, 0) - coalesce(live.stress_events, 0) AS stress_events,
        coalesce(raw.positivity, 0) - coalesce(live.positivity, 0) AS positivity,
        coalesce(raw.intensity, 0) - coalesce(live.intensity, 0) AS intensity,
        coalesce(raw.stress, 0) - coalesce(live.stress, 0) AS stress
    FROM raw FULL JOIN live USING (user_id) ORDER BY user_id LIMIT $3::bigint
),
judged AS MATERIALIZED (
    SELECT e.*, CASE
        WHEN (events, stress_events, positivity, intensity, stress) = (0, 0, 0, 0, 0) THEN 0
        WHEN $1::date < (SELECT day FROM raw_floor WHERE one = 1) THEN 1
        WHEN EXISTS (SELECT FROM emotion_inbox i WHERE i.day = $1::date AND i.user_id = e.user_id AND i.fate = 1) THEN 1
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
    pub(crate) const ADVANCE: &str = "
UPDATE replay SET phase = $1, next_day = $2, next_user = $3, confirmed = confirmed + $4, healed = healed + $5,
    kept = kept + $6, carried_over = carried_over + $7
WHERE one = 1";
}

/// Rebuilds the next piece in the open transaction, and notes how far it came.
pub(super) async fn rebuild(session: &Session, state: &State, most: i64) -> Result<(), Fault> {
    let next: Option<Day> = session.query(statements::NEXT, &[&state.next_day]).await?.only()?;
    let passed = session.query(statements::PASSED, &[&state.next_day, &state.next_user, &next]).await?;
    let passed: i64 = passed.only()?;
    let Some(day) = next else {
        return advance(session, BUILT, (state.next_day, Uuid::nil()), [0, 0, 0, passed]).await;
    };
    let first = if day == state.next_day { state.next_user } else { Uuid::nil() };
    let found = session.query(statements::PIECE, &[&day, &first, &most, &state.stress]).await?;
    let row = found.first().ok_or(Fault::UNANSWERED)?;
    let number = |column: &'static str| get::<_, i64>(row, column);
    let counts = [number("confirmed")?, number("healed")?, number("kept")?, number("carried_over")? + passed];
    advance(session, BUILDING, next_place(day, get(row, "last")?), counts).await
}

/// Notes how far the replay came, and how many more rows were confirmed, healed, kept and carried over.
pub(super) async fn advance(
    session: &Session,
    phase: i16,
    (day, user): (Day, Uuid),
    [confirmed, healed, kept, carried_over]: [i64; 4],
) -> Result<(), Fault> {
    session
        .query(statements::ADVANCE, &[&phase, &day, &user, &confirmed, &healed, &kept, &carried_over])
        .await?;
    Ok(())
}

/// Behind the last user of a full piece, else the next day.
pub(super) fn next_place(day: Day, last: Option<Uuid>) -> (Day, Uuid) {
    match last.and_then(|last| last.as_u128().checked_add(1)) {
        Some(next) => (day, Uuid::from_u128(next)),
        None => (day.saturating_add(1.day()), Uuid::nil()),
    }
}
