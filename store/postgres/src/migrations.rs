//! Migrations: numbered files, forward only, each recorded with the digest of what was run.

use std::time::Duration;

use ecs_store::StoreError;
use sha2::{Digest, Sha256};
use tokio_postgres::Client;

use crate::column::get;
use crate::engine::Fault;

/// One migration of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Counts from 1, without gaps.
    pub version: u32,
    /// What the file is called after its number.
    pub name: &'static str,
    sql: &'static str,
}

/// Every migration there is, in order.
const ALL: [Migration; 20] = [
    Migration {
        version: 1,
        name: "accounts_and_credit",
        sql: include_str!("../migrations/0001_accounts_and_credit.sql"),
    },
    Migration { version: 2, name: "events", sql: include_str!("../migrations/0002_events.sql") },
    Migration { version: 3, name: "replays", sql: include_str!("../migrations/0003_replays.sql") },
    Migration {
        version: 4,
        name: "replays_from_log",
        sql: include_str!("../migrations/0004_replays_from_log.sql"),
    },
    Migration { version: 5, name: "sessions", sql: include_str!("../migrations/0005_sessions.sql") },
    Migration { version: 6, name: "rights", sql: include_str!("../migrations/0006_rights.sql") },
    Migration { version: 7, name: "webhooks", sql: include_str!("../migrations/0007_webhooks.sql") },
    Migration { version: 8, name: "audit", sql: include_str!("../migrations/0008_audit.sql") },
    Migration {
        version: 9,
        name: "consent_history",
        sql: include_str!("../migrations/0009_consent_history.sql"),
    },
    Migration { version: 10, name: "privacy", sql: include_str!("../migrations/0010_privacy.sql") },
    Migration {
        version: 11,
        name: "retention_and_research",
        sql: include_str!("../migrations/0011_retention_and_research.sql"),
    },
    Migration { version: 12, name: "exports", sql: include_str!("../migrations/0012_exports.sql") },
    Migration {
        version: 13,
        name: "decision_records",
        sql: include_str!("../migrations/0013_decision_records.sql"),
    },
    Migration { version: 14, name: "decision_log", sql: include_str!("../migrations/0014_decision_log.sql") },
    Migration { version: 15, name: "policies", sql: include_str!("../migrations/0015_policies.sql") },
    Migration { version: 16, name: "reviews", sql: include_str!("../migrations/0016_reviews.sql") },
    Migration { version: 17, name: "evaluations", sql: include_str!("../migrations/0017_evaluations.sql") },
    Migration { version: 18, name: "backtests", sql: include_str!("../migrations/0018_backtests.sql") },
    Migration { version: 19, name: "watch", sql: include_str!("../migrations/0019_watch.sql") },
    Migration {
        version: 20,
        name: "lighter_decisions",
        sql: include_str!("../migrations/0020_lighter_decisions.sql"),
    },
];

/// Held by whoever migrates: "ecs schema" in a number. It ends with the transaction.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7305808869229538387)";
const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL)";
const APPLIED: &str = "SELECT version, checksum FROM schema_migrations ORDER BY version";
const NOTE: &str =
    "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, now())";

/// Runs what is pending, all of it or nothing: of two processes that start at once, one migrates and the other waits
/// and finds nothing left to do. `patience` limits each statement, the wait included.
pub(crate) async fn apply(client: &mut Client, patience: Duration) -> Result<Vec<Migration>, Fault> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(&format!("SET LOCAL statement_timeout = {}", patience.as_millis())).await?;
    transaction.batch_execute(LOCK).await?;
    transaction.batch_execute(TABLE).await?;
    let pending = pending(&transaction).await?;
    for migration in &pending {
        transaction.batch_execute(migration.sql).await?;
        let version = i32::try_from(migration.version).unwrap_or(i32::MAX);
        transaction.execute(NOTE, &[&version, &migration.name, &migration.checksum()]).await?;
    }
    transaction.commit().await?;
    Ok(pending)
}

/// What [`apply`] would run. Fails when the database is newer than this binary, or was made by other files.
pub(crate) async fn pending(client: &impl tokio_postgres::GenericClient) -> Result<Vec<Migration>, Fault> {
    let applied = applied(client).await?;
    let known = ALL.len();
    if let Some((newest, _)) = applied.last().filter(|_| applied.len() > known) {
        return Err(StoreError::Corrupt(format!(
            "the database has schema version {newest}, this binary knows versions up to {known}: use a newer binary"
        ))
        .into());
    }
    for (migration, (version, checksum)) in ALL.iter().zip(&applied) {
        if i64::from(migration.version) != i64::from(*version) || migration.checksum() != *checksum {
            return Err(StoreError::Corrupt(format!(
                "migration {version} of the database is not the one that this binary knows as {}",
                migration.name
            ))
            .into());
        }
    }
    Ok(ALL.into_iter().skip(applied.len()).collect())
}

async fn applied(client: &impl tokio_postgres::GenericClient) -> Result<Vec<(i32, String)>, Fault> {
    let there = client.query_one("SELECT to_regclass('schema_migrations') IS NOT NULL", &[]).await?;
    if !get::<_, bool>(&there, 0)? {
        return Ok(Vec::new());
    }
    let rows = client.query(APPLIED, &[]).await?;
    rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect()
}

impl Migration {
    fn checksum(&self) -> String {
        Sha256::digest(self.sql).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_from_one_without_gaps() {
        assert!(ALL.iter().map(|migration| migration.version).eq(1..=u32::try_from(ALL.len()).unwrap()));
    }
}
