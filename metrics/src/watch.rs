//! The watch over decisions. Figures of everybody together, never of a person.

use prometheus_client::metrics::counter::Counter;

use crate::Metrics;
use crate::families::{Amount, Count, Families, Kind, Series};

pub(crate) struct Watch {
    decisions: Counter,
    index: Series<2, Amount>,
    critical: Series<2, Amount>,
    approval: Series<2, Amount>,
    impact: Series<1, Amount>,
    adverse: Series<1, Count>,
}

impl Watch {
    pub(crate) fn register(families: &mut Families) -> Self {
        Self {
            decisions: families.single(
                "ecs_watch_decisions_total",
                Kind::Counter,
                "Decisions that this process counted for the watch",
            ),
            index: families.gauge(
                "ecs_watch_psi",
                &["version", "measure"],
                "How far decisions of the last days are from those before, as a population stability index",
            ),
            critical: families.gauge(
                "ecs_watch_psi_critical",
                &["version", "measure"],
                "What that index exceeds by chance alone once in a thousand looks",
            ),
            approval: families.gauge(
                "ecs_watch_approval_ratio",
                &["attribute", "group"],
                "The share of a group's people who were approved",
            ),
            impact: families.gauge(
                "ecs_watch_lowest_impact",
                &["attribute"],
                "The lowest approval of a group as a share of the largest group's",
            ),
            adverse: families.gauge(
                "ecs_watch_adverse_groups",
                &["attribute"],
                "Groups whose approval is below four fifths of the largest group's, beyond chance",
            ),
        }
    }
}

impl Metrics {
    /// So many decisions were counted.
    pub fn decisions_watched(&self, decisions: u64) {
        self.0.watch.decisions.inc_by(decisions);
    }

    /// A measure of a model's decisions has this index, and exceeds the other one by chance alone as rarely as is wanted; `None` where
    /// decisions are too few to tell.
    pub fn watch_psi(&self, version: &'static str, measure: &'static str, found: Option<[f64; 2]>) {
        let families = [&self.0.watch.index, &self.0.watch.critical];
        match found {
            Some(found) => {
                families
                    .into_iter()
                    .zip(found)
                    .for_each(|(family, it)| _ = family.of([version, measure]).set(it));
            }
            None => families.into_iter().for_each(|family| family.forget([version, measure])),
        }
    }

    /// So many of an age band's people were approved; `None` where they are too few to tell.
    pub fn watch_approval(&self, age_band: &'static str, ratio: Option<f64>) {
        let (family, labels) = (&self.0.watch.approval, ["age_band", age_band]);
        match ratio {
            Some(ratio) => _ = family.of(labels).set(ratio),
            None => family.forget(labels),
        }
    }

    /// The lowest impact among the groups of an attribute, `None` without any, and how many of them are adverse.
    pub fn watch_impact(&self, attribute: &'static str, lowest: Option<f64>, adverse: usize) {
        let (family, labels) = (&self.0.watch.impact, [attribute]);
        match lowest {
            Some(lowest) => _ = family.of(labels).set(lowest),
            None => family.forget(labels),
        }
        self.0.watch.adverse.of(labels).set(i64::try_from(adverse).unwrap_or(i64::MAX));
    }
}
