//! What is measured, and against what. A group is a few rows with the limits that belong beside them: it says as data
//! what it measures, and takes all of it once per round.

mod assessments;
mod decisions;
mod drain;
mod draining;
mod durable;
pub(crate) mod emotions;
pub(crate) mod engines;
mod import;
mod lines;
mod start;
mod transactions;
pub(crate) mod transports;

use std::path::Path;

use crate::bench::Bench;
use crate::load::{Measured, as_f64};
pub(crate) use crate::report::{Goal, Measure, Row, Unit, Values};

/// Rows and limits that are taken together.
pub(crate) struct Group {
    /// For whoever waits.
    pub(crate) name: String,
    pub(crate) measures: Vec<Measure>,
    /// Limits may be measures of other groups.
    pub(crate) rows: Vec<Row>,
    /// Takes a reading of each measure that isn't composed.
    pub(crate) take: Take,
}

type Take = Box<dyn Fn(&Bench, &mut Values) -> anyhow::Result<()>>;

/// Every group there is, in the order of the report. `cdnow` is a file to import.
pub(crate) fn all(cdnow: Option<&Path>) -> Vec<Group> {
    let mut groups: Vec<Group> = emotions::CONNECTIONS.map(emotions::group).into();
    groups.extend([drain::group(), drain::consume_group(), lines::group(), transactions::group()]);
    groups.extend([decisions::group(), assessments::group(), start::group()]);
    groups.extend(cdnow.map(import::group));
    groups
}

/// The rows whose name has one of these words in it, and whatever their limits need.
pub(crate) fn select(mut groups: Vec<Group>, words: &[String]) -> Vec<Group> {
    if words.is_empty() {
        return groups;
    }
    for group in &mut groups {
        group.rows.retain(|row| words.iter().any(|word| row.measure.contains(word)));
    }
    let parts = |name: &str| {
        let measure = groups.iter().flat_map(|group| &group.measures).find(|measure| measure.name == name);
        measure.map(|measure| measure.composed_of.clone()).unwrap_or_default()
    };
    let rows = groups.iter().flat_map(|group| &group.rows);
    let mut needed: Vec<String> =
        rows.flat_map(|row| row.limit.iter().chain([&row.measure])).cloned().collect();
    let parts: Vec<String> = needed.iter().flat_map(|name| parts(name)).collect();
    needed.extend(parts);
    groups.retain(|group| group.measures.iter().any(|measure| needed.contains(&measure.name)));
    // What a group could compose but no row asks for may have its parts in a group that is left out.
    for group in &mut groups {
        group.measures.retain(|it| it.composed_of.is_empty() || needed.contains(&it.name));
    }
    groups
}

impl Row {
    fn of(measure: &str, limit: &str) -> Self {
        Self { limit: Some(limit.to_owned()), ..Self::alone(measure) }
    }

    /// A row with nothing to be held against.
    fn alone(measure: &str) -> Self {
        Self { measure: measure.to_owned(), limit: None, goal: None, missing: None }
    }

    /// A row whose limit can't be taken here, and why.
    fn without(measure: &str, missing: &str) -> Self {
        Self { missing: Some(missing.to_owned()), ..Self::alone(measure) }
    }

    fn with(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }
}

/// What is read of each load on the platform.
fn load_measures(name: &str, what: &str) -> Vec<Measure> {
    let more = [
        ("p50", "p50", Unit::Milliseconds),
        ("p99", "p99", Unit::Milliseconds),
        ("slowest", "slowest", Unit::Milliseconds),
        ("refused", "refused requests", Unit::Count),
        ("generator", "the load generator", Unit::Cores),
    ];
    let more = more.into_iter().map(|(suffix, reading, unit)| {
        Measure::new(format!("{name}.{suffix}"), format!("{what}: {reading}"), unit)
    });
    std::iter::once(Measure::new(name, what, Unit::PerSecond)).chain(more).collect()
}

/// The readings of [`load_measures`].
fn note_load(values: &mut Values, name: &str, measured: &Measured) {
    let latencies = measured.latencies.percentiles();
    let more = [
        ("p50", latencies.p50_ms),
        ("p99", latencies.p99_ms),
        ("slowest", latencies.max_ms),
        ("refused", as_f64(measured.refused)),
        ("generator", measured.generator_cores),
    ];
    values.insert(name.to_owned(), measured.rate);
    values.extend(more.map(|(suffix, value)| (format!("{name}.{suffix}"), value)));
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a mean of some thousands at most"
)]
fn batch_size(mean: f64) -> usize {
    mean.round().max(1.0) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::settings::{Mode, Over, Settings};

    fn names(groups: &[Group]) -> BTreeSet<&str> {
        groups.iter().flat_map(|group| &group.measures).map(|measure| measure.name.as_str()).collect()
    }

    /// The sets of rows there are, with everything in them.
    fn sets() -> [Box<dyn Fn() -> Vec<Group>>; 3] {
        let settings = Settings::of(Over::Engines, Mode::Long);
        [
            Box::new(|| all(Some(Path::new("file")))),
            Box::new(move || engines::all(&settings, &[])),
            Box::new(transports::all),
        ]
    }

    #[test]
    fn what_rows_need_comes_with_them() {
        sets().iter().for_each(|everything| complete(everything.as_ref()));
    }

    /// Whatever is chosen, everything that a row or a limit names is there.
    fn complete(all: &dyn Fn() -> Vec<Group>) {
        let everything = all();
        let mut choices: Vec<Vec<String>> =
            everything.iter().flat_map(|group| &group.rows).map(|row| vec![row.measure.clone()]).collect();
        choices.push(Vec::new());
        for words in choices {
            let groups = select(all(), &words);
            let names = names(&groups);
            let rows = groups.iter().flat_map(|group| &group.rows);
            for name in rows.flat_map(|row| row.limit.iter().chain([&row.measure])) {
                assert!(names.contains(name.as_str()), "{words:?}: {name}");
            }
            let measures = groups.iter().flat_map(|group| &group.measures);
            for part in measures.flat_map(|measure| &measure.composed_of) {
                assert!(names.contains(part.as_str()), "{words:?}: {part}");
            }
        }
    }

    #[test]
    fn every_name_is_one_measure() {
        for groups in sets().iter().map(|all| all()) {
            let count = groups.iter().map(|group| group.measures.len()).sum::<usize>();
            assert_eq!(names(&groups).len(), count);
        }
    }

    #[test]
    fn the_largest_tables_are_there_when_they_are_asked_for() {
        let check = |mode: Mode, word: &str, expect: bool| {
            let groups = engines::all(&Settings::of(Over::Engines, mode), &[word.to_owned()]);
            assert_eq!(names(&groups).contains("backlog.1e7"), expect, "{mode:?} {word}");
        };
        check(Mode::Default, "backlog", false);
        check(Mode::Default, "backlog.1e7", true);
        check(Mode::Long, "backlog", true);
    }

    #[test]
    fn rows_are_chosen_by_words() {
        let check = |words: &[&str], expect: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let groups = select(all(None), &words);
            let rows: BTreeSet<_> =
                groups.iter().flat_map(|group| &group.rows).map(|row| row.measure.as_str()).collect();
            assert_eq!(rows, expect.iter().copied().collect(), "{words:?}");
        };
        check(&["emotions.64", "cached"], &["decisions.cached", "decisions.uncached", "emotions.64"]);
        check(&["transactions"], &["transactions"]);
        check(&["nothing"], &[]);
    }
}
