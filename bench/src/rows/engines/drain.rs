//! Bus to PostgreSQL: a backlog through the real role emotion-processing, over tables of several sizes.

use super::{Goal, Group, Measure, Row, Unit, Values};
use crate::bench::Bench;
use crate::engines::Transport;
use crate::limits::{per_second, postgres};
use crate::rows::draining::Tables;
use crate::settings::{Mode, Settings};

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
    let tables = Tables::filled(bench, users).await?;
    let broker = bench.engines()?.broker(Transport::Nats).await?;
    let count = bench.settings.events;
    let consume = tables.lay(&broker, count).await?;
    let drained = tables.drain(&broker, count).await?;
    let statement = tables.statement(1, count, drained.fold, postgres::WRITERS).await?;
    let one = tables.statement(2, count, drained.fold, 1).await?;
    let readings = [
        (row.to_owned(), per_second(count, drained.whole)),
        (format!("{row}.statement"), statement),
        (format!("{row}.statement.one"), one),
        (format!("{row}.consume"), consume),
        (format!("{row}.fold"), drained.fold),
    ];
    values.extend(readings);
    Ok(())
}
