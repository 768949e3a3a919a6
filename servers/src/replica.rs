//! Streaming replicas of a private PostgreSQL server, and failover to them.

use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::database;
use crate::ports;
use crate::postgres::{Postgres, USER, data, tool};

const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(10);

/// What a commit on the primary waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replication {
    /// Nothing of this replica's: it may be behind, and promoting it may lose commits.
    Asynchronous,
    /// A flush on this replica: promoting it loses nothing that was answered.
    Synchronous,
}

impl Postgres {
    /// A hot standby that streams from this server through a slot of its own, once it has caught up.
    ///
    /// # Errors
    /// The server isn't ours, or the copy fails or doesn't start.
    pub async fn replica(&self, replication: Replication) -> Result<Self> {
        let primary = self.private()?;
        let name = format!("replica_{:08x}", ports::random() >> 32);
        self.execute(&format!("SELECT pg_create_physical_replication_slot('{name}')")).await?;
        let source = format!(
            "host={} port={} user={USER} application_name={name}",
            primary.address.ip(),
            primary.address.port()
        );
        let copy = |folder: PathBuf| copy(folder, &source, &name, &primary.password);
        let replica =
            ports::until_bound(|port| Self::over(port, &primary.password, &primary.options, copy)).await?;
        if replication == Replication::Synchronous {
            self.wait_for_commits_of(&name).await?;
        }
        self.reach_state(&name, replication).await?;
        Ok(replica)
    }

    /// Makes this replica a primary of its own, and waits until it takes writes. What followed the old primary doesn't follow it.
    ///
    /// # Errors
    /// The server can't be reached or was no replica.
    pub async fn promote(&self) -> Result<()> {
        let client = database::connect(&self.url("postgres")).await?;
        let promoted: bool = client.query_one("SELECT pg_promote(true, 60)", &[]).await?.get(0);
        if !promoted {
            bail!("the replica was not promoted within a minute");
        }
        Ok(())
    }

    /// From now on commits wait for the first synchronous replica that is connected.
    async fn wait_for_commits_of(&self, name: &str) -> Result<()> {
        let names = {
            let mut synchronous = self.synchronous.lock().unwrap_or_else(PoisonError::into_inner);
            synchronous.push(name.to_owned());
            format!("FIRST 1 ({})", synchronous.join(", "))
        };
        self.set("synchronous_standby_names", &names).await
    }

    async fn reach_state(&self, name: &str, replication: Replication) -> Result<()> {
        let client = database::connect(&self.url("postgres")).await?;
        let query = "SELECT sync_state FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming' \
                     AND replay_lsn IS NOT NULL";
        let deadline = Instant::now() + PATIENCE;
        loop {
            let state: Option<String> = client.query_opt(query, &[&name]).await?.map(|row| row.get(0));
            let reached = state.as_deref().is_some_and(|state| match replication {
                Replication::Asynchronous => true,
                // The second of two synchronous ones waits for its turn.
                Replication::Synchronous => matches!(state, "sync" | "potential"),
            });
            if reached {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("the replica {name} doesn't stream: {state:?}");
            }
            tokio::time::sleep(GLANCE).await;
        }
    }
}

/// Copies the primary's data into `folder`, with the settings that make a standby of it.
async fn copy(folder: PathBuf, source: &str, slot: &str, password: &str) -> Result<()> {
    let options = ["--dbname", source, "--slot", slot, "--checkpoint", "fast", "--wal-method", "stream"];
    let options = [&options[..], &["--write-recovery-conf", "--no-sync", "--no-password"]].concat();
    tool(&folder, "pg_basebackup", &options, password).await?;
    forget_synchronous(&folder)
}

/// The copy also has the primary's own replicas in its settings. Promoted, it would wait for them for ever.
fn forget_synchronous(folder: &std::path::Path) -> Result<()> {
    let path = data(folder).join("postgresql.auto.conf");
    let settings = std::fs::read_to_string(&path).context("can't read the replica's settings")?;
    let kept = settings.lines().filter(|line| !line.starts_with("synchronous_standby_names"));
    let kept: String = kept.flat_map(|line| [line, "\n"]).collect();
    std::fs::write(&path, kept).context("can't write the replica's settings")
}
