//! What the engine's tests share: databases of their own, and a way past the store.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};

use ecs_servers::{Database, Postgres, Template};
use ecs_store_postgres::{Options, PostgresStore};
use tokio_postgres::{Client, NoTls};

/// A database of one test on the shared server, migrated.
pub(crate) async fn database() -> Database {
    let template = Template::new(format!("store_{:016x}", migrations()), |url| async move {
        PostgresStore::migrate(&Options::new(url)).await?;
        Ok(())
    });
    Postgres::shared().await.unwrap().database(template).await.unwrap()
}

/// A number that changes with the migrations: the server may live longer than one state of them.
fn migrations() -> u64 {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut hasher = DefaultHasher::new();
    files.iter().for_each(|file| std::fs::read(file).unwrap().hash(&mut hasher));
    hasher.finish()
}

/// A connection of one's own, past the store.
pub(crate) async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
