//! What people did in a month. One snapshot tells who agrees and what they did.

use async_trait::async_trait;
use ecs_domain::attributes::Attributes;
use ecs_domain::measures::{Activity, MeanEmotions};
use ecs_domain::{Month, UserId};
use ecs_store::{Research, ResearchPage, StoreError, Studied, sealed};
use rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

use crate::SqliteStore;
use crate::attributes;
use crate::column::{At, Id, IdText, count, limit};
use crate::engine::Fault;

pub(crate) const PEOPLE: &str = "SELECT user_id FROM consents
     WHERE purpose = 'research' AND granted = 1 AND user_id > ?1 ORDER BY user_id LIMIT ?2";
/// Whole units and cents are summed apart: the sum of the cents themselves could overflow for an absurd sender.
pub(crate) const TRANSACTIONS: &str = "SELECT count(*), coalesce(sum(amount_minor / 100), 0)
            + coalesce(sum(amount_minor % 100), 0) / 100
     FROM transactions WHERE user_id = ?1 AND occurred_at >= ?2 AND occurred_at < ?3";
pub(crate) const EMOTIONS: &str =
    "SELECT coalesce(sum(event_count), 0), coalesce(sum(positivity_sum), 0), coalesce(sum(stress_sum), 0)
     FROM emotional_events_summary WHERE user_id = ?1 AND summary_date >= ?2 AND summary_date < ?3
        AND EXISTS (SELECT 1 FROM consents WHERE user_id = ?1 AND purpose = 'emotion-analysis' AND granted = 1)";
pub(crate) const DECISIONS: &str =
    "SELECT coalesce(sum(outcome = 'approved'), 0), coalesce(sum(outcome = 'denied'), 0)
     FROM decisions WHERE user_id = ?1 AND decided_at >= ?2 AND decided_at < ?3";

#[async_trait]
impl Research for SqliteStore {
    async fn research_page(
        &self,
        month: Month,
        after: Option<UserId>,
        most: usize,
    ) -> Result<ResearchPage, StoreError> {
        let (found, next) =
            self.read("research.page", move |connection| page(connection, month, after, most)).await?;
        Ok(ResearchPage { people: sealed::open_studied(found, &self.keyring).await?, next })
    }
}

/// People with what they told as it stands in the table, and behind whom the next page begins.
type Page = (Vec<(Studied, Option<String>)>, Option<UserId>);

fn page(connection: &Connection, month: Month, after: Option<UserId>, most: usize) -> Result<Page, Fault> {
    let after = IdText::new(after.map_or_else(Uuid::nil, UserId::uuid));
    let mut people = connection.prepare_cached(PEOPLE)?;
    let found =
        people.query_map(params![after, limit(most)], |row| Ok(UserId::new(row.get::<_, Id>(0)?.0)))?;
    let found: Vec<UserId> = found.collect::<Result<_, _>>()?;
    let next = found.last().copied().filter(|_| found.len() == most);
    let people = found.into_iter().map(|user| studied(connection, user, month)).collect::<Result<_, _>>()?;
    Ok((people, next))
}

fn studied(connection: &Connection, user: UserId, month: Month) -> Result<(Studied, Option<String>), Fault> {
    let id = IdText::new(user.uuid());
    let times = params![id, At(month.start()), At(month.end())];
    let (transactions, spend) = connection
        .prepare_cached(TRANSACTIONS)?
        .query_row(times, |row| Ok((count(row.get(0)?), count(row.get(1)?))))?;
    let (approved, denied) = connection
        .prepare_cached(DECISIONS)?
        .query_row(times, |row| Ok((count(row.get(0)?), count(row.get(1)?))))?;
    let told: Option<String> =
        connection.prepare_cached(attributes::GET)?.query_row([&id], |row| row.get(0)).optional()?;
    let emotions = emotions(connection, &id, month)?;
    let activity = Activity { transactions, spend, emotions, approved, denied };
    Ok((Studied { user, attributes: Attributes::default(), activity }, told))
}

/// Billionths per one.
const SCALE: f64 = 1e9;

#[expect(clippy::cast_precision_loss, reason = "means are told to a tenth")]
fn emotions(connection: &Connection, id: &IdText, month: Month) -> Result<Option<MeanEmotions>, Fault> {
    let days = params![id, month.first_day().to_string(), month.end_day().to_string()];
    let (events, positivity, stress): (i64, i64, i64) = connection
        .prepare_cached(EMOTIONS)?
        .query_row(days, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let mean = |sum: i64| sum as f64 / SCALE / events as f64;
    Ok((events > 0).then(|| MeanEmotions { positivity: mean(positivity), stress: mean(stress) }))
}
