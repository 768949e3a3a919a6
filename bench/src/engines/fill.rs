//! Laying accounts, consents and aggregates, past the store: ten million of them one by one would take hours.

use anyhow::Context as _;
use ecs_domain::UserId;
use ecs_domain::consent::Purpose;
use tokio_postgres::Client;
use uuid::Uuid;

use super::connect;
use crate::population::{Population, bystander};

/// Accounts per statement.
const CHUNK: usize = 100_000;
/// Users of whom the population's events don't tell.
pub(crate) const BYSTANDERS: u32 = 64;
/// Events that a laid aggregate says it has counted.
const LAID: i64 = 1;

/// How much the aggregates of a database add up to.
pub(crate) const SUMMED: &str = "SELECT coalesce(sum(event_count), 0)::bigint FROM emotional_events_summary";

/// Gives the population and some bystanders accounts and consent, and each of them an aggregate for each of these days.
pub(crate) async fn fill(url: &str, population: &Population, days: &[ecs_domain::Day]) -> anyhow::Result<()> {
    let client = connect(url).await?;
    // The references hold by the way the rows are made, and looking each of them up takes longer than writing it.
    client.batch_execute("SET session_replication_role = replica; SET synchronous_commit = off").await?;
    let strangers: Vec<UserId> = (0..BYSTANDERS).map(bystander).collect();
    for users in population.users().chunks(CHUNK).chain([strangers.as_slice()]) {
        let ids: Vec<Uuid> = users.iter().map(|user| user.uuid()).collect();
        lay(&client, &ids, days).await.context("laying accounts")?;
    }
    client.batch_execute("VACUUM ANALYZE users, consents, emotional_events_summary").await?;
    Ok(client.batch_execute("CHECKPOINT").await?)
}

async fn lay(client: &Client, ids: &[Uuid], days: &[ecs_domain::Day]) -> anyhow::Result<()> {
    let users = "INSERT INTO users (id, created_at, updated_at)
         SELECT id, now() - interval '90 days', now() FROM unnest($1::uuid[]) AS id";
    client.execute(users, &[&ids]).await?;
    let consents = "INSERT INTO consents (user_id, purpose, granted, updated_at)
         SELECT id, $2, true, now() FROM unnest($1::uuid[]) AS id";
    client.execute(consents, &[&ids, &Purpose::EmotionAnalysis.as_str()]).await?;
    if !days.is_empty() {
        let summary =
            "INSERT INTO emotional_events_summary (user_id, summary_date, event_count, stress_event_count,
                positivity_sum, intensity_sum, stress_sum, updated_at)
             SELECT id, day, $3, 0, 500000000, 500000000, 300000000, now()
             FROM unnest($1::uuid[]) AS id CROSS JOIN unnest($2::date[]) AS day";
        client.execute(summary, &[&ids, &days, &LAID]).await?;
    }
    Ok(())
}
