//! Decisions, the models that make them, and requests that had their effect before.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use crate::Metrics;
use crate::families::{Families, Kind, Series};

pub(crate) struct Credit {
    decisions: Series<1, Counter>,
    evaluations: Series<1, Counter>,
    replays: Counter,
    models: Series<3, Gauge>,
    changes: Series<1, Counter>,
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
            models: families.gauge(
                "ecs_model_in_charge",
                &["seat", "place", "version"],
                "1 for each model that is in charge",
            ),
            changes: families.counter(
                "ecs_model_changes_total",
                &["result"],
                "Changes of the models' files, by whether they were taken",
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

    /// A model is in charge from now on, or isn't any more.
    pub fn model_in_charge(&self, seat: &'static str, place: &'static str, version: &'static str, is: bool) {
        self.0.credit.models.of([seat, place, version]).set(is.into());
    }

    /// The files of the models changed: `taken` or `refused`.
    pub fn models_changed(&self, result: &'static str) {
        self.0.credit.changes.of([result]).inc();
    }
}
