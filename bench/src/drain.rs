//! Bus to summary: a backlog through the real role emotion-processing, into a real store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ecs_bus::{Bus, Subject};
use ecs_bus_embedded::EmbeddedBus;
use ecs_cache::Cache;
use ecs_domain::consent::ConsentRule;
use ecs_domain::emotion::{StressThreshold, Unit};
use ecs_emotion_processing::{Deps, EmotionProcessing, Rules};
use ecs_store::{Books as _, Ledger, Maintenance as _};
use ecs_store_sqlite::SqliteStore;
use ecs_work::{Supervisor, retention};

use crate::limits::per_second;
use crate::platform::SystemClock;

/// How often is looked whether the backlog is empty.
const LOOK: Duration = Duration::from_millis(2);
const DRAIN: Duration = Duration::from_secs(10);

/// Drains the `count` events that wait on the bus. Fails unless every one of them was counted.
pub(crate) async fn drain(bus: Arc<EmbeddedBus>, store: Arc<SqliteStore>, count: u64) -> anyhow::Result<f64> {
    let supervisor = Supervisor::new();
    let role = EmotionProcessing::create(Deps {
        bus: Arc::clone(&bus) as _,
        store: Arc::clone(&store) as _,
        cache: Cache::in_process(ecs_cache::Options::default()),
        clock: Arc::new(SystemClock),
        rules: Rules {
            consent: ConsentRule::Assumed,
            stress: StressThreshold(Unit::new(0.7).context("0.7 is a fraction")?),
        },
        raw_retention_days: retention::RAW_DAYS,
        bus_retention: retention::EMOTIONS_ON_BUS,
        delivery_limit: ecs_bus::DEFAULT_DELIVERY_LIMIT,
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
