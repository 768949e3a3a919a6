//! What a decision reads.

use ecs_domain::features::{EmotionFeatures, EmotionMeans, Features, days_between};
use ecs_domain::{Timestamp, UserId, utc_day};
use ecs_store::FeatureSource;
use jiff::{SignedDuration, ToSpan};
use rusqlite::{Connection, OptionalExtension, params};

use crate::column::{At, IdText, count};
use crate::engine::Fault;

pub(crate) mod statements {
    //! The SQL of the features, where the test of the query plans sees it.

    pub(crate) const ACCOUNT: &str = "SELECT created_at FROM users WHERE id = ?1";
    /// Whole units and cents are summed apart: the sum of the cents themselves could overflow for an absurd sender.
    pub(crate) const TRANSACTIONS: &str = "SELECT count(*), coalesce(sum(amount_minor / 100), 0),
            coalesce(sum(amount_minor % 100), 0)
         FROM transactions WHERE user_id = ?1 AND occurred_at > ?2 AND occurred_at <= ?3";
    pub(crate) const LAST_TRANSACTION: &str = "SELECT occurred_at FROM transactions
         WHERE user_id = ?1 AND occurred_at <= ?2 ORDER BY occurred_at DESC LIMIT 1";
    pub(crate) const EMOTIONS: &str =
        "SELECT coalesce(sum(event_count), 0), coalesce(sum(stress_event_count), 0),
            coalesce(sum(positivity_sum), 0), coalesce(sum(intensity_sum), 0), coalesce(sum(stress_sum), 0)
         FROM emotional_events_summary WHERE user_id = ?1 AND summary_date >= ?2 AND summary_date <= ?3";
}

/// The user's features at `now`; `None` for an unknown user.
pub(crate) fn read(
    connection: &Connection,
    user: UserId,
    now: Timestamp,
) -> Result<Option<FeatureSource>, Fault> {
    let id = IdText::new(user.uuid());
    let made: Option<At> =
        connection.prepare_cached(statements::ACCOUNT)?.query_row([&id], |row| row.get(0)).optional()?;
    let Some(At(made)) = made else { return Ok(None) };
    let (transaction_count_30d, avg_transaction_value_30d) = transactions(connection, &id, now)?;
    let features = Features {
        transaction_count_30d,
        avg_transaction_value_30d,
        days_since_last_transaction: days_since_last(connection, &id, now)?,
        account_age_days: days_between(made, now),
        emotions: Some(emotions(connection, &id, now)?),
    };
    Ok(Some(FeatureSource { features }))
}

#[expect(clippy::cast_precision_loss, reason = "sums of money stay far below 2^52 units")]
fn transactions(connection: &Connection, user: &IdText, now: Timestamp) -> Result<(u64, f64), Fault> {
    let since = now - SignedDuration::from_hours(30 * 24);
    let mut statement = connection.prepare_cached(statements::TRANSACTIONS)?;
    let (number, units, cents): (i64, i64, i64) = statement
        .query_row(params![user, At(since), At(now)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    if number == 0 {
        return Ok((0, 0.0));
    }
    Ok((count(number), (units as f64 + cents as f64 / 100.0) / number as f64))
}

fn days_since_last(connection: &Connection, user: &IdText, now: Timestamp) -> Result<Option<f64>, Fault> {
    let mut statement = connection.prepare_cached(statements::LAST_TRANSACTION)?;
    let last: Option<At> = statement.query_row(params![user, At(now)], |row| row.get(0)).optional()?;
    Ok(last.map(|At(last)| days_between(last, now)))
}

/// Windows of emotions are whole UTC days, today included.
fn emotions(connection: &Connection, user: &IdText, now: Timestamp) -> Result<EmotionFeatures, Fault> {
    let week = Window::read(connection, user, now, 7)?;
    let month = Window::read(connection, user, now, 30)?;
    Ok(EmotionFeatures {
        means_7d: week.means(),
        stress_events_7d: count(week.stress_events),
        stress_events_30d: count(month.stress_events),
    })
}

/// Sums over some days.
struct Window {
    events: i64,
    stress_events: i64,
    positivity: i64,
    intensity: i64,
    stress: i64,
}

impl Window {
    fn read(connection: &Connection, user: &IdText, now: Timestamp, days: i64) -> Result<Self, Fault> {
        let today = utc_day(now);
        let first = today.saturating_sub((days - 1).days());
        let mut statement = connection.prepare_cached(statements::EMOTIONS)?;
        let window = statement.query_row(params![user, first.to_string(), today.to_string()], |row| {
            Ok(Self {
                events: row.get(0)?,
                stress_events: row.get(1)?,
                positivity: row.get(2)?,
                intensity: row.get(3)?,
                stress: row.get(4)?,
            })
        })?;
        Ok(window)
    }

    fn means(&self) -> Option<EmotionMeans> {
        EmotionMeans::of_sums(self.events, [self.positivity, self.intensity, self.stress])
    }
}
