//! Offers that expire by the ten thousand, as after a long outage.

use ecs_store::Credit;
use ecs_store_conformance::fixtures::{now, register};
use ecs_store_postgres::PostgresStore;
use ecs_vault::Keyring;

use crate::{can_run, options, support};

/// Nobody's acceptance waits for all of them, and no statement runs out of time over them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_offers_expire_in_pieces() {
    if !can_run("many offers that expire") {
        return;
    }
    let database = support::database().await;
    let store = PostgresStore::open(options(database.url().to_owned()), Keyring::in_memory()).await.unwrap();
    register(&store, [1]).await;
    let client = support::client(database.url()).await;
    let fill = "INSERT INTO credit_limits
             (id, user_id, status, credit_limit, interest_rate, credit_type, expires_at, created_at, updated_at)
         SELECT gen_random_uuid(), id, 'offered', 1, 1, 'SHORT_TERM', $1, $1, $1 FROM users, generate_series(1, 25000)";
    client.execute(fill, &[&now()]).await.unwrap();
    assert_eq!(store.expire_offers(now()).await.unwrap(), 25_000);
    let pieces = "SELECT count(*) FROM credit_limits WHERE status = 'expired' GROUP BY xmin::text ORDER BY 1";
    let pieces: Vec<i64> = client.query(pieces, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(pieces, [5_000, 10_000, 10_000]);
}
