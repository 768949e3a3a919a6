//! What a decision reads.

use ecs_domain::features::{EmotionFeatures, EmotionMeans, Features, days_between};
use ecs_domain::{Day, Timestamp, UserId, utc_day};
use ecs_store::FeatureSource;
use jiff::{SignedDuration, ToSpan};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::column::{count, get, micros};
use crate::engine::{Fault, Param, Session};

/// Everything at once, as one snapshot has it. Windows of transactions end at an instant, those of emotions are whole UTC
/// days.
pub(crate) const READ: &str = "
SELECT asked.place, asked.now, u.created_at, t.transactions, t.spent, l.occurred_at AS last_at, e.*
FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::date[], $5::date[], $6::date[])
    WITH ORDINALITY AS asked (user_id, since, now, month, week, today, place)
CROSS JOIN LATERAL (SELECT id, created_at FROM users WHERE id = asked.user_id LIMIT 1) u
CROSS JOIN LATERAL (
    SELECT count(*) AS transactions, coalesce(sum(amount), 0)::double precision AS spent
    FROM transactions WHERE user_id = u.id AND occurred_at > asked.since AND occurred_at <= asked.now) t
LEFT JOIN LATERAL (
    SELECT occurred_at FROM transactions WHERE user_id = u.id AND occurred_at <= asked.now
    ORDER BY occurred_at DESC LIMIT 1) l ON true
CROSS JOIN LATERAL (
    SELECT coalesce(sum(event_count) FILTER (WHERE summary_date >= asked.week), 0)::bigint AS events,
        coalesce(sum(positivity_sum) FILTER (WHERE summary_date >= asked.week), 0)::bigint AS positivity,
        coalesce(sum(intensity_sum) FILTER (WHERE summary_date >= asked.week), 0)::bigint AS intensity,
        coalesce(sum(stress_sum) FILTER (WHERE summary_date >= asked.week), 0)::bigint AS stress,
        coalesce(sum(stress_event_count) FILTER (WHERE summary_date >= asked.week), 0)::bigint AS stress_events_7d,
        coalesce(sum(stress_event_count), 0)::bigint AS stress_events_30d
    FROM emotional_events_summary WHERE user_id = u.id AND summary_date >= asked.month AND summary_date <= asked.today) e";

/// Features of a user at an instant; `None` for an unknown user.
pub(super) async fn find(
    session: &Session,
    user: UserId,
    now: Timestamp,
) -> Result<Option<FeatureSource>, Fault> {
    let windows = Windows::of([(user, now)]);
    session.query(READ, &windows.params()).await?.first().map(read).transpose()
}

/// Whose features, and of which time.
#[derive(Default)]
pub(crate) struct Windows {
    users: Vec<Uuid>,
    since: Vec<Timestamp>,
    now: Vec<Timestamp>,
    month: Vec<Day>,
    week: Vec<Day>,
    today: Vec<Day>,
}

impl Windows {
    pub(crate) fn of(calls: impl IntoIterator<Item = (UserId, Timestamp)>) -> Self {
        let mut windows = Self::default();
        for (user, now) in calls {
            let now = micros(now);
            let today = utc_day(now);
            let first = |days: i64| today.saturating_sub((days - 1).days());
            windows.users.push(user.uuid());
            windows
                .since
                .push(now.saturating_sub(SignedDuration::from_hours(30 * 24)).unwrap_or(Timestamp::MIN));
            windows.now.push(now);
            windows.month.push(first(30));
            windows.week.push(first(7));
            windows.today.push(today);
        }
        windows
    }

    pub(crate) fn params(&self) -> [Param<'_>; 6] {
        [&self.users, &self.since, &self.now, &self.month, &self.week, &self.today]
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody has made 2^52 transactions")]
pub(crate) fn read(row: &Row) -> Result<FeatureSource, Fault> {
    let now: Timestamp = get(row, "now")?;
    let transactions = count(row, "transactions")?;
    let spent: f64 = get(row, "spent")?;
    let last: Option<Timestamp> = get(row, "last_at")?;
    let features = Features {
        transaction_count_30d: transactions,
        avg_transaction_value_30d: if transactions == 0 { 0.0 } else { spent / transactions as f64 },
        days_since_last_transaction: last.map(|last| days_between(last, now)),
        account_age_days: days_between(get(row, "created_at")?, now),
        emotions: Some(EmotionFeatures {
            means_7d: means(row)?,
            stress_events_7d: count(row, "stress_events_7d")?,
            stress_events_30d: count(row, "stress_events_30d")?,
        }),
    };
    Ok(FeatureSource { features })
}

fn means(row: &Row) -> Result<Option<EmotionMeans>, Fault> {
    let sums = [get(row, "positivity")?, get(row, "intensity")?, get(row, "stress")?];
    Ok(EmotionMeans::of_sums(get(row, "events")?, sums))
}
