//! The durable POST of one emotion over NATS, PostgreSQL and Redis.

use super::{Goal, Group, Measure, Row, Unit, Values, batch_size};
use crate::bench::Bench;
use crate::engines::{Counted, Transport};
use crate::rows::durable::{self, CONNECTIONS};

pub(super) fn group() -> Group {
    let mut measures = durable::measures("emotions", "durable emotion POST, 256 connections", "");
    measures.extend(limits());
    let rows = vec![
        Row::of("emotions", "composed").with(Goal::FractionAtLeast(0.8)),
        Row::alone("emotions.p99").with(Goal::AtMost(25.0)),
        Row::of("emotions", "baseline"),
        Row::of("emotions", "baseline.one"),
    ];
    Group { name: "durable POST over NATS".to_owned(), measures, rows, take: Box::new(take) }
}

fn limits() -> Vec<Measure> {
    let (append, single) = ("append to NATS, groups as reached", "append to NATS, one flush per event");
    vec![
        Measure::new("parse", "parse-only handler, 256 connections", Unit::PerSecond),
        Measure::new("append", append, Unit::PerSecond),
        Measure::new("consume", "consume of NATS, pulled and acknowledged", Unit::PerSecond),
        Measure::new("fold", "bare statement of the fold, batches as reached", Unit::PerSecond),
        Measure::composed("composed", "composed limit", &["parse", "append", "consume", "fold"]),
        Measure::new("single", format!("{single}, 256 at once"), Unit::PerSecond),
        Measure::composed(
            "baseline",
            "composed limit with one flush per event, 256 at once",
            &["parse", "single", "consume", "fold"],
        ),
        Measure::new("single.one", format!("{single}, one after the other"), Unit::PerSecond),
        Measure::composed(
            "baseline.one",
            "composed limit with one flush per event, one after the other",
            &["parse", "single.one", "consume", "fold"],
        ),
    ]
}

fn take(bench: &Bench, values: &mut Values) -> anyhow::Result<()> {
    let (parse, counted) = durable::between(bench, Transport::Nats, "emotions", values)?;
    values.insert("parse".to_owned(), parse);
    bench.runtime.block_on(take_limits(bench, counted, values))
}

/// Each limit over servers of its own, one after the other.
async fn take_limits(bench: &Bench, counted: Counted, values: &mut Values) -> anyhow::Result<()> {
    let (engines, time) = (bench.engines()?, bench.settings.limit());
    let broker = engines.broker(Transport::Nats).await?;
    let mut raw = broker.raw().await?;
    raw.prepare(&durable::repeated(bench)?);
    let append = raw.groups(batch_size(counted.published), time * 2).await?;
    let single = raw.singly(CONNECTIONS, time).await?;
    let one = raw.singly(1, time).await?;
    drop((raw, broker));

    let broker = engines.broker(Transport::Nats).await?;
    let mut raw = broker.raw().await?;
    raw.prepare(&bench.population.events(bench.settings.events)?);
    raw.lay().await?;
    let consume = raw.consume().await?;
    drop((raw, broker));

    let fold = durable::fold(bench, counted).await?;
    let limits =
        [("append", append), ("single", single), ("single.one", one), ("consume", consume), ("fold", fold)];
    values.extend(limits.map(|(name, value)| (name.to_owned(), value)));
    Ok(())
}
