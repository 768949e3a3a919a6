//! A backlog on a transport through the real role emotion-processing into PostgreSQL.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ecs_bus::{Bus, Subject};
use ecs_domain::consent::ConsentRule;
use ecs_domain::{Timestamp, utc_day};
use ecs_emotion_processing::{Deps, EmotionProcessing, Rules};
use ecs_metrics::Metrics;
use ecs_store::Maintenance as _;
use ecs_store_postgres::{Options, PostgresStore};
use ecs_vault::Keyring;
use ecs_work::{MeteredBus, Supervisor, retention};

use super::batch_size;
use crate::bench::{Bench, PATIENCE};
use crate::data::stress_threshold;
use crate::engines::{self, Broker, Engines, SUMMED};
use crate::limits::{per_second, postgres};
use crate::platform::SystemClock;
use crate::population::Population;

/// How often is looked whether the backlog is empty.
const LOOK: Duration = Duration::from_millis(10);
const DRAIN: Duration = Duration::from_secs(10);

/// Tables whose users each have an aggregate of the day.
pub(super) struct Tables<'a> {
    engines: &'a Engines,
    population: Population,
    url: String,
}

/// How a backlog was drained.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drained {
    /// From the start of the role until everything was acknowledged.
    pub(super) whole: Duration,
    /// From the start of the role until the first events were handed to it.
    pub(super) joining: Duration,
    /// Events per second from then on. The first ones don't count, unless they are all.
    pub(super) rate: f64,
    /// Events per fold, on average.
    pub(super) fold: f64,
}

impl<'a> Tables<'a> {
    /// The tables for so many users, which are filled by the first round that needs them.
    pub(super) async fn filled(bench: &'a Bench, users: u32) -> anyhow::Result<Self> {
        let engines = bench.engines()?;
        // One day: every event meets an aggregate that is there.
        let population = Population::of_days(users, 1, Timestamp::now());
        let days = [utc_day(Timestamp::now())];
        let url = engines.filled(&format!("users_{users}"), &population, &days).await?;
        Ok(Self { engines, population, url })
    }

    /// Lays a backlog of so many events. Returns the rate at which the plain client library takes it and acknowledges it, in a group of
    /// its own.
    pub(super) async fn lay(&self, broker: &Broker, count: u64) -> anyhow::Result<f64> {
        let mut raw = broker.raw().await?;
        raw.prepare(&self.population.events(count)?);
        raw.lay().await?;
        raw.consume().await
    }

    /// Drains the backlog that was laid. Fails unless each event of it was added to an aggregate and left its row exactly once.
    pub(super) async fn drain(&self, broker: &Broker, count: u64) -> anyhow::Result<Drained> {
        self.empty().await?;
        let client = engines::connect(&self.url).await?;
        let summed = async || anyhow::Ok(client.query_one(SUMMED, &[]).await?.get::<_, i64>(0));
        let before = summed().await?;
        let drained = drain(broker.bus().await?, &self.url, count).await?;
        let counted = summed().await? - before;
        anyhow::ensure!(
            u64::try_from(counted)? == count,
            "{count} events were drained and {counted} counted"
        );
        Ok(Drained { fold: self.folded(count).await?, ..drained })
    }

    /// The rate of the bare statement over these tables. Another `turn` has other events: who comes second must not find those of the
    /// first.
    pub(super) async fn statement(
        &self,
        turn: u64,
        count: u64,
        fold: f64,
        writers: usize,
    ) -> anyhow::Result<f64> {
        self.empty().await?;
        let events = turn * count..(turn + 1) * count;
        postgres::fold(&self.url, &self.population, events, batch_size(fold), writers).await
    }

    /// Takes the raw rows away, and lets nothing be written late.
    async fn empty(&self) -> anyhow::Result<()> {
        let client = engines::connect(&self.url).await?;
        client.batch_execute("TRUNCATE emotional_events, emotion_inbox").await?;
        client.batch_execute("VACUUM ANALYZE emotional_events_summary").await?;
        self.engines.settle().await
    }

    /// Events per fold. Fails unless every event of the backlog left its row.
    async fn folded(&self, count: u64) -> anyhow::Result<f64> {
        let sql = "SELECT count(*), coalesce(count(*)::float8 / nullif(count(DISTINCT arrived_at), 0), 1)
             FROM emotional_events";
        let row = engines::connect(&self.url).await?.query_one(sql, &[]).await?;
        let rows = u64::try_from(row.get::<_, i64>(0))?;
        anyhow::ensure!(rows == count, "{count} events were drained and {rows} have rows");
        Ok(row.get(1))
    }
}

/// Runs the role until the `count` events that wait on the bus are acknowledged. The size of its folds is not looked at.
async fn drain(bus: Arc<dyn Bus>, database: &str, count: u64) -> anyhow::Result<Drained> {
    let store = Arc::new(PostgresStore::open(Options::new(database), Keyring::in_memory()).await?);
    let (supervisor, metrics) = (Supervisor::new(), Metrics::new());
    let bus: Arc<dyn Bus> = Arc::new(MeteredBus::new(bus, &metrics));
    let role = EmotionProcessing::create(Deps {
        bus: Arc::clone(&bus),
        store: Arc::clone(&store) as _,
        clock: Arc::new(SystemClock),
        rules: Rules { consent: ConsentRule::Required, stress: stress_threshold()? },
        raw_retention_days: retention::RAW_DAYS,
        bus_retention: retention::EMOTIONS_ON_BUS,
        delivery_limit: ecs_bus::DEFAULT_DELIVERY_LIMIT,
        metrics: metrics.clone(),
    });
    let started = Instant::now();
    role.start(&supervisor);
    until(started, async || Ok(delivered(&metrics)? > 0)).await?;
    let (first, joining) = (delivered(&metrics)?, started.elapsed());
    // To ask a transport how far a group is costs it something, so it is asked only when it has handed out everything.
    until(started, async || Ok(delivered(&metrics)? >= count)).await?;
    let subject = Subject::Emotions;
    until(started, async || Ok(bus.backlog(subject, subject.group()).await?.pending == 0)).await?;
    let whole = started.elapsed();
    supervisor.drain(DRAIN).await;
    bus.close().await?;
    store.close().await?;
    let rate = match count.saturating_sub(first) {
        0 => per_second(count, whole),
        later => per_second(later, whole.saturating_sub(joining)),
    };
    Ok(Drained { whole, joining, rate, fold: 1.0 })
}

async fn until(started: Instant, mut done: impl AsyncFnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    while !done().await? {
        anyhow::ensure!(started.elapsed() < PATIENCE, "a backlog was not drained within {PATIENCE:?}");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// How many events the role was handed.
fn delivered(metrics: &Metrics) -> anyhow::Result<u64> {
    let text = metrics.render();
    let line = text.lines().find(|line| {
        line.starts_with("ecs_bus_delivered_total{") && line.contains(Subject::Emotions.as_str())
    });
    let Some(line) = line else { return Ok(0) };
    Ok(line.rsplit(' ').next().context("a metric without a value")?.parse()?)
}
