//! The store's contract, over PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use ecs_domain::{Day, UserId};
use ecs_servers::{Database, Engine};
use ecs_store::{Maintenance, Store};
use ecs_store_conformance::{Harness, SummaryRow, conformance};
use ecs_store_postgres::{Options, PostgresStore};
use ecs_vault::Keyring;
use tokio_postgres::types::ToSql;

/// A store in a database of its own.
struct Postgres {
    database: Database,
    keyring: Keyring,
    store: Arc<PostgresStore>,
}

impl Postgres {
    async fn tamper(&self, sql: &str, user: UserId, day: Day, more: i64) {
        let client = support::client(self.database.url()).await;
        let params: [&(dyn ToSql + Sync); 3] = [&user.uuid(), &day, &more];
        assert_eq!(client.execute(sql, &params).await.unwrap(), 1);
    }
}

#[async_trait]
impl Harness for Postgres {
    const NAME: &'static str = "postgres";

    fn unavailable() -> Option<String> {
        ecs_servers::unavailable(Engine::Postgres)
    }

    fn is_shared() -> bool {
        true
    }

    async fn start() -> Self {
        let database = support::database().await;
        let keyring = Keyring::in_memory();
        let store = PostgresStore::open(Options::new(database.url()), keyring.clone()).await.unwrap();
        Self { database, keyring, store: Arc::new(store) }
    }

    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn reopen(self) -> Self {
        self.store.close().await.unwrap();
        let store =
            PostgresStore::open(Options::new(self.database.url()), self.keyring.clone()).await.unwrap();
        Self { database: self.database, keyring: self.keyring, store: Arc::new(store) }
    }

    fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    async fn everything(&self) -> Vec<(String, String)> {
        let client = support::client(self.database.url()).await;
        let tables = "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
             AND relnamespace = 'public'::regnamespace";
        let mut everything = Vec::new();
        for table in client.query(tables, &[]).await.unwrap() {
            let table: String = table.get(0);
            let rows = format!("SELECT coalesce(string_agg(t::text, E'\n'), '') FROM \"{table}\" t");
            everything.push((table, client.query_one(&rows, &[]).await.unwrap().get(0)));
        }
        everything
    }

    async fn run(&self, sql: &str) {
        support::client(self.database.url()).await.batch_execute(sql).await.unwrap();
    }

    async fn refuses(&self, sql: &str) -> bool {
        support::client(self.database.url()).await.batch_execute(sql).await.is_err()
    }

    async fn summary(&self, user: UserId, day: Day) -> Option<SummaryRow> {
        let sql = "SELECT event_count::bigint, stress_event_count::bigint, positivity_sum::bigint,
                intensity_sum::bigint, stress_sum::bigint, avg_positivity_score::double precision,
                avg_intensity_score::double precision, avg_stress_level::double precision
             FROM emotional_events_summary WHERE user_id = $1 AND summary_date = $2";
        let client = support::client(self.database.url()).await;
        let row = client.query_opt(sql, &[&user.uuid(), &day]).await.unwrap()?;
        Some(SummaryRow {
            event_count: row.get(0),
            stress_event_count: row.get(1),
            sums: [row.get(2), row.get(3), row.get(4)],
            means: [row.get(5), row.get(6), row.get(7)],
        })
    }

    async fn tamper_with_count(&self, user: UserId, day: Day, more: i64) {
        let sql = "UPDATE emotional_events_summary SET event_count = event_count + $3
             WHERE user_id = $1 AND summary_date = $2";
        self.tamper(sql, user, day, more).await;
    }

    async fn tamper_with_sum(&self, user: UserId, day: Day, more: i64) {
        let sql = "UPDATE emotional_events_summary SET positivity_sum = positivity_sum + $3
             WHERE user_id = $1 AND summary_date = $2";
        self.tamper(sql, user, day, more).await;
    }
}

conformance!(Postgres);
