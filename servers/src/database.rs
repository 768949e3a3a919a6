//! Private databases, copied from templates.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio_postgres::{Client, NoTls};

use crate::ports;

const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// What a database starts from: a name, and what fills a database of that name when the server doesn't have it yet.
///
/// The name stands for the content. Put a hash of the migrations into it, for a server that lives longer than this run.
#[derive(Debug)]
pub struct Template<F> {
    name: String,
    fill: F,
}

impl<F, Filled> Template<F>
where
    F: FnOnce(String) -> Filled,
    Filled: Future<Output = Result<()>>,
{
    /// A template that `fill` makes out of the empty database at the address that it is given. `fill` must have closed all
    /// its connections to it when it ends.
    pub fn new(name: impl Into<String>, fill: F) -> Self {
        Self { name: name.into(), fill }
    }
}

/// A database of one test. A copy takes about 0.1 s.
///
/// On a private server it goes with the server: dropping it costs a checkpoint, several times the copy. On a given one it is dropped here, connections and all; a test that is killed leaves
/// it behind, under a name that starts with `ecs_test_`.
#[derive(Debug)]
pub struct Database {
    url: String,
    /// How to drop it, where that is ours to do: the server's address and the statement.
    drop: Option<(String, String)>,
}

impl Database {
    /// Its address, with the password.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some((server, statement)) = self.drop.take() else { return };
        // On a thread and a runtime of its own: the test's runtime may be ending.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async { Ok(connect(&server).await?.batch_execute(&statement).await?) })
        });
        // What can't be dropped stays: the test's own result matters more.
        let _: Option<Result<()>> = dropping.join().ok();
    }
}

/// The databases of one server.
#[derive(Debug)]
pub(crate) struct Databases {
    /// The address of a database that is always there.
    server: String,
    drops: bool,
    /// Templates that are known to be complete.
    ready: Mutex<HashSet<String>>,
}

impl Databases {
    pub(crate) fn new(server: String, drops: bool) -> Self {
        Self { server, drops, ready: Mutex::default() }
    }

    pub(crate) fn url(&self, database: &str) -> String {
        in_database(&self.server, database)
    }

    pub(crate) async fn copy<F, Filled>(&self, template: Template<F>) -> Result<Database>
    where
        F: FnOnce(String) -> Filled,
        Filled: Future<Output = Result<()>>,
    {
        let client = connect(&self.server).await?;
        let source = format!("ecs_template_{}", template.name);
        if !self.is_ready(&source) {
            self.make(&client, &source, template.fill).await?;
        }
        let name = format!("ecs_test_{:016x}", ports::random());
        client
            .batch_execute(&format!("CREATE DATABASE \"{name}\" TEMPLATE \"{source}\""))
            .await
            .context("can't copy the template")?;
        let statement = format!("DROP DATABASE \"{name}\" WITH (FORCE)");
        let drop = self.drops.then(|| (self.server.clone(), statement));
        Ok(Database { url: self.url(&name), drop })
    }

    /// Makes the template unless it is there. Several tests and processes may want the same one at once: one makes it, and the
    /// mark "template" says that it was finished.
    async fn make<F, Filled>(&self, client: &Client, source: &str, fill: F) -> Result<()>
    where
        F: FnOnce(String) -> Filled,
        Filled: Future<Output = Result<()>>,
    {
        let lock = lock_of(source);
        client.execute("SELECT pg_advisory_lock($1)", &[&lock]).await.context("can't lock the template")?;
        let finished = "SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate";
        if client.query_opt(finished, &[&source]).await?.is_none() {
            client.batch_execute(&format!("DROP DATABASE IF EXISTS \"{source}\" WITH (FORCE)")).await?;
            client.batch_execute(&format!("CREATE DATABASE \"{source}\"")).await?;
            fill(self.url(source)).await.with_context(|| format!("can't fill the template {source}"))?;
            // Nobody may connect any more: a copy needs the template to itself.
            client
                .batch_execute(&format!(
                    "ALTER DATABASE \"{source}\" IS_TEMPLATE true ALLOW_CONNECTIONS false"
                ))
                .await?;
            end_connections(client, source).await?;
        }
        client.execute("SELECT pg_advisory_unlock($1)", &[&lock]).await?;
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).insert(source.to_owned());
        Ok(())
    }

    fn is_ready(&self, source: &str) -> bool {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).contains(source)
    }
}

/// A pool that was dropped may still be on its way out.
async fn end_connections(client: &Client, database: &str) -> Result<()> {
    let statement = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1";
    client.execute(statement, &[&database]).await.context("can't end the template's connections")?;
    Ok(())
}

/// A connection that a task of this runtime drives until the client is dropped.
pub(crate) async fn connect(url: &str) -> Result<Client> {
    let connecting = tokio_postgres::connect(url, NoTls);
    let connected = tokio::time::timeout(CONNECT_WITHIN, connecting).await.context("PostgreSQL is silent")?;
    let (client, connection) = connected.context("can't connect to PostgreSQL")?;
    tokio::spawn(connection);
    Ok(client)
}

fn lock_of(source: &str) -> i64 {
    let mut hasher = DefaultHasher::new();
    source.hash(&mut hasher);
    i64::from_ne_bytes(hasher.finish().to_ne_bytes())
}

/// The address with another database in it.
fn in_database(url: &str, database: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, ""), |(address, query)| (address, query));
    let host = address.find("://").map_or(0, |scheme| scheme + 3);
    let end = address[host..].find('/').map_or(address.len(), |slash| host + slash);
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    format!("{}/{database}{query}", &address[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_another_database() {
        let check = |url: &str, expect: &str| assert_eq!(in_database(url, "other"), expect);
        check("postgres://u:p@host:1/db", "postgres://u:p@host:1/other");
        check("postgres://u:p@host:1", "postgres://u:p@host:1/other");
        check("postgresql://host/", "postgresql://host/other");
        check("postgres://host/db?sslmode=require", "postgres://host/other?sslmode=require");
    }
}
