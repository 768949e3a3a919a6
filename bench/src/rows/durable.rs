//! The durable POST of one emotion over servers, and the limits of it that have nothing to do with the transport.

use ecs_bus::Event;
use ecs_domain::{Timestamp, utc_day};

use super::{Measure, Unit, Values, batch_size, load_measures, note_load};
use crate::args::Answer;
use crate::bench::Bench;
use crate::engines::{Counted, Running, Transport};
use crate::limits::postgres;
use crate::load::{Client, Emotions, as_f64, one_emotion};
use crate::population::bystander;
use crate::process;

pub(super) const CONNECTIONS: usize = 256;
/// Messages that are made beforehand and sent over and over.
const PREPARED: u64 = 20_000;

/// What is read of the load on the platform. `over` is put behind what isn't a row.
pub(super) fn measures(row: &str, what: &str, over: &str) -> Vec<Measure> {
    let more = [
        ("backlog", "until its backlog is empty", Unit::Seconds),
        ("commit", "events per group of the publisher", Unit::Count),
        ("fold", "events per fold", Unit::Count),
        ("processor", "the platform's processor time per event", Unit::Microseconds),
        ("memory", "the platform's memory after the load", Unit::Mebibytes),
    ];
    let more = more
        .into_iter()
        .map(|(suffix, what, unit)| Measure::new(format!("{row}.{suffix}"), format!("{what}{over}"), unit));
    load_measures(row, what).into_iter().chain(more).collect()
}

/// Takes what [`measures`] names, with the parse-only handler before and after. Returns the handler's rate and the sizes of the batches
/// that were reached.
pub(super) fn between(
    bench: &Bench,
    transport: Transport,
    row: &str,
    values: &mut Values,
) -> anyhow::Result<(f64, Counted)> {
    let requests = |address, number| Emotions::new(&bench.population, address, number);
    bench.between(Answer::Emotion, CONNECTIONS, requests, || on_the_platform(bench, transport, row, values))
}

fn on_the_platform(
    bench: &Bench,
    transport: Transport,
    row: &str,
    values: &mut Values,
) -> anyhow::Result<Counted> {
    let running = Running::start(bench, transport)?;
    bench.runtime.block_on(first(&running))?;
    let who = running.server.pid().to_string();
    let processor = process::cpu_seconds(&who)?;
    let plan = bench.plan(CONNECTIONS, bench.settings.steady());
    let measured = running.load(plan, |address, number| Emotions::new(&bench.population, address, number))?;
    let accepted = measured.accepted + 1;
    let backlog = running.await_counted(accepted)?;
    let processor = process::cpu_seconds(&who)? - processor;
    note_load(values, row, &measured);
    let counted = running.batches()?;
    let more = [
        ("backlog", backlog.as_secs_f64()),
        ("commit", counted.published),
        ("fold", counted.folded),
        ("processor", processor * 1e6 / as_f64(accepted)),
        ("memory", process::memory(running.server.pid())?.resident),
    ];
    values.extend(more.map(|(name, value)| (format!("{row}.{name}"), value)));
    running.finish(accepted, measured.refused)?;
    Ok(counted)
}

/// One event, awaited: connections are made when there is something to send.
async fn first(running: &Running<'_>) -> anyhow::Result<()> {
    let address = running.server.address;
    let request = one_emotion(bystander(0), utc_day(Timestamp::now()), 0, address)?;
    let status = Client::connect(address).await?.ask(&request).await?;
    anyhow::ensure!(status == 202, "the first event got {status}");
    Ok(())
}

/// Events for a limit to publish over and over.
pub(super) fn repeated(bench: &Bench) -> anyhow::Result<Vec<Event>> {
    bench.population.events(PREPARED.min(bench.settings.events))
}

/// The rate of the bare statement of the fold, by two writers, in batches of the size that was reached.
pub(super) async fn fold(bench: &Bench, counted: Counted) -> anyhow::Result<f64> {
    let engines = bench.engines()?;
    let database = engines.copy().await?;
    let (events, batch) = (0..bench.settings.events, batch_size(counted.folded));
    let fold = postgres::fold(&database.url, &bench.population, events, batch, postgres::WRITERS).await?;
    engines.drop(database).await?;
    Ok(fold)
}
