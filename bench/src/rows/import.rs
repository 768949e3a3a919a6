//! The import of a real file: customers provisioned and their purchases sent, one row a request.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use ecs_client::Silent;
use ecs_client::import::{Import, Mapping};
use ecs_store::Ledger;
use tokio_util::sync::CancellationToken;

use super::{Group, Measure, Row, Unit, Values};
use crate::bench::Bench;
use crate::load::as_f64;
use crate::platform;

pub(super) fn group(file: &Path) -> Group {
    let file = file.to_owned();
    Group {
        name: "import".to_owned(),
        measures: vec![
            Measure::new("import", "rows of CDNOW imported", Unit::PerSecond),
            Measure::new("import.whole", "import of the whole file", Unit::Seconds),
        ],
        rows: vec![Row::of("import", "transactions")],
        take: Box::new(move |bench, values| take(bench, &file, values)),
    }
}

fn take(bench: &Bench, file: &Path, values: &mut Values) -> anyhow::Result<()> {
    let running = bench.platform("users")?;
    let client = platform::operator(running.server.address)?;
    let mapping = Mapping::preset("cdnow").context("the preset cdnow is gone")?;
    let import = Import::new(PathBuf::from(file), mapping);
    let stop = CancellationToken::new();
    let report = bench.runtime.block_on(import.run(&client, &Silent, &stop))?;
    anyhow::ensure!(report.is_complete() && report.accepted > 0, "the import was interrupted: {report:?}");
    values.insert("import".to_owned(), as_f64(report.rows) / report.seconds);
    values.insert("import.whole".to_owned(), report.seconds);
    running.await_counted(Ledger::Transactions, report.accepted)?;
    running.finish(Ledger::Transactions, report.accepted)
}
