//! The durable POST of one emotion, over few and over many connections.

use ecs_store::Ledger;

use super::{Goal, Group, Measure, Row, Unit, Values, batch_size, load_measures, note_load};
use crate::args::Answer;
use crate::bench::{Bench, Running};
use crate::load::{Emotions, Measured, as_f64};
use crate::{files, process};

/// How many connections ask at once.
pub(crate) const CONNECTIONS: [usize; 4] = [256, 16, 64, 1024];
/// As many as the goal names.
const MAIN: usize = 256;

/// The row of one number of connections.
pub(super) fn group(connections: usize) -> Group {
    let c = connections;
    let row = format!("emotions.{c}");
    let mut measures = load_measures(&row, &format!("durable emotion POST, {c} connections"));
    let parts = [format!("parse.{c}"), format!("append.{c}"), "consume".to_owned(), format!("fold.{c}")];
    let parts = parts.each_ref().map(String::as_str);
    measures.extend([
        Measure::new(format!("parse.{c}"), format!("parse-only handler, {c} connections"), Unit::PerSecond),
        Measure::new(
            format!("append.{c}"),
            format!("append to the bus, batches as with {c} connections"),
            Unit::PerSecond,
        ),
        Measure::new(
            format!("fold.{c}"),
            format!("batch SQL of the fold, batches as with {c} connections"),
            Unit::PerSecond,
        ),
        Measure::composed(format!("composed.{c}"), format!("composed limit, {c} connections"), &parts),
        Measure::new(
            format!("{row}.commit"),
            format!("events per commit of the bus, {c} connections"),
            Unit::Count,
        ),
        Measure::new(format!("{row}.fold"), format!("events per fold, {c} connections"), Unit::Count),
        Measure::new(
            format!("{row}.backlog"),
            format!("until its backlog is empty, {c} connections"),
            Unit::Seconds,
        ),
    ]);
    let mut rows = vec![Row::of(&row, &format!("composed.{c}"))];
    if c == MAIN {
        measures.extend(main_measures());
        rows = main_rows();
    }
    let take = move |bench: &Bench, values: &mut Values| take(bench, connections, values);
    Group { name: format!("durable POST, {c} connections"), measures, rows, take: Box::new(take) }
}

/// Where the goal is, more is looked at.
fn main_measures() -> Vec<Measure> {
    let full = ["parse.256", "append.full", "consume", "backlog.fold"];
    vec![
        Measure::new("bare", "bare handler, 256 connections", Unit::PerSecond),
        Measure::new("append.full", "append to the bus, batches of 256", Unit::PerSecond),
        Measure::new("fold.256.once", "batch SQL of one fold of that size", Unit::Seconds),
        Measure::new("append.single", "append of single events to the bus", Unit::PerSecond),
        Measure::composed("composed.full", "composed limit, were all batches full", &full),
        Measure::new(
            "emotions.256.processor",
            "processor time per event, to the summary",
            Unit::Microseconds,
        ),
        Measure::new("emotions.256.memory", "memory after the steady load", Unit::Mebibytes),
        Measure::new("emotions.256.peak", "memory at its peak", Unit::Mebibytes),
    ]
}

fn main_rows() -> Vec<Row> {
    vec![
        Row::of("emotions.256", "composed.256").with(Goal::FractionAtLeast(0.8)),
        Row::of("emotions.256", "composed.full"),
        Row::of("emotions.256", "parse.256"),
        Row::of("emotions.256.backlog", "fold.256.once").with(Goal::AtMost(5.0)),
        Row::of("parse.256", "bare"),
    ]
}

fn take(bench: &Bench, connections: usize, values: &mut Values) -> anyhow::Result<()> {
    let c = connections;
    let requests = |address, number| Emotions::new(&bench.population, address, number);
    let (parse, (commit, fold)) =
        bench.between(Answer::Emotion, c, requests, || on_the_platform(bench, c, values))?;
    values.insert(format!("parse.{c}"), parse);
    values.insert(format!("append.{c}"), bench.append(commit)?);
    let folds = bench.fold(fold)?;
    values.insert(format!("fold.{c}"), folds);
    if c == MAIN {
        // What is under way when the load ends takes at least one more fold.
        values.insert("fold.256.once".to_owned(), fold as f64 / folds);
        values.insert("bare".to_owned(), bench.http_limit(Answer::Bare, c, requests)?.rate);
        values.insert("append.full".to_owned(), bench.append(MAIN)?);
        values.insert("append.single".to_owned(), bench.append(1)?);
    }
    Ok(())
}

/// Returns the sizes of the batches that were reached: of a commit, and of a fold.
fn on_the_platform(bench: &Bench, connections: usize, values: &mut Values) -> anyhow::Result<(usize, usize)> {
    let running = bench.platform("users")?;
    let row = format!("emotions.{connections}");
    let who = running.server.pid().to_string();
    let processor = process::cpu_seconds(&who)?;
    let time = if connections == MAIN { bench.settings.steady() } else { bench.settings.short() };
    let measured = running.load(bench.plan(connections, time), |address, number| {
        Emotions::new(&bench.population, address, number)
    })?;
    let backlog = running.await_counted(Ledger::Emotions, measured.accepted)?;
    let processor = process::cpu_seconds(&who)? - processor;
    note_load(values, &row, &measured);
    values.insert(format!("{row}.backlog"), backlog.as_secs_f64());
    if connections == MAIN {
        note_costs(values, &running, &measured, processor)?;
    }
    let commit = files::append_batch(&running.data.bus(), Ledger::Emotions)?;
    let fold = files::fold_batch(&running.data.store(), Ledger::Emotions)?;
    values.insert(format!("{row}.commit"), commit);
    values.insert(format!("{row}.fold"), fold);
    running.finish(Ledger::Emotions, measured.accepted)?;
    Ok((batch_size(commit), batch_size(fold)))
}

fn note_costs(
    values: &mut Values,
    running: &Running<'_>,
    measured: &Measured,
    processor: f64,
) -> anyhow::Result<()> {
    let memory = process::memory(running.server.pid())?;
    let micros = processor * 1e6 / as_f64(measured.accepted.max(1));
    values.insert("emotions.256.processor".to_owned(), micros);
    values.insert("emotions.256.memory".to_owned(), memory.resident);
    values.insert("emotions.256.peak".to_owned(), memory.peak);
    Ok(())
}

/// The durable POST alone, without its limits.
pub(crate) fn only_steady(bench: &Bench) -> anyhow::Result<Values> {
    let mut values = Values::new();
    on_the_platform(bench, MAIN, &mut values)?;
    Ok(values)
}
