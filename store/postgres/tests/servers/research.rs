//! Months are counted by a replica, and who agrees to that by the primary.

use std::time::Duration;

use ecs_domain::attributes::Attributes;
use ecs_domain::consent::Purpose;
use ecs_servers::{Postgres, PostgresOptions, Replication};
use ecs_store::{AttributesOfUsers as _, Consents as _, Research as _, Studied};
use ecs_store_conformance::fixtures::{now, register, user};
use ecs_store_postgres::PostgresStore;

use crate::customers::until;
use crate::replicas::reads;
use crate::{can_start, options, support};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consent_that_a_replica_has_not_heard_of_counts() {
    if !can_start("research on a replica") {
        return;
    }
    let primary = Postgres::start(PostgresOptions::default()).await.unwrap();
    let replica = primary.replica(Replication::Asynchronous).await.unwrap();
    let mut options = options(primary.url("postgres"));
    options.read_urls = vec![replica.url("postgres")];
    options.max_replica_lag = Duration::from_secs(60);
    let metrics = options.metrics.clone();
    let store = PostgresStore::open(options, ecs_vault::Keyring::in_memory()).await.unwrap();
    register(&store, [1, 2, 3]).await;
    for (number, purpose) in (1..=3).flat_map(|number| Purpose::ALL.map(|purpose| (number, purpose))) {
        store.set_consent(user(number), purpose, true.into(), now()).await.unwrap();
    }
    let told = Attributes { age_band: Some("65+".parse().unwrap()), region: None };
    for number in 1..=3 {
        store.put_attributes(user(number), told, now()).await.unwrap().unwrap();
    }
    let people = async || -> Vec<Studied> {
        store.research_page("2026-10".parse().unwrap(), None, 10).await.unwrap().people
    };
    until("the replica has all three", async || {
        let before = reads(&metrics, "replica");
        people().await.len() == 3 && reads(&metrics, "replica") > before
    })
    .await;

    let direct = support::client(&replica.url("postgres")).await;
    direct.batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
    store.set_consent(user(1), Purpose::Research, false.into(), now()).await.unwrap();
    store.set_consent(user(2), Purpose::Demographics, false.into(), now()).await.unwrap();
    let before = reads(&metrics, "replica");
    let found: Vec<_> = people().await.iter().map(|one| (one.user, one.attributes)).collect();
    assert!(reads(&metrics, "replica") > before, "the replica was not read");
    assert_eq!(found, [(user(2), Attributes::default()), (user(3), told)]);
}
