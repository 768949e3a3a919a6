//! Bus to PostgreSQL: a backlog through the real role emotion-processing, over tables of several sizes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ecs_bus::{Bus, Subject};
use ecs_bus_nats::NatsBus;
use ecs_cache::Cache;
use ecs_cache_redis::RedisBackend;
use ecs_domain::consent::ConsentRule;
use ecs_domain::{Timestamp, utc_day};
use ecs_emotion_processing::{Deps, EmotionProcessing, Rules};
use ecs_metrics::Metrics;
use ecs_servers::{Redis, RedisOptions};
use ecs_store::Maintenance as _;
use ecs_store_postgres::{Options, PostgresStore};
use ecs_work::{Supervisor, retention};

use super::{Goal, Group, Measure, Row, Unit, Values, batch_size};
use crate::bench::Bench;
use crate::data::stress_threshold;
use crate::engines::{self, SUMMED};
use crate::limits::nats::{Prepared, Raw};
use crate::limits::{per_second, postgres};
use crate::platform::SystemClock;
use crate::population::Population;
use crate::settings::{Mode, Settings};

/// How often is looked whether the backlog is empty.
const LOOK: Duration = Duration::from_millis(10);
const DRAIN: Duration = Duration::from_secs(10);

/// How many users the tables have, and how rows call that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size(u32, &'static str);

const SMALL: Size = Size(1_000, "1e3");
const MIDDLE: Size = Size(100_000, "1e5");
/// Takes minutes to fill, so it must be asked for.
const LARGE: Size = Size(10_000_000, "1e7");

/// The sizes that are measured. `words` are those that choose rows.
pub(super) fn sizes(settings: &Settings, words: &[String]) -> Vec<Size> {
    let named = words.iter().any(|word| word.contains(LARGE.1));
    match settings.mode {
        Mode::Smoke => vec![SMALL],
        Mode::Default | Mode::Quick if !named => vec![SMALL, MIDDLE],
        Mode::Long | Mode::Default | Mode::Quick => vec![SMALL, MIDDLE, LARGE],
    }
}

/// The row of one size.
pub(super) fn group(size: Size) -> Group {
    let Size(users, called) = size;
    let row = format!("backlog.{called}");
    let name = format!("bus → PostgreSQL, from a backlog, {called} users");
    let part = |suffix: &str, what: &str| {
        Measure::new(format!("{row}.{suffix}"), format!("{what}, {called} users"), Unit::PerSecond)
    };
    let parts = [format!("{row}.consume"), format!("{row}.statement")];
    let measures = vec![
        Measure::new(&row, &name, Unit::PerSecond),
        part("statement", "bare statement of the fold, two writers, batches as reached"),
        part("statement.one", "bare statement of the fold, one writer, batches as reached"),
        part("consume", "consume of NATS, pulled and acknowledged"),
        Measure::composed(
            format!("{row}.composed"),
            format!("consume of NATS and bare statement, two writers, {called} users"),
            &parts.each_ref().map(String::as_str),
        ),
        Measure::new(
            format!("{row}.fold"),
            format!("events per fold from a backlog, {called} users"),
            Unit::Count,
        ),
    ];
    let rows = vec![
        Row::of(&row, &format!("{row}.statement")).with(Goal::FractionAtLeast(0.7)),
        Row::of(&row, &format!("{row}.statement.one")),
        Row::of(&row, &format!("{row}.composed")),
    ];
    let take =
        move |bench: &Bench, values: &mut Values| bench.runtime.block_on(take(bench, users, &row, values));
    Group { name, measures, rows, take: Box::new(take) }
}

async fn take(bench: &Bench, users: u32, row: &str, values: &mut Values) -> anyhow::Result<()> {
    let (engines, count) = (bench.engines()?, bench.settings.events);
    // One day: every event meets an aggregate that is there.
    let population = Population::of_days(users, 1, Timestamp::now());
    let url = filled(bench, &population, users).await?;
    let database = Database { url, engines };
    let nats = engines.nats().await?;
    let messages =
        (0..count).map(|n| Ok(Prepared::of(&population.event(n)?))).collect::<anyhow::Result<Vec<_>>>()?;
    let mut raw = Raw::open(nats.url()).await?;
    raw.lay(&messages).await?;
    drop(messages);
    let consume = raw.consume(count).await?;

    database.empty().await?;
    let rate = drain(nats.url(), &database.url, count).await?;
    let fold = database.folded(count).await?;
    // Other events each time: who comes second must not find those of the first.
    let mut statements = [0.0; 2];
    for ((statement, writers), start) in statements.iter_mut().zip([postgres::WRITERS, 1]).zip(1..) {
        database.empty().await?;
        let events = start * count..(start + 1) * count;
        *statement = postgres::fold(&database.url, &population, events, batch_size(fold), writers).await?;
    }
    let [statement, one] = statements;
    let readings = [
        (row.to_owned(), rate),
        (format!("{row}.statement"), statement),
        (format!("{row}.statement.one"), one),
        (format!("{row}.consume"), consume),
        (format!("{row}.fold"), fold),
    ];
    values.extend(readings);
    Ok(())
}

/// The database of a size, which is filled by the first round that needs it.
async fn filled(bench: &Bench, population: &Population, users: u32) -> anyhow::Result<String> {
    let days = [utc_day(Timestamp::now())];
    bench.engines()?.filled(&format!("users_{users}"), population, &days).await
}

struct Database<'a> {
    url: String,
    engines: &'a engines::Engines,
}

impl Database<'_> {
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

/// Drains the `count` events that wait on the bus. Fails unless each of them was added to an aggregate exactly once.
async fn drain(nats: &str, database: &str, count: u64) -> anyhow::Result<f64> {
    let client = engines::connect(database).await?;
    let summed = async || anyhow::Ok(client.query_one(SUMMED, &[]).await?.get::<_, i64>(0));
    let before = summed().await?;
    let redis = Redis::start(RedisOptions::default()).await?;
    let backend = RedisBackend::open(ecs_cache_redis::Options::new(redis.url()))?;
    let bus = Arc::new(NatsBus::open(ecs_bus_nats::Options::new(nats)).await?);
    let store = Arc::new(PostgresStore::open(Options::new(database)).await?);
    let supervisor = Supervisor::new();
    let role = EmotionProcessing::create(Deps {
        bus: Arc::clone(&bus) as _,
        store: Arc::clone(&store) as _,
        cache: Cache::over(Arc::new(backend)),
        clock: Arc::new(SystemClock),
        rules: Rules { consent: ConsentRule::Required, stress: stress_threshold()? },
        raw_retention_days: retention::RAW_DAYS,
        bus_retention: retention::EMOTIONS_ON_BUS,
        delivery_limit: ecs_bus::DEFAULT_DELIVERY_LIMIT,
        metrics: Metrics::new(),
    });
    let subject = Subject::Emotions;
    let started = Instant::now();
    role.start(&supervisor);
    // A group that nobody has joined yet has nothing pending.
    let mut joined = false;
    loop {
        let pending = bus.backlog(subject, subject.group()).await?.pending;
        joined |= pending > 0;
        if joined && pending == 0 {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let rate = per_second(count, started.elapsed());
    supervisor.drain(DRAIN).await;
    bus.close().await?;
    store.close().await?;
    let counted = summed().await? - before;
    anyhow::ensure!(u64::try_from(counted)? == count, "{count} events were drained and {counted} counted");
    Ok(rate)
}
