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

    /// A measure of a model's decisions has this index, of which chance explains so much.
    pub fn watch_psi(&self, version: &'static str, measure: &'static str, index: f64, critical: f64) {
        self.0.watch.index.of([version, measure]).set(index);
        self.0.watch.critical.of([version, measure]).set(critical);
    }

    /// So many of an age band's people were approved; `None` where they are too few to tell.
    pub fn watch_approval(&self, age_band: &'static str, ratio: Option<f64>) {
        self.0.watch.approval.of(["age_band", age_band]).set(ratio.unwrap_or(f64::NAN));
    }

    /// The lowest impact among the groups of an attribute, `None` without any, and how many of them are adverse.
    pub fn watch_impact(&self, attribute: &'static str, lowest: Option<f64>, adverse: usize) {
        self.0.watch.impact.of([attribute]).set(lowest.unwrap_or(f64::NAN));
        self.0.watch.adverse.of([attribute]).set(i64::try_from(adverse).unwrap_or(i64::MAX));
    }
}
