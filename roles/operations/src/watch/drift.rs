//! Compares the measures of a window with those of the days before it.

use std::collections::{BTreeMap, HashMap};

use ecs_domain::Timestamp;
use ecs_domain::watch::{Histogram, Level, Measure, Stability, Verdict};
use ecs_store::watch::{BinCount, Days, StandingOf};
use ecs_store::{Store, StoreError};

use super::WatchSpans;

/// The kind of what is told of it.
pub(super) const KIND: &str = "drift";
/// How likely one look tells of any drift where there is none.
const LEVEL: f64 = 0.001;

/// How everything that is watched compares.
pub(crate) struct Drifts {
    pub(super) window: Days,
    pub(super) reference: Days,
    /// By model, and in the order of the measures.
    pub(super) compared: Vec<Compared>,
}

/// How one measure compares.
pub(crate) struct Compared {
    pub(super) model: String,
    pub(super) measure: Measure,
    pub(super) stability: Stability,
}

impl Compared {
    /// What is told of it.
    pub(super) fn of(&self) -> StandingOf {
        StandingOf { kind: KIND, model: self.model.clone(), name: self.measure.as_str().to_owned() }
    }

    /// Whether anything may be said of it.
    pub(super) fn is_told(&self) -> bool {
        self.stability.verdict != Verdict::TooFew
    }
}

/// Histograms of each model, the window's beside the reference's.
type ByModel = BTreeMap<String, HashMap<Measure, [Histogram; 2]>>;

/// Reads what was counted of both, and compares it.
pub(crate) async fn compare(
    store: &dyn Store,
    spans: WatchSpans,
    now: Timestamp,
) -> Result<Drifts, StoreError> {
    let (reference, window) = (spans.reference(now), spans.window(now));
    let mut models = ByModel::new();
    for (side, days) in [reference, window].into_iter().enumerate() {
        for BinCount { model, measure, bin, decisions } in store.watched(days).await? {
            let sides = models.entry(model).or_default().entry(measure).or_default();
            sides[side].add(bin, decisions);
        }
    }
    Ok(Drifts { window, reference, compared: compared(&models) })
}

fn compared(models: &ByModel) -> Vec<Compared> {
    let both = |sides: &[Histogram; 2]| sides.iter().all(|side| side.total() > 0);
    let tested = models.values().flat_map(HashMap::values).filter(|sides| both(sides)).count();
    let level = Level::of_each(LEVEL, tested);
    let compare = |(model, measures): (&String, &HashMap<Measure, [Histogram; 2]>)| {
        let measures =
            Measure::ALL.into_iter().filter_map(|measure| Some((measure, measures.get(&measure)?)));
        let compare = |(measure, [reference, window]): (Measure, &[Histogram; 2])| {
            let stability = Stability::of(measure, reference, window, level);
            Compared { model: model.clone(), measure, stability }
        };
        measures.map(compare).collect::<Vec<_>>()
    };
    models.iter().flat_map(compare).collect()
}
