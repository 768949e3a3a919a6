//! The durable POST of one emotion over NATS, PostgreSQL and Redis.

use super::{Goal, Group, Measure, Row, Unit, Values, batch_size, load_measures, note_load};
use crate::args::Answer;
use crate::bench::Bench;
use crate::engines::{Counted, Running};
use crate::limits::nats::{Prepared, Raw};
use crate::limits::postgres;
use crate::load::{Emotions, as_f64};
use crate::process;

const CONNECTIONS: usize = 256;
/// Messages that are made beforehand and sent over and over.
const PREPARED: u64 = 20_000;

pub(super) fn group() -> Group {
    let mut measures = load_measures("emotions", "durable emotion POST, 256 connections");
    measures.extend(limits());
    measures.extend([
        Measure::new("emotions.backlog", "until its backlog is empty", Unit::Seconds),
        Measure::new("emotions.commit", "events per group of the publisher", Unit::Count),
        Measure::new("emotions.fold", "events per fold", Unit::Count),
        Measure::new("emotions.processor", "the platform's processor time per event", Unit::Microseconds),
        Measure::new("emotions.memory", "the platform's memory after the load", Unit::Mebibytes),
    ]);
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
    let requests = |address, number| Emotions::new(&bench.population, address, number);
    let (parse, counted) =
        bench.between(Answer::Emotion, CONNECTIONS, requests, || on_the_platform(bench, values))?;
    values.insert("parse".to_owned(), parse);
    bench.runtime.block_on(take_limits(bench, counted, values))
}

fn on_the_platform(bench: &Bench, values: &mut Values) -> anyhow::Result<Counted> {
    let running = Running::start(bench)?;
    let who = running.server.pid().to_string();
    let processor = process::cpu_seconds(&who)?;
    let plan = bench.plan(CONNECTIONS, bench.settings.steady());
    let measured = running.load(plan, |address, number| Emotions::new(&bench.population, address, number))?;
    let backlog = running.await_counted(measured.accepted)?;
    let processor = process::cpu_seconds(&who)? - processor;
    note_load(values, "emotions", &measured);
    let counted = running.batches()?;
    let more = [
        ("emotions.backlog", backlog.as_secs_f64()),
        ("emotions.commit", counted.published),
        ("emotions.fold", counted.folded),
        ("emotions.processor", processor * 1e6 / as_f64(measured.accepted.max(1))),
        ("emotions.memory", process::memory(running.server.pid())?.resident),
    ];
    values.extend(more.map(|(name, value)| (name.to_owned(), value)));
    running.finish(measured.accepted)?;
    Ok(counted)
}

/// Each limit over servers of its own, one after the other.
async fn take_limits(bench: &Bench, counted: Counted, values: &mut Values) -> anyhow::Result<()> {
    let (engines, time) = (bench.engines()?, bench.settings.limit());
    let prepared = |count: u64| -> anyhow::Result<Vec<Prepared>> {
        (0..count).map(|n| Ok(Prepared::of(&bench.population.event(n)?))).collect()
    };
    let messages = prepared(PREPARED.min(bench.settings.events))?;
    let server = engines.nats().await?;
    let mut raw = Raw::open(server.url()).await?;
    let append = raw.append(&messages, batch_size(counted.published), time * 2).await?;
    let single = raw.singly(&messages, CONNECTIONS, time).await?;
    let one = raw.singly(&messages, 1, time).await?;
    drop((raw, server));

    let server = engines.nats().await?;
    let mut raw = Raw::open(server.url()).await?;
    raw.lay(&prepared(bench.settings.events)?).await?;
    let consume = raw.consume(bench.settings.events).await?;
    drop((raw, server));

    let site = engines.site().await?;
    let (events, batch) = (0..bench.settings.events, batch_size(counted.folded));
    let fold = postgres::fold(&site.url, &bench.population, events, batch, postgres::WRITERS).await?;
    engines.drop(site).await?;
    let limits =
        [("append", append), ("single", single), ("single.one", one), ("consume", consume), ("fold", fold)];
    values.extend(limits.map(|(name, value)| (name.to_owned(), value)));
    Ok(())
}
