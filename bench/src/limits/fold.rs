//! The store's limit: the writes of a fold as plain batch SQL, in the store's own tables and with its settings. It
//! decodes nothing, looks nobody's account or consent up, and answers nobody.

use std::path::Path;
use std::time::Instant;

use ecs_domain::Timestamp;
use ecs_domain::emotion::EmotionEvent;
use ecs_store_sqlite::Options;
use ecs_store_sqlite::raw::{RawBatch, RawLoop};

use super::per_second;
use crate::data;
use crate::population::Population;

/// Events per transaction that the role emotion-processing takes at once from a backlog.
pub(crate) const FULL_BATCH: usize = 20_000;

/// Folds the first `count` events into the store at `path`, whose tables and users are there, `batch` to a transaction.
/// The batches are sorted beforehand: that isn't the database's work. The first tenth of them doesn't count, unless that
/// would leave none.
pub(crate) fn fold(path: &Path, population: &Population, count: u64, batch: u64) -> anyhow::Result<f64> {
    let threshold = data::stress_threshold()?;
    let mut batches = Vec::new();
    let mut next = 0;
    while next < count {
        let end = (next + batch).min(count);
        let events =
            (next..end).map(|n| population.emotion(n)).collect::<anyhow::Result<Vec<EmotionEvent>>>()?;
        batches.push(RawBatch::new(&events, threshold));
        next = end;
    }
    let raw = RawLoop::open(path, &Options::default())?;
    let (warm_up, counted) = batches.split_at(batches.len() / 10);
    let run = |batches: &[RawBatch]| -> anyhow::Result<u64> {
        batches.iter().map(|batch| Ok(raw.run(batch, Timestamp::now())?)).sum()
    };
    run(warm_up)?;
    let started = Instant::now();
    let folded = run(counted)?;
    Ok(per_second(folded, started.elapsed()))
}
