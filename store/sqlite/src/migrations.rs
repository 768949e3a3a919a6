//! Migrations: numbered files, forward only, each recorded with the digest of what was run.

use ecs_store::StoreError;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use sha2::{Digest, Sha256};

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
const ALL: [Migration; 19] = [
    Migration { version: 1, name: "first_tables", sql: include_str!("../migrations/0001_first_tables.sql") },
    Migration { version: 2, name: "raw_floor", sql: include_str!("../migrations/0002_raw_floor.sql") },
    Migration {
        version: 3,
        name: "notifications_read",
        sql: include_str!("../migrations/0003_notifications_read.sql"),
    },
    Migration {
        version: 4,
        name: "dead_letter_states",
        sql: include_str!("../migrations/0004_dead_letter_states.sql"),
    },
    Migration { version: 5, name: "idempotency", sql: include_str!("../migrations/0005_idempotency.sql") },
    Migration { version: 6, name: "replays", sql: include_str!("../migrations/0006_replays.sql") },
    Migration {
        version: 7,
        name: "replays_from_log",
        sql: include_str!("../migrations/0007_replays_from_log.sql"),
    },
    Migration { version: 8, name: "sessions", sql: include_str!("../migrations/0008_sessions.sql") },
    Migration { version: 9, name: "rights", sql: include_str!("../migrations/0009_rights.sql") },
    Migration { version: 10, name: "webhooks", sql: include_str!("../migrations/0010_webhooks.sql") },
    Migration { version: 11, name: "audit", sql: include_str!("../migrations/0011_audit.sql") },
    Migration {
        version: 12,
        name: "consent_history",
        sql: include_str!("../migrations/0012_consent_history.sql"),
    },
    Migration { version: 13, name: "privacy", sql: include_str!("../migrations/0013_privacy.sql") },
    Migration {
        version: 14,
        name: "retention_and_research",
        sql: include_str!("../migrations/0014_retention_and_research.sql"),
    },
    Migration { version: 15, name: "exports", sql: include_str!("../migrations/0015_exports.sql") },
    Migration {
        version: 16,
        name: "decision_records",
        sql: include_str!("../migrations/0016_decision_records.sql"),
    },
    Migration { version: 17, name: "of_another_branch", sql: "-- the merge puts a file here" },
    Migration { version: 18, name: "of_another_branch", sql: "-- the merge puts a file here" },
    Migration { version: 19, name: "reviews", sql: include_str!("../migrations/0019_reviews.sql") },
];

/// Runs what is pending, all of it or nothing, while it holds the database's write lock: of two processes that start
/// at once, one migrates and the other finds nothing left to do.
pub(crate) fn apply(connection: &mut Connection) -> Result<Vec<Migration>, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
            version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at TEXT NOT NULL) STRICT",
    )?;
    let pending = pending(&transaction)?;
    for migration in &pending {
        transaction.execute_batch(migration.sql)?;
        transaction.execute(
            "INSERT INTO schema_migrations VALUES (?1, ?2, ?3, strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))",
            (migration.version, migration.name, migration.checksum()),
        )?;
    }
    transaction.commit()?;
    Ok(pending)
}

/// What [`apply`] would run. Fails when the database is newer than this binary, or was made by other files.
pub(crate) fn pending(connection: &Connection) -> Result<Vec<Migration>, Fault> {
    let applied = applied(connection)?;
    let known = u32::try_from(ALL.len()).unwrap_or(u32::MAX);
    if let Some((newest, _)) = applied.last().filter(|(version, _)| *version > known) {
        return Err(StoreError::Corrupt(format!(
            "the database has schema version {newest}, this binary knows versions up to {known}: use a newer binary"
        ))
        .into());
    }
    for (migration, (version, checksum)) in ALL.iter().zip(&applied) {
        if migration.version != *version || migration.checksum() != *checksum {
            return Err(StoreError::Corrupt(format!(
                "migration {} of the database is not the one that this binary knows as {}",
                version, migration.name
            ))
            .into());
        }
    }
    Ok(ALL.into_iter().skip(applied.len()).collect())
}

fn applied(connection: &Connection) -> Result<Vec<(u32, String)>, Fault> {
    let table = connection
        .query_row("SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations'", [], |_| Ok(()))
        .optional()?;
    if table.is_none() {
        return Ok(Vec::new());
    }
    let mut statement =
        connection.prepare("SELECT version, checksum FROM schema_migrations ORDER BY version")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

impl Migration {
    fn checksum(&self) -> String {
        Sha256::digest(self.sql).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        Connection::open_in_memory().unwrap()
    }

    #[test]
    fn migrations_run_once() {
        let mut connection = database();
        assert_eq!(apply(&mut connection).unwrap(), ALL);
        assert_eq!(apply(&mut connection).unwrap(), []);
        assert_eq!(pending(&connection).unwrap(), []);
    }

    #[test]
    fn versions_count_from_one_without_gaps() {
        assert!(ALL.iter().map(|migration| migration.version).eq(1..=u32::try_from(ALL.len()).unwrap()));
    }

    #[test]
    fn a_database_that_is_newer_than_the_binary_is_refused() {
        let mut connection = database();
        apply(&mut connection).unwrap();
        connection.execute("INSERT INTO schema_migrations VALUES (9999, 'later', '', '')", []).unwrap();
        let refused = StoreError::from(apply(&mut connection).unwrap_err());
        assert!(refused.to_string().contains("schema version 9999"), "{refused}");
    }

    #[test]
    fn a_migration_that_was_changed_after_it_ran_is_refused() {
        let mut connection = database();
        apply(&mut connection).unwrap();
        connection.execute("UPDATE schema_migrations SET checksum = 'other'", []).unwrap();
        assert!(StoreError::from(apply(&mut connection).unwrap_err()).to_string().contains("first_tables"));
    }
}
