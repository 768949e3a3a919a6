//! Decisions, and requests that had their effect before.

use prometheus_client::metrics::counter::Counter;

use crate::Metrics;
use crate::families::{Families, Kind, Series};

pub(crate) struct Credit {
    decisions: Series<1, Counter>,
    evaluations: Series<1, Counter>,
    replays: Counter,
}

impl Credit {
    pub(crate) fn register(families: &mut Families) -> Self {
        Self {
            decisions: families.counter(
                "ecs_credit_decisions_total",
                &["outcome"],
                "Decisions that were made; one that still stood is not made again",
            ),
            evaluations: families.counter(
                "ecs_credit_evaluations_total",
                &["outcome"],
                "Evaluations that nobody asked for, by what came of them",
            ),
            replays: families.single(
                "ecs_idempotent_replays_total",
                Kind::Counter,
                "Requests that were answered with the kept answer of an earlier one",
            ),
        }
    }
}

impl Metrics {
    /// A decision was made.
    pub fn decided(&self, outcome: &'static str) {
        self.0.credit.decisions.of([outcome]).inc();
    }

    /// Somebody was evaluated without asking.
    pub fn evaluated(&self, outcome: &'static str) {
        self.0.credit.evaluations.of([outcome]).inc();
    }

    /// A request got the answer that an earlier one with its key had got.
    pub fn replayed(&self) {
        self.0.credit.replays.inc();
    }
}
