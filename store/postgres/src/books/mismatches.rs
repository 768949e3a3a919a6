//! Summary rows that don't say what the events of their day add up to.
//!
//! It goes day by day, and the database compares: nothing but what is off comes here.

use ecs_domain::{Day, UserId};
use ecs_store::SummaryMismatch;
use jiff::ToSpan;
use tokio_postgres::Row;

use crate::column::{count, get, limit as at_most};
use crate::engine::{Answer, Fault, Param, Session};

pub(crate) mod statements {
    //! The SQL of the comparison, where the test of the query plans sees it.

    /// The first day of which every raw row is there, from `$1` on.
    pub(crate) const FIRST: &str = "SELECT greatest(day, $1::date) FROM raw_floor WHERE one = 1";
    /// The first day from `$1` on of which any of the tables knows.
    pub(crate) const NEXT: &str = "SELECT least(
        (SELECT day FROM emotional_events WHERE day >= $1::date ORDER BY day LIMIT 1),
        (SELECT day FROM emotion_inbox WHERE day >= $1::date ORDER BY day LIMIT 1),
        (SELECT summary_date FROM emotional_events_summary WHERE summary_date >= $1::date
            ORDER BY summary_date LIMIT 1))";
    /// Ids have no values, so sums can be compared only where every event has its raw row.
    pub(crate) const COMPARE: &str = "
WITH raw AS (
    SELECT user_id, count(*) AS events, sum(positivity) AS positivity, sum(intensity) AS intensity, sum(stress) AS stress
    FROM emotional_events WHERE day = $1::date GROUP BY user_id
),
ids AS (
    SELECT user_id, count(*) AS events FROM emotion_inbox WHERE day = $1::date AND fate = 1 GROUP BY user_id
),
summary AS (
    SELECT user_id, event_count AS events, positivity_sum, intensity_sum, stress_sum
    FROM emotional_events_summary WHERE summary_date = $1::date
)
SELECT user_id, coalesce(raw.events, 0) + coalesce(ids.events, 0) AS named, coalesce(summary.events, 0) AS summarised
FROM raw FULL JOIN ids USING (user_id) FULL JOIN summary USING (user_id)
WHERE coalesce(raw.events, 0) + coalesce(ids.events, 0) <> coalesce(summary.events, 0)
    OR ids.events IS NULL AND (raw.positivity, raw.intensity, raw.stress)
        IS DISTINCT FROM (summary.positivity_sum, summary.intensity_sum, summary.stress_sum)
ORDER BY user_id LIMIT $2";
}

/// At most `limit` mismatches of days from `floor` on.
pub(super) async fn find(session: &Session, floor: Day, limit: usize) -> Result<Vec<SummaryMismatch>, Fault> {
    let mut from: Day = one(session, statements::FIRST, &[&floor]).await?.only()?;
    let mut mismatches = Vec::new();
    while mismatches.len() < limit
        && let Some(day) = one(session, statements::NEXT, &[&from]).await?.only::<Option<Day>>()?
    {
        let most = at_most(limit - mismatches.len());
        let found = one(session, statements::COMPARE, &[&day, &most]).await?;
        for row in &found.rows {
            mismatches.push(mismatch(row, day)?);
        }
        from = day.saturating_add(1.day());
    }
    if !mismatches.is_empty() {
        // The floor rises before a partition goes. What was dropped while we looked is not off.
        let kept: Day = one(session, statements::FIRST, &[&floor]).await?.only()?;
        mismatches.retain(|mismatch| mismatch.day >= kept);
    }
    Ok(mismatches)
}

/// One statement in a transaction of its own. One for all of them would keep a partition from being dropped until the
/// last day is compared, and everybody who waits behind that.
async fn one(session: &Session, sql: &'static str, params: &[Param<'_>]) -> Result<Answer, Fault> {
    let mut flight = session.flight();
    flight.begin_long();
    let answer = flight.add(sql, params);
    flight.commit();
    Ok(flight.send().await?.take(answer))
}

fn mismatch(row: &Row, day: Day) -> Result<SummaryMismatch, Fault> {
    Ok(SummaryMismatch {
        user: UserId::new(get(row, "user_id")?),
        day,
        named: count(row, "named")?,
        summarised: count(row, "summarised")?,
    })
}
