//! What every row needs: the platform to start, data to start it over, limits to load.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ecs_bus::Event;
use ecs_domain::Timestamp;
use ecs_store::{Books as _, Ledger, Maintenance as _};
use ecs_store_sqlite::SqliteStore;
use ecs_vault::Keyring;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::args::{Answer, Over, Settings};
use crate::data::{self, DataFolder};
use crate::engines::Engines;
use crate::load::{self, Measured, Plan, Requests};
use crate::platform::{Launcher, Server};
use crate::population::Population;
use crate::{files, limits};

/// How long after the load a backlog may last before the run is given up; the goal is shorter.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// A run that was set up.
pub(crate) struct Bench {
    pub(crate) settings: Settings,
    pub(crate) launcher: Launcher,
    pub(crate) population: Population,
    pub(crate) runtime: Runtime,
    /// The servers of a run over real engines.
    engines: Option<Engines>,
    /// For the data of the run; gone with it.
    folder: TempDir,
}

/// A platform that was started for one row.
pub(crate) struct Running<'a> {
    bench: &'a Bench,
    pub(crate) server: Server,
    pub(crate) data: DataFolder,
}

impl Bench {
    pub(crate) fn prepare(settings: Settings, binary: PathBuf, place: &Path) -> anyhow::Result<Self> {
        let mut bench = Self {
            population: Population::new(settings.users, Timestamp::now()),
            settings,
            launcher: Launcher { binary, log: place.join("ecs.log") },
            runtime: tokio::runtime::Builder::new_multi_thread().enable_all().build()?,
            engines: None,
            folder: tempfile::tempdir_in(place).context("no folder for the data")?,
        };
        match bench.settings.over {
            Over::Embedded => {
                bench.runtime.block_on(data::lay_users(&bench.template("users"), &bench.population))?;
            }
            Over::Engines | Over::Transports => {
                let engines = Engines::start(&bench.population, bench.folder.path());
                bench.engines = Some(bench.runtime.block_on(engines)?);
            }
        }
        Ok(bench)
    }

    /// The servers of this run.
    pub(crate) fn engines(&self) -> anyhow::Result<&Engines> {
        self.engines.as_ref().context("this run has no servers")
    }

    /// The place of a store that others are copied from.
    pub(crate) fn template(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.sqlite"))
    }

    /// A new data folder with a copy of a template.
    pub(crate) fn data(&self, name: &str, template: &str) -> anyhow::Result<DataFolder> {
        DataFolder::new(self.folder.path().join(name), Some(&self.template(template)))
    }

    /// A new data folder with nothing in it.
    pub(crate) fn empty(&self, name: &str) -> anyhow::Result<DataFolder> {
        DataFolder::new(self.folder.path().join(name), None)
    }

    /// Starts the platform over a copy of a template.
    pub(crate) fn platform(&self, template: &str) -> anyhow::Result<Running<'_>> {
        let data = self.data("platform", template)?;
        Ok(Running { bench: self, server: self.launcher.start(&data)?, data })
    }

    /// Load on a row.
    pub(crate) fn plan(&self, connections: usize, measure: Duration) -> Plan {
        Plan { connections, warm_up: self.settings.warm_up(), measure, every: None }
    }

    /// The rate of an HTTP limit. A limit refuses nothing.
    pub(crate) fn http_limit<R: Requests>(
        &self,
        answer: Answer,
        connections: usize,
        requests: impl Fn(SocketAddr, u64) -> anyhow::Result<R>,
    ) -> anyhow::Result<Measured> {
        let server = Server::limit(answer)?;
        let plan = self.plan(connections, self.settings.limit());
        let measured = load::run(server.address, plan, |number| requests(server.address, number))?;
        anyhow::ensure!(measured.refused == 0, "the limit {} refused requests", answer.as_str());
        Ok(measured)
    }

    /// Takes an HTTP limit before and after some work: its rate is the mean, so that a machine that grows slower
    /// meanwhile strikes both alike.
    pub(crate) fn between<R: Requests, T>(
        &self,
        answer: Answer,
        connections: usize,
        requests: impl Fn(SocketAddr, u64) -> anyhow::Result<R>,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<(f64, T)> {
        let before = self.http_limit(answer, connections, &requests)?.rate;
        let done = work()?;
        let after = self.http_limit(answer, connections, &requests)?.rate;
        Ok((f64::midpoint(before, after), done))
    }

    /// The limit of the bus's writer at this batch size.
    pub(crate) fn append(&self, batch: usize) -> anyhow::Result<f64> {
        let events = (0..self.prepared()).map(|n| self.population.event(n));
        self.append_these(&events.collect::<anyhow::Result<Vec<_>>>()?, batch)
    }

    /// The same with these events.
    pub(crate) fn append_these(&self, events: &[Event], batch: usize) -> anyhow::Result<f64> {
        let data = self.empty("append")?;
        limits::bus::append(&data.bus(), events, batch, self.settings.limit())
    }

    /// Events that are made beforehand and appended over and over: making them is not what is measured.
    pub(crate) fn prepared(&self) -> u64 {
        self.settings.events.min(50_000)
    }

    /// The limit of the fold at this batch size.
    pub(crate) fn fold(&self, batch: usize) -> anyhow::Result<f64> {
        let data = self.data("fold", "users")?;
        limits::fold::fold(&data.store(), &self.population, self.settings.events, batch as u64)
    }
}

impl Running<'_> {
    pub(crate) fn load<R: Requests>(
        &self,
        plan: Plan,
        requests: impl Fn(SocketAddr, u64) -> anyhow::Result<R>,
    ) -> anyhow::Result<Measured> {
        load::run(self.server.address, plan, |number| requests(self.server.address, number))
    }

    /// Waits until so many events of a ledger are counted. Returns how long that took.
    pub(crate) fn await_counted(&self, ledger: Ledger, accepted: u64) -> anyhow::Result<Duration> {
        let started = Instant::now();
        loop {
            let counted = files::counted(&self.data.store(), ledger)?;
            if counted >= accepted {
                return Ok(started.elapsed());
            }
            anyhow::ensure!(
                started.elapsed() < PATIENCE,
                "{accepted} events were accepted, {counted} are counted"
            );
            std::thread::sleep(LOOK);
        }
    }

    /// Stops the platform and checks its books: what was accepted is counted, nothing else is, and nothing was given
    /// up. A run whose books are off is no run.
    pub(crate) fn finish(self, ledger: Ledger, accepted: u64) -> anyhow::Result<()> {
        let Self { bench, server, data } = self;
        server.stop()?;
        let totals = bench.runtime.block_on(async {
            let store =
                SqliteStore::open(data.store(), Keyring::in_memory(), ecs_store_sqlite::Options::default())?;
            let totals = store.ledger_totals(ledger).await?;
            store.close().await?;
            anyhow::Ok(totals)
        })?;
        let balanced =
            totals.in_aggregates == accepted && totals.named == accepted && totals.dead_lettered == 0;
        anyhow::ensure!(balanced, "{accepted} events were accepted, the store has {totals:?}");
        Ok(())
    }
}
