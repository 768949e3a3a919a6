//! The vault's contract, over PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use ecs_servers::{Database, Engine, Template};
use ecs_store_postgres::{Options, PostgresVault};
use ecs_vault::Vault;
use ecs_vault_conformance::{Harness, conformance};

/// A vault in a database of its own.
struct Postgres {
    database: Database,
    vault: Arc<PostgresVault>,
}

impl Postgres {
    async fn opened_in(database: Database) -> Self {
        let vault = PostgresVault::open(&Options::new(database.url())).await.unwrap();
        Self { database, vault: Arc::new(vault) }
    }
}

#[async_trait]
impl Harness for Postgres {
    const NAME: &'static str = "postgres";

    fn unavailable() -> Option<String> {
        ecs_servers::unavailable(Engine::Postgres)
    }

    async fn start() -> Self {
        let empty = Template::new("vault_empty".to_owned(), |_| async { Ok(()) });
        let server = ecs_servers::Postgres::shared().await.unwrap();
        Self::opened_in(server.database(empty).await.unwrap()).await
    }

    fn vault(&self) -> Arc<dyn Vault> {
        self.vault.clone()
    }

    async fn reopen(self) -> Self {
        self.vault.close().await.unwrap();
        Self::opened_in(self.database).await
    }

    async fn holds(&self, bytes: &[u8]) -> bool {
        let client = support::client(self.database.url()).await;
        let rows = "SELECT 1 FROM vault_keys WHERE wrapped = $1 UNION ALL SELECT 1 FROM vault_named WHERE wrapped = $1";
        !client.query(rows, &[&bytes]).await.unwrap().is_empty()
    }
}

conformance!(Postgres);

#[tokio::test(flavor = "multi_thread")]
async fn the_database_of_a_store_is_refused() {
    if let Some(reason) = ecs_servers::unavailable(Engine::Postgres) {
        return ecs_servers::did_not_run("the vault's own database", &reason);
    }
    let store = support::database().await;
    let refused = PostgresVault::open(&Options::new(store.url())).await.err().unwrap();
    assert!(refused.to_string().contains("must not be in the store's database"), "{refused}");
    // Nor does a store begin where a vault is.
    let empty = Template::new("vault_empty".to_owned(), |_| async { Ok(()) });
    let database = ecs_servers::Postgres::shared().await.unwrap().database(empty).await.unwrap();
    PostgresVault::open(&Options::new(database.url())).await.unwrap();
    let keyring = ecs_vault::Keyring::in_memory();
    let refused =
        ecs_store_postgres::PostgresStore::open(Options::new(database.url()), keyring).await.err().unwrap();
    assert!(refused.to_string().contains("must not be in the vault's database"), "{refused}");
}
