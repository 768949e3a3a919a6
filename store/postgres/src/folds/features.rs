//! What a decision reads.

use ecs_domain::features::{EmotionFeatures, EmotionMeans, Features};
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

const SECONDS_PER_DAY: f64 = 86_400.0;
/// Billionths per one.
const SCALE: f64 = 1e9;

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

fn days_between(from: Timestamp, to: Timestamp) -> f64 {
    (to.duration_since(from).as_secs_f64() / SECONDS_PER_DAY).max(0.0)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a mean of numbers between 0 and 1 needs no more than 15 digits"
)]
fn means(row: &Row) -> Result<Option<EmotionMeans>, Fault> {
    let events: i64 = get(row, "events")?;
    if events == 0 {
        return Ok(None);
    }
    let mean = |column| Ok::<_, Fault>(get::<_, i64>(row, column)? as f64 / SCALE / events as f64);
    Ok(Some(EmotionMeans {
        positivity: mean("positivity")?,
        intensity: mean("intensity")?,
        stress: mean("stress")?,
    }))
}
