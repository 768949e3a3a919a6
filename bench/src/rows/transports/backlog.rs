//! One transport to PostgreSQL: a backlog through the real role emotion-processing.

use super::{Goal, Group, Measure, REACHED, Row, Unit, Values};
use crate::bench::Bench;
use crate::engines::Transport;
use crate::limits::postgres;
use crate::rows::draining::Tables;

/// Users that the backlog tells of.
const USERS: u32 = 1_000;

/// The row of one transport, and what it costs to take events from it and do nothing with them.
pub(super) fn group(transport: Transport) -> Group {
    let (name, called) = (transport.as_str(), transport.called());
    let row = format!("{name}.backlog");
    let what = format!("{called} → PostgreSQL, from a backlog");
    let parts = [format!("{name}.consume"), format!("{row}.statement")];
    let measures = vec![
        Measure::new(&row, &what, Unit::PerSecond),
        Measure::new(
            format!("{name}.consume"),
            format!("the plain library takes and acknowledges, {called}"),
            Unit::PerSecond,
        ),
        Measure::new(
            format!("{row}.statement"),
            format!("bare statement of the fold, two writers, batches as from a backlog, {called}"),
            Unit::PerSecond,
        ),
        Measure::composed(
            format!("{row}.composed"),
            format!("composed limit of the backlog, {called}"),
            &parts.each_ref().map(String::as_str),
        ),
        Measure::new(format!("{row}.fold"), format!("events per fold from a backlog, {called}"), Unit::Count),
        Measure::new(
            format!("{row}.joined"),
            format!("from the start of the role to its first events, {called}"),
            Unit::Seconds,
        ),
    ];
    let rows = vec![Row::of(&row, &format!("{row}.composed")).with(Goal::FractionAtLeast(REACHED))];
    let take =
        move |bench: &Bench, values: &mut Values| bench.runtime.block_on(take(bench, transport, values));
    Group { name: what, measures, rows, take: Box::new(take) }
}

async fn take(bench: &Bench, transport: Transport, values: &mut Values) -> anyhow::Result<()> {
    let name = transport.as_str();
    let tables = Tables::filled(bench, USERS).await?;
    let broker = bench.engines()?.broker(transport).await?;
    let count = bench.settings.events;
    let consume = tables.lay(&broker, count).await?;
    let drained = tables.drain(&broker, count).await?;
    let statement = tables.statement(1, count, drained.fold, postgres::WRITERS).await?;
    let readings = [
        ("consume", consume),
        ("backlog", drained.rate),
        ("backlog.statement", statement),
        ("backlog.fold", drained.fold),
        ("backlog.joined", drained.joining.as_secs_f64()),
    ];
    values.extend(readings.map(|(reading, value)| (format!("{name}.{reading}"), value)));
    Ok(())
}
