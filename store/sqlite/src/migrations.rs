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
const ALL: [Migration; 22] = [
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
    Migration { version: 17, name: "decision_log", sql: include_str!("../migrations/0017_decision_log.sql") },
    Migration { version: 18, name: "policies", sql: include_str!("../migrations/0018_policies.sql") },
    Migration { version: 19, name: "reviews", sql: include_str!("../migrations/0019_reviews.sql") },
    Migration { version: 20, name: "evaluations", sql: include_str!("../migrations/0020_evaluations.sql") },
    Migration { version: 21, name: "backtests", sql: include_str!("../migrations/0021_backtests.sql") },
    Migration { version: 22, name: "watch", sql: include_str!("../migrations/0022_watch.sql") },
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

    /// A database as the version before the decision log left it.
    fn before_the_decision_log() -> Connection {
        let connection = database();
        let table = "CREATE TABLE schema_migrations (
            version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at TEXT NOT NULL) STRICT";
        connection.execute_batch(table).unwrap();
        for migration in ALL.iter().take_while(|migration| migration.name != "decision_log") {
            connection.execute_batch(migration.sql).unwrap();
            let values = (migration.version, migration.name, migration.checksum());
            connection.execute("INSERT INTO schema_migrations VALUES (?1, ?2, ?3, '')", values).unwrap();
        }
        connection
    }

    #[test]
    fn decisions_from_before_there_was_a_log_are_in_it_in_their_order() {
        let mut connection = before_the_decision_log();
        let user = "INSERT INTO users (id, created_at, updated_at) VALUES ('ana', '', '')";
        connection.execute(user, []).unwrap();
        for (id, at) in [("later", "2026-11-20T12:00:00.000001Z"), ("first", "2026-11-20T11:59:59.999999Z")] {
            let decision = "INSERT INTO decisions (id, user_id, decided_at, outcome, reason, risk_score, model_version, policy_version,
                features, contributions) VALUES (?1, 'ana', ?2, 'denied', '', 0.5, '', '', '', '')";
            connection.execute(decision, (id, at)).unwrap();
        }
        apply(&mut connection).unwrap();
        let entries = "SELECT decision_id, at, act, user_id, digest FROM decision_log ORDER BY number";
        let mut entries = connection.prepare(entries).unwrap();
        type Entry = (String, i64, String, String, Option<Vec<u8>>);
        let entries: Vec<Entry> = entries
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let entry = |id: &str, at| (id.to_owned(), at, "made".to_owned(), "ana".to_owned(), None);
        let noon = 1_795_176_000_000_000;
        assert_eq!(entries, [entry("first", noon - 1), entry("later", noon + 1)]);
    }
}
