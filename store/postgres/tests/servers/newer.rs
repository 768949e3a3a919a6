//! What a newer version has written that runs beside this one, as during an update.

use ecs_domain::permission::{Access, Permission, Role};
use ecs_store::{RightsChange, RightsOfUsers as _};
use ecs_store_conformance::fixtures::{now, register, user};
use ecs_store_postgres::PostgresStore;

use crate::{can_run, options, support};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_rights_keeps_what_only_a_newer_version_knows() {
    if !can_run("rights that a newer version granted") {
        return;
    }
    let database = support::database().await;
    let store = PostgresStore::open(options(database.url().to_owned()), ecs_vault::Keyring::in_memory())
        .await
        .unwrap();
    register(&store, [1]).await;
    let change = |access| RightsChange {
        user: user(1),
        access,
        granter: user(2),
        held: Permission::ALL.iter().copied().collect(),
        now: now(),
    };
    store.change_rights(change(Access::of([Role::Analyst], []))).await.unwrap();
    let client = support::client(database.url()).await;
    let grant = "UPDATE user_rights SET roles = '{analyst,auditor}', permissions = '{audit:read,moons:land}'";
    client.execute(grant, &[]).await.unwrap();
    let check = async |access: Access, expect: [&[&str]; 2]| {
        store.change_rights(change(access.clone())).await.unwrap();
        assert_eq!(store.rights(user(1)).await.unwrap().unwrap().access, access);
        let row = client.query_one("SELECT roles, permissions FROM user_rights", &[]).await.unwrap();
        assert_eq!([row.get::<_, Vec<String>>(0), row.get(1)], expect);
    };
    check(Access::of([Role::Operator], []), [&["operator", "auditor"], &["moons:land"]]).await;
    let audits = Access::of([], [Permission::AuditRead]);
    check(audits, [&["auditor"], &["audit:read", "moons:land"]]).await;
    check(Access::default(), [&["auditor"], &["moons:land"]]).await;
}
