//! The durable POST of one emotion over one transport.

use super::{Goal, Group, Measure, REACHED, Row, Unit, Values, batch_size};
use crate::bench::Bench;
use crate::engines::{Counted, Transport};
use crate::rows::durable::{self, CONNECTIONS};

/// The row of one transport.
pub(super) fn group(transport: Transport) -> Group {
    let (name, called) = (transport.as_str(), transport.called());
    let row = format!("{name}.emotions");
    let what = format!("durable emotion POST over {called}");
    let mut measures = durable::measures(&row, &what, &format!(", {called}"));
    let part = |part: &str, what: &str| {
        Measure::new(format!("{name}.{part}"), format!("{what}, {called}"), Unit::PerSecond)
    };
    let parts = ["parse", "append", "consume", "fold"].map(|part| format!("{name}.{part}"));
    measures.extend([
        part("parse", "parse-only handler, 256 connections"),
        part("append", "the plain library publishes, groups and callers as reached"),
        part("fold", "bare statement of the fold, two writers, batches as reached"),
        Measure::composed(
            format!("{name}.composed"),
            format!("composed limit of the POST over {called}"),
            &parts.each_ref().map(String::as_str),
        ),
    ]);
    let rows = vec![
        Row::of(&row, &format!("{name}.composed")).with(Goal::FractionAtLeast(REACHED)),
        Row::alone(&format!("{row}.p99")),
    ];
    let take = move |bench: &Bench, values: &mut Values| take(bench, transport, values);
    Group { name: what, measures, rows, take: Box::new(take) }
}

fn take(bench: &Bench, transport: Transport, values: &mut Values) -> anyhow::Result<()> {
    let name = transport.as_str();
    let (parse, counted) = durable::between(bench, transport, &format!("{name}.emotions"), values)?;
    let append = bench.runtime.block_on(append(bench, transport, counted))?;
    let fold = bench.runtime.block_on(durable::fold(bench, counted))?;
    let limits = [("parse", parse), ("append", append), ("fold", fold)];
    values.extend(limits.map(|(limit, value)| (format!("{name}.{limit}"), value)));
    Ok(())
}

/// How fast the plain library publishes to a transport with nothing in it.
async fn append(bench: &Bench, transport: Transport, counted: Counted) -> anyhow::Result<f64> {
    let broker = bench.engines()?.broker(transport).await?;
    let mut raw = broker.raw().await?;
    raw.prepare(&durable::repeated(bench)?);
    // The platform's load doesn't count at once either.
    raw.singly(CONNECTIONS, bench.settings.warm_up()).await?;
    raw.append(batch_size(counted.published), CONNECTIONS, bench.settings.limit() * 2).await
}
