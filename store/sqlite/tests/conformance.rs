//! The store's contract, over SQLite.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use ecs_domain::{Day, UserId};
use ecs_store::{Maintenance, Store};
use ecs_store_conformance::{Harness, SummaryRow, conformance};
use ecs_store_sqlite::{Options, SqliteStore};
use ecs_vault::Keyring;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};

/// A store in a folder of its own.
struct Sqlite {
    folder: tempfile::TempDir,
    keyring: Keyring,
    store: Arc<SqliteStore>,
}

impl Sqlite {
    fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    fn connect(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    fn tamper(&self, sql: &str, user: UserId, day: Day, more: i64) {
        let changed = self.connect().execute(sql, (user.uuid().to_string(), day.to_string(), more)).unwrap();
        assert_eq!(changed, 1);
    }
}

#[async_trait]
impl Harness for Sqlite {
    const NAME: &'static str = "sqlite";

    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keyring = Keyring::in_memory();
        let store =
            SqliteStore::open(folder.path().join("store.db"), keyring.clone(), Options::default()).unwrap();
        Self { folder, keyring, store: Arc::new(store) }
    }

    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn reopen(self) -> Self {
        self.store.close().await.unwrap();
        let store = SqliteStore::open(self.path(), self.keyring.clone(), Options::default()).unwrap();
        Self { folder: self.folder, keyring: self.keyring, store: Arc::new(store) }
    }

    fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    async fn everything(&self) -> Vec<(String, String)> {
        let connection = self.connect();
        let mut tables = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
        let tables: Vec<String> =
            tables.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        tables.into_iter().map(|table| (table.clone(), text_of(&connection, &table))).collect()
    }

    async fn run(&self, sql: &str) {
        self.connect().execute_batch(sql).unwrap();
    }

    async fn refuses(&self, sql: &str) -> bool {
        self.connect().execute_batch(sql).is_err()
    }

    async fn summary(&self, user: UserId, day: Day) -> Option<SummaryRow> {
        let sql = "SELECT event_count, stress_event_count, positivity_sum, intensity_sum, stress_sum,
                avg_positivity_score, avg_intensity_score, avg_stress_level
             FROM emotional_events_summary WHERE user_id = ?1 AND summary_date = ?2";
        let read = |row: &rusqlite::Row<'_>| {
            Ok(SummaryRow {
                event_count: row.get(0)?,
                stress_event_count: row.get(1)?,
                sums: [row.get(2)?, row.get(3)?, row.get(4)?],
                means: [row.get(5)?, row.get(6)?, row.get(7)?],
            })
        };
        let keys = (user.uuid().to_string(), day.to_string());
        self.connect().query_row(sql, keys, read).optional().unwrap()
    }

    async fn tamper_with_count(&self, user: UserId, day: Day, more: i64) {
        let sql = "UPDATE emotional_events_summary SET event_count = event_count + ?3
             WHERE user_id = ?1 AND summary_date = ?2";
        self.tamper(sql, user, day, more);
    }

    async fn tamper_with_sum(&self, user: UserId, day: Day, more: i64) {
        let sql = "UPDATE emotional_events_summary SET positivity_sum = positivity_sum + ?3
             WHERE user_id = ?1 AND summary_date = ?2";
        self.tamper(sql, user, day, more);
    }
}

/// All rows of a table, with bytes as hexadecimal digits.
fn text_of(connection: &Connection, table: &str) -> String {
    let mut rows = connection.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
    let columns = rows.column_count();
    let mut rows = rows.query([]).unwrap();
    let mut text = String::new();
    while let Some(row) = rows.next().unwrap() {
        for column in 0..columns {
            match row.get_ref(column).unwrap() {
                ValueRef::Text(value) => text += &String::from_utf8_lossy(value),
                ValueRef::Blob(value) => value.iter().for_each(|byte| text += &format!("{byte:02x}")),
                ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => {}
            }
            text.push('\n');
        }
    }
    text
}

conformance!(Sqlite);
