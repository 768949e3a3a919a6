//! Bus to summary: a backlog through the real role emotion-processing, into a real store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ecs_bus::{Bus, Subject};
use ecs_bus_embedded::EmbeddedBus;
use ecs_domain::consent::ConsentRule;
use ecs_emotion_processing::{Deps, EmotionProcessing, Rules};
use ecs_store::{Books as _, Ledger, Maintenance as _};
use ecs_store_sqlite::SqliteStore;
use ecs_vault::Keyring;
use ecs_work::{Supervisor, retention};

use super::{Goal, Group, Measure, Row, Unit, Values};
use crate::bench::Bench;
use crate::data::stress_threshold;
use crate::limits::fold::FULL_BATCH;
use crate::limits::{bus, per_second};
use crate::platform::SystemClock;

/// The row and its limit, and what it costs to take events from the bus and do nothing with them.
pub(super) fn group() -> Group {
    Group {
        name: "backlog".to_owned(),
        measures: vec![
            Measure::new("backlog", "bus → summary, from a backlog", Unit::PerSecond),
            Measure::new("backlog.fold", "batch SQL of the fold, 20,000 at once", Unit::PerSecond),
        ],
        rows: vec![Row::of("backlog", "backlog.fold").with(Goal::FractionAtLeast(0.7))],
        take: Box::new(take),
    }
}

/// A limit that several composed ones need.
pub(super) fn consume_group() -> Group {
    Group {
        name: "consume".to_owned(),
        measures: vec![Measure::new("consume", "consume of the bus", Unit::PerSecond)],
        rows: Vec::new(),
        take: Box::new(take_consume),
    }
}

fn take(bench: &Bench, values: &mut Values) -> anyhow::Result<()> {
    let data = bench.data("backlog", "users")?;
    let rate = bench.runtime.block_on(async {
        let store =
            SqliteStore::open(data.store(), Keyring::in_memory(), ecs_store_sqlite::Options::default())?;
        let bus = bus::prefill(&data.bus(), &bench.population, bench.settings.events).await?;
        drain(Arc::new(bus), Arc::new(store), bench.settings.events).await
    })?;
    values.insert("backlog".to_owned(), rate);
    values.insert("backlog.fold".to_owned(), bench.fold(FULL_BATCH)?);
    Ok(())
}

fn take_consume(bench: &Bench, values: &mut Values) -> anyhow::Result<()> {
    let data = bench.empty("consume")?;
    let rate = bench.runtime.block_on(async {
        let bus = bus::prefill(&data.bus(), &bench.population, bench.settings.events).await?;
        let rate = bus::consume(&bus, Subject::Emotions.group(), bench.settings.events).await?;
        bus.close().await?;
        anyhow::Ok(rate)
    })?;
    values.insert("consume".to_owned(), rate);
    Ok(())
}

/// How often is looked whether the backlog is empty.
const LOOK: Duration = Duration::from_millis(2);
const DRAIN: Duration = Duration::from_secs(10);

/// Drains the `count` events that wait on the bus. Fails unless every one of them was counted.
async fn drain(bus: Arc<EmbeddedBus>, store: Arc<SqliteStore>, count: u64) -> anyhow::Result<f64> {
    let supervisor = Supervisor::new();
    let role = EmotionProcessing::create(Deps {
        bus: Arc::clone(&bus) as _,
        store: Arc::clone(&store) as _,
        clock: Arc::new(SystemClock),
        rules: Rules { consent: ConsentRule::Assumed, stress: stress_threshold()? },
        raw_retention_days: retention::RAW_DAYS,
        bus_retention: retention::EMOTIONS_ON_BUS,
        delivery_limit: ecs_bus::DEFAULT_DELIVERY_LIMIT,
        metrics: ecs_metrics::Metrics::new(),
    });
    let subject = Subject::Emotions;
    let started = Instant::now();
    role.start(&supervisor);
    while bus.backlog(subject, subject.group()).await?.pending > 0 {
        tokio::time::sleep(LOOK).await;
    }
    let rate = per_second(count, started.elapsed());
    supervisor.drain(DRAIN).await;
    let counted = store.ledger_totals(Ledger::Emotions).await?.in_aggregates;
    anyhow::ensure!(counted == count, "{count} events were drained and {counted} counted");
    bus.close().await?;
    store.close().await?;
    Ok(rate)
}
