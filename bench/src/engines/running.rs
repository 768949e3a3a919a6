//! A platform over the real engines, in one process or in one per role, and the check of its books.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ecs_store::decision_log::DecisionLog as _;
use ecs_store::{Books as _, Ledger, Maintenance as _};
use ecs_store_postgres::{Options, PostgresStore};
use ecs_vault::Keyring;

use super::{SUMMED, Site, Transport, connect};
use crate::bench::{Bench, LOOK, PATIENCE};
use crate::load::{self, Measured, Plan, Requests};
use crate::platform::Server;

/// Events per second that the platform is asked to bear while others want answers.
pub(crate) const RATED: u32 = 5_000;

/// Every role, and the setting that names where it is called, if it is called.
pub(crate) const ROLES: [(&str, Option<&str>); 10] = [
    ("emotion-ingestion", Some("EMOTION_SERVICE_URL")),
    ("transaction-ingestion", Some("TRANSACTION_SERVICE_URL")),
    ("emotion-processing", None),
    ("transaction-processing", None),
    ("user-and-credit", Some("USER_CREDIT_SERVICE_URL")),
    ("credit-analysis", Some("CREDIT_ANALYSIS_SERVICE_URL")),
    ("credit-application", None),
    ("notification", Some("NOTIFICATION_SERVICE_URL")),
    ("operations", Some("OPERATIONS_SERVICE_URL")),
    ("api-gateway", None),
];

/// A platform in one process, started for one row.
pub(crate) struct Running<'a> {
    bench: &'a Bench,
    pub(crate) server: Server,
    pub(crate) site: Site,
}

/// A platform of one process per role, in the order of [`ROLES`].
pub(crate) struct Deployment<'a> {
    bench: &'a Bench,
    servers: Vec<Server>,
    site: Site,
}

/// Events per batch, on average.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    /// Of what was published together.
    pub(crate) published: f64,
    /// Of what was folded together.
    pub(crate) folded: f64,
}

impl<'a> Running<'a> {
    /// Starts all roles in one process over servers of their own.
    pub(crate) fn start(bench: &'a Bench, transport: Transport) -> anyhow::Result<Self> {
        Self::over(bench, bench.runtime.block_on(bench.engines()?.site(transport))?)
    }

    /// The same over servers that somebody has set up.
    pub(crate) fn over(bench: &'a Bench, site: Site) -> anyhow::Result<Self> {
        let mut server = bench.launcher.start_at(free()?, &[], &site.settings())?;
        server.is_ready()?;
        Ok(Self { bench, server, site })
    }

    pub(crate) fn load<R: Requests>(
        &self,
        plan: Plan,
        requests: impl Fn(SocketAddr, u64) -> anyhow::Result<R>,
    ) -> anyhow::Result<Measured> {
        load::run(self.server.address, plan, |number| requests(self.server.address, number))
    }

    /// Waits until so many emotion events are in their aggregates. Returns how long that took.
    pub(crate) fn await_counted(&self, accepted: u64) -> anyhow::Result<Duration> {
        await_counted(self.bench, &self.site, accepted)
    }

    /// How large the batches were.
    pub(crate) fn batches(&self) -> anyhow::Result<Counted> {
        let metrics = self.server.metrics()?;
        let published = mean(&metrics, "ecs_bus_batch_events", "user.emotions.topic", "published")?;
        Ok(Counted { published, folded: self.bench.runtime.block_on(folded(&self.site.database.url))? })
    }

    /// Stops the platform and checks its books: every accepted event is counted once, and nothing else is but what was `refused`
    /// without anybody knowing whether it is durable.
    pub(crate) fn finish(self, accepted: u64, refused: u64) -> anyhow::Result<()> {
        let Self { bench, server, site } = self;
        server.stop()?;
        balance(bench, site, accepted, refused)
    }
}

/// What decisions of a row tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decided {
    pub(crate) decisions: u64,
    /// On average.
    pub(crate) per_commit: f64,
}

impl Running<'_> {
    /// The decisions that were made. Those of a transaction have its number in common.
    pub(crate) fn decided(&self) -> anyhow::Result<Decided> {
        let sql =
            "SELECT count(*), count(*)::float8 / greatest(count(DISTINCT xmin::text), 1) FROM decisions";
        self.bench.runtime.block_on(async {
            let row = connect(&self.site.database.url).await?.query_one(sql, &[]).await?;
            Ok(Decided { decisions: u64::try_from(row.get::<_, i64>(0))?, per_commit: row.get(1) })
        })
    }

    /// Stops the platform and checks the books of decisions: each has its entry in the log, and no offer is without one.
    pub(crate) fn finish_decisions(self) -> anyhow::Result<()> {
        let Self { bench, server, site } = self;
        server.stop()?;
        bench.runtime.block_on(async {
            let store = PostgresStore::open(Options::new(&site.database.url), Keyring::in_memory()).await?;
            let totals = store.decision_totals().await?;
            store.close().await?;
            anyhow::ensure!(
                totals.unlogged == 0 && totals.undecided == 0,
                "the books of decisions are off: {totals:?}"
            );
            bench.engines()?.drop(site.database).await
        })
    }
}

impl<'a> Deployment<'a> {
    /// Starts a process for each role over NATS, and waits until all of them are ready.
    pub(crate) fn start(bench: &'a Bench) -> anyhow::Result<Self> {
        let site = bench.runtime.block_on(bench.engines()?.site(Transport::Nats))?;
        let places = ROLES.map(|(role, setting)| free().map(|address| (role, setting, address)));
        let places = places.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        let named = places.iter().filter_map(|(_, setting, at)| Some(((*setting)?, format!("http://{at}"))));
        let settings: Vec<_> = site.settings().into_iter().chain(named).collect();
        let start = |(role, _, address): &(&str, _, SocketAddr)| {
            bench.launcher.start_at(*address, &[*role], &settings)
        };
        let mut servers = places.iter().map(start).collect::<anyhow::Result<Vec<_>>>()?;
        servers.iter_mut().try_for_each(Server::is_ready)?;
        Ok(Self { bench, servers, site })
    }

    /// The processes with their roles.
    pub(crate) fn servers(&self) -> impl Iterator<Item = (&'static str, &Server)> {
        ROLES.into_iter().map(|(role, _)| role).zip(&self.servers)
    }

    /// Where customers and partners call.
    pub(crate) fn gateway(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.servers.last().context("no process")?.address)
    }

    pub(crate) fn await_counted(&self, accepted: u64) -> anyhow::Result<Duration> {
        await_counted(self.bench, &self.site, accepted)
    }

    /// As [`Running::finish`]. The gateway goes first.
    pub(crate) fn finish(self, accepted: u64) -> anyhow::Result<()> {
        let Self { bench, servers, site } = self;
        servers.into_iter().rev().try_for_each(Server::stop)?;
        balance(bench, site, accepted, 0)
    }
}

fn free() -> anyhow::Result<SocketAddr> {
    Ok(([127, 0, 0, 1], ecs_servers::free_port()?).into())
}

fn await_counted(bench: &Bench, site: &Site, accepted: u64) -> anyhow::Result<Duration> {
    let started = Instant::now();
    bench.runtime.block_on(async {
        let client = connect(&site.database.url).await?;
        loop {
            let counted: i64 = client.query_one(SUMMED, &[]).await?.get(0);
            if u64::try_from(counted)? >= accepted {
                return Ok(started.elapsed());
            }
            anyhow::ensure!(
                started.elapsed() < PATIENCE,
                "{accepted} events were accepted, {counted} are counted"
            );
            tokio::time::sleep(LOOK).await;
        }
    })
}

/// A run whose books are off is no run.
fn balance(bench: &Bench, site: Site, accepted: u64, refused: u64) -> anyhow::Result<()> {
    bench.runtime.block_on(async {
        let store = PostgresStore::open(Options::new(&site.database.url), Keyring::in_memory()).await?;
        let totals = store.ledger_totals(Ledger::Emotions).await?;
        store.close().await?;
        let balanced = (accepted..=accepted + refused).contains(&totals.in_aggregates)
            && totals.named == totals.in_aggregates
            && totals.discarded == 0
            && totals.dead_lettered == 0;
        anyhow::ensure!(
            balanced,
            "{accepted} events were accepted and {refused} refused, the store has {totals:?}"
        );
        bench.engines()?.drop(site.database).await
    })
}

/// Events per fold. The events of a fold have its time of arrival in common.
async fn folded(url: &str) -> anyhow::Result<f64> {
    let sql =
        "SELECT coalesce(count(*)::float8 / nullif(count(DISTINCT arrived_at), 0), 1) FROM emotional_events";
    Ok(connect(url).await?.query_one(sql, &[]).await?.get(0))
}

/// What a histogram's observations were on average.
pub(crate) fn mean(metrics: &str, family: &str, subject: &str, stage: &str) -> anyhow::Result<f64> {
    let (subject, stage) = (format!("subject=\"{subject}\""), format!("stage=\"{stage}\""));
    let read = |suffix: &str| {
        let name = format!("{family}_{suffix}{{");
        let line = metrics
            .lines()
            .find(|line| line.starts_with(&name) && line.contains(&subject) && line.contains(&stage));
        let value = line.and_then(|line| line.rsplit(' ').next()).context("the metrics don't say it")?;
        anyhow::Ok(value.parse::<f64>()?)
    };
    Ok(read("sum")? / read("count")?.max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_is_read_from_the_metrics() {
        let text = "# TYPE x histogram\n\
            x_sum{subject=\"a\",stage=\"published\"} 90.0\n\
            x_count{subject=\"a\",stage=\"published\"} 3\n\
            x_sum{subject=\"b\",stage=\"published\"} 8.0\n\
            x_count{subject=\"b\",stage=\"published\"} 4\n";
        let check = |subject: &str, stage: &str, expect: Option<f64>| {
            assert_eq!(mean(text, "x", subject, stage).ok(), expect, "{subject} {stage}");
        };
        check("a", "published", Some(30.0));
        check("b", "published", Some(2.0));
        check("a", "delivered", None);
    }
}
