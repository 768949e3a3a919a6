//! Counts decisions by day, model, measure and bin.

use std::collections::HashMap;

use ecs_domain::decision::Decision;
use ecs_domain::watch::Measure;
use ecs_domain::{Day, utc_day};
use ecs_metrics::Metrics;
use ecs_store::decision_log::{Left, LoggedDecision};
use ecs_store::watch::{BinCount, DayCount};
use ecs_store::{Store, StoreError};

/// Counts every batch that is sealed and not counted.
pub(super) async fn count(store: &dyn Store, metrics: &Metrics) -> Result<(), StoreError> {
    while let Some(next) = store.unwatched().await? {
        let (counts, decisions) = counts(&next.decisions);
        if store.count_batch(next.batch, counts).await? {
            metrics.decisions_watched(decisions);
        }
    }
    Ok(())
}

/// The counts, and of how many decisions they are. What is gone with its person or for its age counts no more.
fn counts(logged: &[LoggedDecision]) -> (Vec<DayCount>, u64) {
    let mut counts: HashMap<(Day, &str, Measure, u8), u64> = HashMap::new();
    let mut decisions = 0;
    for decision in logged.iter().filter_map(whole) {
        let (day, model) = (utc_day(decision.decided_at), decision.assessment.model_version.as_str());
        decisions += 1;
        for measure in Measure::ALL {
            *counts.entry((day, model, measure, measure.bin(decision))).or_default() += 1;
        }
    }
    let count = |((day, model, measure, bin), decisions): ((Day, &str, Measure, u8), u64)| DayCount {
        day,
        count: BinCount { model: model.to_owned(), measure, bin, decisions },
    };
    (counts.into_iter().map(count).collect(), decisions)
}

fn whole(logged: &LoggedDecision) -> Option<&Decision> {
    match &logged.left {
        Left::Whole(decision) => Some(decision),
        Left::Unreadable => {
            tracing::warn!(decision_id = %logged.id, "a decision can't be read, and is not watched");
            None
        }
        Left::Aged | Left::Erased | Left::Gone => None,
    }
}
