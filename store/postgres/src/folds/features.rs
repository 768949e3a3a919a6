//! What a decision reads.

use ecs_domain::features::{EmotionFeatures, EmotionMeans, Features, days_between};
use ecs_domain::{Timestamp, UserId, utc_day};
use ecs_store::FeatureSource;
use jiff::{SignedDuration, ToSpan};
use tokio_postgres::Row;

use crate::column::{count, get, micros};
use crate::engine::{Fault, Session};

/// Everything at once, as one snapshot has it. Windows of transactions end at an instant, those of emotions are whole UTC
/// days.
pub(crate) const READ: &str = "
SELECT u.created_at, t.transactions, t.spent, l.occurred_at AS last_at, e.*
FROM users u
CROSS JOIN LATERAL (
    SELECT count(*) AS transactions, coalesce(sum(amount), 0)::double precision AS spent
    FROM transactions WHERE user_id = u.id AND occurred_at > $2 AND occurred_at <= $3) t
LEFT JOIN LATERAL (
    SELECT occurred_at FROM transactions WHERE user_id = u.id AND occurred_at <= $3
    ORDER BY occurred_at DESC LIMIT 1) l ON true
CROSS JOIN LATERAL (
    SELECT coalesce(sum(event_count) FILTER (WHERE summary_date >= $5), 0)::bigint AS events,
        coalesce(sum(positivity_sum) FILTER (WHERE summary_date >= $5), 0)::bigint AS positivity,
        coalesce(sum(intensity_sum) FILTER (WHERE summary_date >= $5), 0)::bigint AS intensity,
        coalesce(sum(stress_sum) FILTER (WHERE summary_date >= $5), 0)::bigint AS stress,
        coalesce(sum(stress_event_count) FILTER (WHERE summary_date >= $5), 0)::bigint AS stress_events_7d,
        coalesce(sum(stress_event_count), 0)::bigint AS stress_events_30d
    FROM emotional_events_summary WHERE user_id = u.id AND summary_date >= $4 AND summary_date <= $6) e
WHERE u.id = $1";

/// The user's features at `now`; `None` for an unknown user.
pub(super) async fn read(
    session: &Session,
    user: UserId,
    now: Timestamp,
) -> Result<Option<FeatureSource>, Fault> {
    let now = micros(now);
    let since = now.saturating_sub(SignedDuration::from_hours(30 * 24)).unwrap_or(Timestamp::MIN);
    let today = utc_day(now);
    let first = |days: i64| today.saturating_sub((days - 1).days());
    let (month, week) = (first(30), first(7));
    let answer = session.query(READ, &[&user.uuid(), &since, &now, &month, &week, &today]).await?;
    let features = answer.first().map(|row| features(row, now)).transpose()?;
    Ok(features.map(|features| FeatureSource { features }))
}

#[expect(clippy::cast_precision_loss, reason = "nobody has made 2^52 transactions")]
fn features(row: &Row, now: Timestamp) -> Result<Features, Fault> {
    let transactions = count(row, "transactions")?;
    let spent: f64 = get(row, "spent")?;
    let last: Option<Timestamp> = get(row, "last_at")?;
    Ok(Features {
        transaction_count_30d: transactions,
        avg_transaction_value_30d: if transactions == 0 { 0.0 } else { spent / transactions as f64 },
        days_since_last_transaction: last.map(|last| days_between(last, now)),
        account_age_days: days_between(get(row, "created_at")?, now),
        emotions: Some(EmotionFeatures {
            means_7d: means(row)?,
            stress_events_7d: count(row, "stress_events_7d")?,
            stress_events_30d: count(row, "stress_events_30d")?,
        }),
    })
}

fn means(row: &Row) -> Result<Option<EmotionMeans>, Fault> {
    let sums = [get(row, "positivity")?, get(row, "intensity")?, get(row, "stress")?];
    Ok(EmotionMeans::of_sums(get(row, "events")?, sums))
}
