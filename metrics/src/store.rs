//! What the store is asked, and where.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use crate::Metrics;
use crate::families::{Amount, Count, Families, Kind, Series};

/// Replicas by their place in the setting that lists them. Nobody has more; if somebody does, the last name is shared.
const REPLICAS: [&str; 16] =
    ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "other"];

pub(crate) struct Store {
    queries: Series<2, Histogram>,
    reads: Series<1, Counter>,
    lag: Series<1, Amount>,
    outbox: Count,
}

impl Store {
    pub(crate) fn register(families: &mut Families) -> Self {
        Self {
            queries: families.durations(
                "ecs_store_query_duration_seconds",
                &["query", "outcome"],
                "How long the store took, waiting for a connection included",
            ),
            reads: families.counter(
                "ecs_store_reads_total",
                &["target"],
                "Reads that may be a little stale, by where they went",
            ),
            lag: families.gauge(
                "ecs_store_replica_lag_seconds",
                &["replica"],
                "How far a replica is behind the primary",
            ),
            outbox: families.single(
                "ecs_store_outbox_pending_events",
                Kind::Gauge,
                "Events in the outbox that are not published yet",
            ),
        }
    }
}

impl Metrics {
    /// The store was asked. `name` names the statement, never its values; `ok` says whether it answered.
    pub fn store_query(&self, name: &'static str, ok: bool, took: Duration) {
        let outcome = if ok { "ok" } else { "error" };
        self.0.store.queries.of([name, outcome]).observe(took.as_secs_f64());
    }

    /// A read that may be a little stale went to `target`.
    pub fn store_read(&self, target: &'static str) {
        self.0.store.reads.of([target]).inc();
    }

    /// How far the replica at this place of the list is behind.
    pub fn replica_lag(&self, index: usize, seconds: f64) {
        let name = REPLICAS.get(index).or(REPLICAS.last()).copied().unwrap_or("other");
        self.0.store.lag.of([name]).set(seconds);
    }

    /// How many events wait in the outbox.
    pub fn outbox_depth(&self, depth: u64) {
        self.0.store.outbox.set(i64::try_from(depth).unwrap_or(i64::MAX));
    }
}
