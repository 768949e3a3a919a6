//! PostgreSQL's limit: the bare statement of a fold, in the store's own tables. It decodes nothing, looks nobody's account
//! or consent up, keeps no inbox, and answers nobody.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use ecs_domain::Timestamp;
use ecs_domain::emotion::EmotionEvent;
use ecs_store::Maintenance as _;
use ecs_store_postgres::raw::{RawBatch, RawLoop};
use ecs_store_postgres::{Options, PostgresStore};
use ecs_vault::Keyring;
use futures::future::try_join_all;

use super::per_second;
use crate::data;
use crate::population::Population;

/// As many writers as the role emotion-processing has members.
pub(crate) const WRITERS: usize = 2;

/// Folds these events into the database, `batch` of them in each transaction, by so many writers at once. The batches are sorted
/// beforehand: that isn't the database's work. The first tenth of them doesn't count, unless that would leave none.
pub(crate) async fn fold(
    url: &str,
    population: &Population,
    numbers: Range<u64>,
    batch: usize,
    writers: usize,
) -> anyhow::Result<f64> {
    let (threshold, now) = (data::stress_threshold()?, Timestamp::now());
    let events = numbers.map(|n| population.emotion(n)).collect::<anyhow::Result<Vec<EmotionEvent>>>()?;
    let batches: Vec<(u64, RawBatch)> =
        events.chunks(batch.max(1)).map(|batch| (batch.len() as u64, RawBatch::new(batch))).collect();
    let (warm_up, counted) = batches.split_at(batches.len() / 10);
    let store = PostgresStore::open(Options::new(url), Keyring::in_memory()).await?;
    let days: Vec<RawBatch> = events.chunks(50_000).map(RawBatch::new).collect();
    let mut loops = Vec::new();
    for _ in 0..writers {
        loops.push(RawLoop::open(&store, threshold, &days, now).await?);
    }
    run(&loops, warm_up, now).await?;
    let started = Instant::now();
    let folded = run(&loops, counted, now).await?;
    let rate = per_second(folded, started.elapsed());
    store.close().await?;
    Ok(rate)
}

/// Each writer takes the next batch that nobody has. Returns how many events they had.
async fn run(writers: &[RawLoop], batches: &[(u64, RawBatch)], now: Timestamp) -> anyhow::Result<u64> {
    let next = AtomicUsize::new(0);
    let work = async |writer: &RawLoop| {
        let mut folded = 0;
        while let Some((events, batch)) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
            writer.run(batch, now).await?;
            folded += events;
        }
        anyhow::Ok(folded)
    };
    Ok(try_join_all(writers.iter().map(work)).await?.into_iter().sum())
}
