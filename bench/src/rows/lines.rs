//! Emotions as JSON lines: few uploads at once, a thousand lines each.

use ecs_store::Ledger;

use super::{Group, Measure, Row, Unit, Values, batch_size, load_measures, note_load};
use crate::args::Answer;
use crate::bench::Bench;
use crate::files;
use crate::load::{Lines, as_f64};

/// Uploads at the same time.
const UPLOADS: usize = 4;

pub(super) fn group() -> Group {
    let mut measures = load_measures("lines", "durable emotions as JSON lines, 4 uploads of 1,000");
    measures.extend([
        Measure::new(
            "lines.counted",
            "emotions as JSON lines, until the summary holds them",
            Unit::PerSecond,
        ),
        Measure::new("lines.parse", "parse-only handler of JSON lines", Unit::PerSecond),
        Measure::new("lines.append", "append to the bus, batches as with JSON lines", Unit::PerSecond),
        Measure::new("lines.sql", "batch SQL of the fold, batches as with JSON lines", Unit::PerSecond),
        Measure::composed(
            "lines.composed",
            "composed limit of JSON lines",
            &["lines.parse", "lines.append", "consume", "lines.sql"],
        ),
        Measure::composed(
            "lines.accepting",
            "composed limit of JSON lines, to the disk only",
            &["lines.parse", "lines.append"],
        ),
        Measure::new("lines.backlog", "until the backlog of JSON lines is empty", Unit::Seconds),
        Measure::new("lines.commit", "events per commit of the bus, JSON lines", Unit::Count),
        Measure::new("lines.fold", "events per fold, JSON lines", Unit::Count),
    ]);
    let rows = vec![Row::of("lines", "lines.accepting"), Row::of("lines.counted", "lines.composed")];
    Group { name: "JSON lines".to_owned(), measures, rows, take: Box::new(take) }
}

fn take(bench: &Bench, values: &mut Values) -> anyhow::Result<()> {
    let requests = |address, number| Lines::new(&bench.population, address, number);
    let (parse, (commit, fold)) =
        bench.between(Answer::Lines, UPLOADS, requests, || on_the_platform(bench, values))?;
    values.insert("lines.parse".to_owned(), parse);
    values.insert("lines.append".to_owned(), bench.append(commit)?);
    values.insert("lines.sql".to_owned(), bench.fold(fold)?);
    Ok(())
}

fn on_the_platform(bench: &Bench, values: &mut Values) -> anyhow::Result<(usize, usize)> {
    let running = bench.platform("users")?;
    let time = bench.settings.short();
    let measured = running
        .load(bench.plan(UPLOADS, time), |address, number| Lines::new(&bench.population, address, number))?;
    let backlog = running.await_counted(Ledger::Emotions, measured.accepted)?;
    note_load(values, "lines", &measured);
    let whole = bench.settings.warm_up() + time + backlog;
    values.insert("lines.counted".to_owned(), as_f64(measured.accepted) / whole.as_secs_f64());
    values.insert("lines.backlog".to_owned(), backlog.as_secs_f64());
    let commit = files::append_batch(&running.data.bus(), Ledger::Emotions)?;
    let fold = files::fold_batch(&running.data.store(), Ledger::Emotions)?;
    values.insert("lines.commit".to_owned(), commit);
    values.insert("lines.fold".to_owned(), fold);
    running.finish(Ledger::Emotions, measured.accepted)?;
    Ok((batch_size(commit), batch_size(fold)))
}
