//! What many refreshes of a session leave behind.

mod support;

use ecs_servers::{Engine, did_not_run, unavailable};
use ecs_store::{Maintenance as _, Retained, Retention};
use ecs_store_conformance::fixtures::{at, day, register};
use ecs_store_postgres::{Options, PostgresStore};

/// A client may have refreshed its session any number of times, and a statement has its time.
#[tokio::test]
async fn the_tokens_of_a_busy_session_go_in_pieces() {
    if let Some(reason) = unavailable(Engine::Postgres) {
        did_not_run("the retention of sessions", &reason);
        return;
    }
    let database = support::database().await;
    let store = PostgresStore::open(Options::new(database.url())).await.unwrap();
    register(&store, [1]).await;
    let client = support::client(database.url()).await;
    let fill = "INSERT INTO sessions SELECT gen_random_uuid(), id, '2025-01-01', '2025-01-02' FROM users;
        INSERT INTO refresh_tokens SELECT sha256(n::text::bytea), id FROM sessions, generate_series(1, 10001) n";
    client.batch_execute(fill).await.unwrap();
    let (raw_floor, since) = (day("2026-01-01"), at("2026-01-01T00:00:00Z"));
    let retention = Retention { raw_floor, ids_since: since, answers_since: since };
    let first = store.retain(retention).await.unwrap();
    assert_eq!(first, Retained { more: true, ..Retained::default() });
    let left = client.query_one("SELECT count(*) FROM refresh_tokens", &[]).await.unwrap();
    assert_eq!(left.get::<_, i64>(0), 1);
    let second = store.retain(retention).await.unwrap();
    assert_eq!(second, Retained { sessions: 1, ..Retained::default() });
}
