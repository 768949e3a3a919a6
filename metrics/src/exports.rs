//! Archives of what is held on people.

use prometheus_client::metrics::counter::Counter;

use crate::Metrics;
use crate::families::{Families, Series};

pub(crate) struct Exports {
    attempts: Series<1, Counter>,
}

impl Exports {
    pub(crate) fn register(families: &mut Families) -> Self {
        let help = "Attempts at archives of what is held on a person, by what became of them";
        Self { attempts: families.counter("ecs_export_attempts_total", &["outcome"], help) }
    }
}

impl Metrics {
    /// An attempt at an archive came to an end: `ready`, `again`, `failed` or `lost`.
    pub fn export_attempted(&self, outcome: &'static str) {
        self.0.exports.attempts.of([outcome]).inc();
    }
}
