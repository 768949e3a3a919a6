//! One round: every limit and every row once, taking turns, so that a slow minute of the machine strikes them alike.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ecs_client::Percentiles;
use ecs_store::{Books as _, Ledger, Maintenance as _};
use ecs_store_sqlite::SqliteStore;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::args::{Answer, Scale};
use crate::files;
use crate::limits::{Limits, bus, fold};
use crate::load::{self, Emotions, Lines, Measured, Plan, Transactions};
use crate::platform::{self, DataFolder, INTERNAL_KEY, Server};
use crate::population::Population;
use crate::process;
use crate::report;

/// As many connections as the goal names.
pub(crate) const CONNECTIONS: usize = 256;
/// Uploads of JSON lines at the same time.
const UPLOADS: usize = 4;
/// How long after the load a backlog may last before the round is given up; the goal is shorter.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

/// Everything that a round needs.
pub(crate) struct Setting {
    pub(crate) scale: Scale,
    pub(crate) binary: PathBuf,
    /// For the data of the run; gone with it.
    pub(crate) folder: TempDir,
    pub(crate) population: Population,
    pub(crate) runtime: Runtime,
}

/// What a round found.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    pub(crate) bare: f64,
    /// The generator's share of a core while it loaded the bare handler.
    pub(crate) generator_cores: f64,
    pub(crate) limits: Limits,
    pub(crate) emotions: Steady,
    pub(crate) transactions: f64,
    pub(crate) lines: f64,
    pub(crate) drain: f64,
    pub(crate) fsync_per_second: f64,
}

/// The durable POST under steady load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steady {
    pub(crate) rate: f64,
    pub(crate) latencies: Percentiles,
    /// Seconds from the end of the load until every accepted event was in the summary.
    pub(crate) backlog: f64,
    /// Events per commit of the bus and per fold of the store.
    pub(crate) append_batch: f64,
    pub(crate) fold_batch: f64,
    /// The platform's processor time per event, in microseconds.
    pub(crate) cpu_micros: f64,
    pub(crate) memory: process::Memory,
    pub(crate) refused: u64,
}

impl Setting {
    pub(crate) fn round(&self, number: usize) -> anyhow::Result<Round> {
        let (bare, generator_cores) = self.http_limit(Answer::Bare)?;
        let before = self.http_limit(Answer::Parse)?.0;
        let folder = self.folder.path().join(format!("round-{number}"));
        let (emotions, transactions, lines) = self.loaded(&folder)?;
        let after = self.http_limit(Answer::Parse)?.0;
        let (population, scratch) = (&self.population, self.folder.path());
        let append = bus::append(scratch, population, batch_size(emotions.append_batch), self.scale.short)?;
        let append_full = bus::append(scratch, population, CONNECTIONS, self.scale.short)?;
        let fsync_per_second = bus::append(scratch, population, 1, self.scale.short / 4)?;
        let reached = batch_size(emotions.fold_batch) as u64;
        let fold = self.fold(&folder.join("raw"), reached)?;
        let fold_full = self.fold(&folder.join("raw-full"), fold::FULL_BATCH)?;
        let drain = self.drain(&folder.join("drain"))?;
        let consume = self.consume(&folder.join("consume"))?;
        std::fs::remove_dir_all(&folder).context("removing a round's data")?;
        let limits =
            Limits { parse: f64::midpoint(before, after), append, append_full, consume, fold, fold_full };
        Ok(Round { bare, generator_cores, limits, emotions, transactions, lines, drain, fsync_per_second })
    }

    fn plan(&self, connections: usize, measure: Duration) -> Plan {
        Plan { connections, warm_up: self.scale.warm_up, measure }
    }

    /// Rate of a limit, and the generator's share of a core.
    fn http_limit(&self, answer: Answer) -> anyhow::Result<(f64, f64)> {
        let server = Server::limit(answer)?;
        let measured = load::run(server.address, self.plan(CONNECTIONS, self.scale.short), |connection| {
            Emotions::new(&self.population, server.address, INTERNAL_KEY, 0, connection)
        })?;
        anyhow::ensure!(measured.refused == 0, "the {} limit refused requests", answer.as_str());
        Ok((measured.rate, measured.generator_cores))
    }

    /// The durable POST alone.
    pub(crate) fn only_steady(&self) -> anyhow::Result<Steady> {
        let data = DataFolder::new(self.folder.path().join("steady"));
        self.runtime.block_on(platform::prepare(&data, self.population.users()))?;
        let server = Server::platform(&self.binary, &data)?;
        report::progress(&format!("the platform is process {}", server.pid()));
        let (steady, accepted) = self.steady(&server, &data)?;
        server.stop()?;
        self.check_books(&data, accepted)?;
        Ok(steady)
    }

    /// The platform under load: the goal's row, then the routes that have none.
    fn loaded(&self, folder: &Path) -> anyhow::Result<(Steady, f64, f64)> {
        let data = DataFolder::new(folder.join("platform"));
        self.runtime.block_on(platform::prepare(&data, self.population.users()))?;
        let server = Server::platform(&self.binary, &data)?;
        let (steady, accepted) = self.steady(&server, &data)?;
        report::progress(&format!("{steady:?}"));
        let transactions = self.transactions(&server)?;
        let lines = self.lines(&server)?;
        await_counted(&data, accepted + lines.accepted)?;
        server.stop()?;
        self.check_books(&data, accepted + lines.accepted)?;
        Ok((steady, transactions, lines.rate))
    }

    fn steady(&self, server: &Server, data: &DataFolder) -> anyhow::Result<(Steady, u64)> {
        let who = server.pid().to_string();
        let cpu = process::cpu_seconds(&who)?;
        let measured = load::run(server.address, self.plan(CONNECTIONS, self.scale.steady), |connection| {
            Emotions::new(&self.population, server.address, INTERNAL_KEY, 1, connection)
        })?;
        let backlog = await_counted(data, measured.accepted)?;
        let cpu = process::cpu_seconds(&who)? - cpu;
        let Measured { rate, accepted, refused, latencies, .. } = measured;
        let steady = Steady {
            rate,
            latencies: latencies.percentiles(),
            backlog: backlog.as_secs_f64(),
            append_batch: files::append_batch(&data.bus())?,
            fold_batch: files::fold_batch(&data.store())?,
            cpu_micros: cpu * 1e6 / load::as_f64(accepted.max(1)),
            memory: process::memory(server.pid())?,
            refused,
        };
        Ok((steady, accepted))
    }

    fn transactions(&self, server: &Server) -> anyhow::Result<f64> {
        let users = self.population.users();
        let measured = load::run(server.address, self.plan(CONNECTIONS, self.scale.short), |connection| {
            let user = *users.get(usize::try_from(connection)?).context("fewer users than connections")?;
            Transactions::new(user, &platform::token(user)?, server.address, 2, connection)
        })?;
        anyhow::ensure!(measured.refused == 0, "{} transactions were refused", measured.refused);
        Ok(measured.rate)
    }

    fn lines(&self, server: &Server) -> anyhow::Result<Measured> {
        load::run(server.address, self.plan(UPLOADS, self.scale.short), |connection| {
            Lines::new(&self.population, server.address, INTERNAL_KEY, 3, connection)
        })
    }

    /// After the stop: what was accepted is counted, nothing else is, and nothing was given up.
    fn check_books(&self, data: &DataFolder, accepted: u64) -> anyhow::Result<()> {
        let totals = self.runtime.block_on(async {
            let store = SqliteStore::open(data.store(), ecs_store_sqlite::Options::default())?;
            let totals = store.ledger_totals(Ledger::Emotions).await?;
            store.close().await?;
            anyhow::Ok(totals)
        })?;
        let balanced =
            totals.in_aggregates == accepted && totals.named == accepted && totals.dead_lettered == 0;
        anyhow::ensure!(balanced, "{accepted} events were accepted, the store has {totals:?}");
        Ok(())
    }

    fn fold(&self, folder: &Path, batch: u64) -> anyhow::Result<f64> {
        let data = DataFolder::new(folder.to_owned());
        self.runtime.block_on(platform::prepare(&data, self.population.users()))?;
        fold::fold(&data.store(), &self.population, self.scale.events, batch)
    }

    fn drain(&self, folder: &Path) -> anyhow::Result<f64> {
        let data = DataFolder::new(folder.to_owned());
        self.runtime.block_on(async {
            let store = platform::store_with(&data.store(), self.population.users()).await?;
            let bus = bus::prefill(&data.bus(), &self.population, self.scale.events).await?;
            crate::drain::drain(Arc::new(bus), Arc::new(store), self.scale.events).await
        })
    }

    fn consume(&self, folder: &Path) -> anyhow::Result<f64> {
        std::fs::create_dir_all(folder)?;
        let path: PathBuf = folder.join("bus.sqlite");
        self.runtime.block_on(async {
            use ecs_bus::Bus as _;
            let bus = bus::prefill(&path, &self.population, self.scale.events).await?;
            let rate = bus::consume(&bus, self.scale.events).await?;
            bus.close().await?;
            Ok(rate)
        })
    }
}

/// Waits until so many events are in the summary, and returns how long that took.
fn await_counted(data: &DataFolder, accepted: u64) -> anyhow::Result<Duration> {
    let started = Instant::now();
    loop {
        let counted = files::counted(&data.store())?;
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

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of some hundreds")]
fn batch_size(mean: f64) -> usize {
    mean.round().max(1.0) as usize
}
