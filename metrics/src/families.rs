//! Families of series: a name, its help, and the names of its labels, stated once.

use prometheus_client::collector::Collector;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

/// Upper bounds of durations, in seconds: from half a millisecond, about what a durable write takes, to ten seconds, where
/// requests end.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds of what runs behind an answer, in seconds: from what is over before anybody asks again to four hours.
const LONG_SECONDS: [f64; 8] = [0.1, 1.0, 5.0, 30.0, 120.0, 600.0, 3_600.0, 14_400.0];
/// Upper bounds of batches, in events.
const EVENTS: [f64; 8] = [1.0, 4.0, 16.0, 64.0, 256.0, 1_000.0, 2_500.0, 5_000.0];

/// A family as it is documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// As Prometheus shows it: with its unit, and a counter's `_total`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
}

/// What a family's numbers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// They rise, until the process starts anew.
    Counter,
    /// They rise and fall.
    Gauge,
    /// They are spread over buckets.
    Histogram,
}

impl Kind {
    /// The word in the documentation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

type Label = (&'static str, &'static str);

/// The series of a family with `N` labels.
#[derive(Debug)]
pub(crate) struct Series<const N: usize, M> {
    names: [&'static str; N],
    family: Family<[Label; N], M, fn() -> M>,
}

impl<const N: usize, M: Clone> Series<N, M> {
    /// The one with these labels, in the order of the family's.
    pub(crate) fn of(&self, values: [&'static str; N]) -> M {
        self.family.get_or_create_owned(&self.labels(values))
    }

    /// Takes the one with these labels away: what isn't known has no value.
    pub(crate) fn forget(&self, values: [&'static str; N]) {
        self.family.remove(&self.labels(values));
    }

    fn labels(&self, values: [&'static str; N]) -> [Label; N] {
        let mut labels = self.names.map(|name| (name, ""));
        for (label, value) in labels.iter_mut().zip(values) {
            label.1 = value;
        }
        labels
    }
}

/// What has been registered.
#[derive(Default)]
pub(crate) struct Families {
    registry: Registry,
    described: Vec<Described>,
}

impl Families {
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn described(&self) -> &[Described] {
        &self.described
    }

    pub(crate) fn counter<const N: usize>(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str; N],
        help: &str,
    ) -> Series<N, Counter> {
        self.series(Described { name, kind: Kind::Counter, labels }, *labels, help, Counter::default)
    }

    pub(crate) fn gauge<const N: usize, G>(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str; N],
        help: &str,
    ) -> Series<N, G>
    where
        G: Clone + Default,
        Family<[Label; N], G, fn() -> G>: Metric,
    {
        self.series(Described { name, kind: Kind::Gauge, labels }, *labels, help, G::default)
    }

    /// Of durations, in seconds.
    pub(crate) fn durations<const N: usize>(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str; N],
        help: &str,
    ) -> Series<N, Histogram> {
        let make = || Histogram::new(SECONDS);
        self.series(Described { name, kind: Kind::Histogram, labels }, *labels, help, make)
    }

    /// Of durations that nobody waits for, in seconds.
    pub(crate) fn long_durations<const N: usize>(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str; N],
        help: &str,
    ) -> Series<N, Histogram> {
        let make = || Histogram::new(LONG_SECONDS);
        self.series(Described { name, kind: Kind::Histogram, labels }, *labels, help, make)
    }

    /// Of batches, in events.
    pub(crate) fn sizes<const N: usize>(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str; N],
        help: &str,
    ) -> Series<N, Histogram> {
        let make = || Histogram::new(EVENTS);
        self.series(Described { name, kind: Kind::Histogram, labels }, *labels, help, make)
    }

    /// One without labels: a single series, which is there from the start.
    pub(crate) fn single<M: Metric + Clone + Default>(
        &mut self,
        name: &'static str,
        kind: Kind,
        help: &str,
    ) -> M {
        let metric = M::default();
        let described = Described { name, kind, labels: &[] };
        match described.parts() {
            (name, Some(unit)) => self.registry.register_with_unit(name, help, unit, metric.clone()),
            (name, None) => self.registry.register(name, help, metric.clone()),
        }
        self.described.push(described);
        metric
    }

    /// Families whose values are read when somebody asks.
    pub(crate) fn collected(&mut self, described: &[Described], collector: impl Collector) {
        self.described.extend(described);
        self.registry.register_collector(Box::new(collector));
    }

    fn series<const N: usize, M>(
        &mut self,
        described: Described,
        names: [&'static str; N],
        help: &str,
        make: fn() -> M,
    ) -> Series<N, M>
    where
        Family<[Label; N], M, fn() -> M>: Metric,
    {
        let family = Family::new_with_constructor(make);
        let (name, unit) = described.parts();
        match unit {
            Some(unit) => self.registry.register_with_unit(name, help, unit, family.clone()),
            None => self.registry.register(name, help, family.clone()),
        }
        self.described.push(described);
        Series { names, family }
    }
}

impl Described {
    /// The name without what the format adds by itself: a counter's `_total`, and the unit.
    pub(crate) fn parts(&self) -> (&'static str, Option<Unit>) {
        let name = match self.kind {
            Kind::Counter => self.name.strip_suffix("_total").unwrap_or(self.name),
            Kind::Gauge | Kind::Histogram => self.name,
        };
        if let Some(name) = name.strip_suffix("_seconds") {
            return (name, Some(Unit::Seconds));
        }
        match name.strip_suffix("_bytes") {
            Some(name) => (name, Some(Unit::Bytes)),
            None => (name, None),
        }
    }
}

/// A gauge of whole numbers.
pub(crate) type Count = Gauge;
/// A gauge of numbers with a fraction.
pub(crate) type Amount = Gauge<f64, std::sync::atomic::AtomicU64>;
