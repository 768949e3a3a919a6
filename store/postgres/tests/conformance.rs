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
use tokio_postgres::types::ToSql;

/// A store in a database of its own.
struct Postgres {
    database: Database,
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
        let store = PostgresStore::open(Options::new(database.url())).await.unwrap();
        Self { database, store: Arc::new(store) }
    }

    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn reopen(self) -> Self {
        self.store.close().await.unwrap();
        let store = PostgresStore::open(Options::new(self.database.url())).await.unwrap();
        Self { database: self.database, store: Arc::new(store) }
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
