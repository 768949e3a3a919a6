//! A run, written down: every reading of every round with what it needs to be understood. All else, the Markdown and
//! the comparison of two runs included, is made from this alone.

pub(crate) mod compare;
pub(crate) mod files;
pub(crate) mod markdown;
mod numbers;
mod stats;

use std::collections::BTreeMap;

use anyhow::Context as _;
use ecs_domain::Timestamp;
use serde::{Deserialize, Serialize};

use crate::args::Settings;
use crate::machine::Machine;

pub(crate) use stats::Stats;

/// The version of the JSON. Another one is another shape.
const SCHEMA: u32 = 1;

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    schema: u32,
    /// When it ended.
    at: Timestamp,
    /// What was measured, as git describes it; null outside a repository.
    commit: Option<String>,
    machine: Machine,
    settings: Settings,
    measures: Vec<Measure>,
    rows: Vec<Row>,
}

/// Something that was measured once in each round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measure {
    /// Unique. A load `x` over HTTP also has `x.p50`, `x.p99`, `x.slowest`, `x.refused` and `x.generator`.
    pub(crate) name: String,
    /// The same for people.
    pub(crate) what: String,
    pub(crate) unit: Unit,
    /// For a limit that isn't measured but follows from others, whose times it adds up: their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) composed_of: Vec<String>,
    /// One reading per round, in the order of the rounds.
    pub(crate) samples: Vec<f64>,
}

/// In what a reading is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    PerSecond,
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
    Mebibytes,
    /// Cores that were kept busy.
    Cores,
    Count,
}

/// A measure as a fraction of a limit, with what it should reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The name of the measure.
    pub(crate) measure: String,
    /// The name of the measure that it is held against, round by round. A row without one has an absolute goal.
    pub(crate) limit: Option<String>,
    pub(crate) goal: Option<Goal>,
    /// Why there is no limit where there should be one: what takes it isn't there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) missing: Option<String>,
}

/// What a median should be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    /// The fraction is at least this.
    FractionAtLeast(f64),
    /// The reading itself is at most this.
    AtMost(f64),
}

/// The readings of one round, by name.
pub(crate) type Values = BTreeMap<String, f64>;

impl Unit {
    /// Rates should be high, all else low.
    pub(crate) fn more_is_better(self) -> bool {
        self == Self::PerSecond
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Seconds => " s",
            Self::Milliseconds => " ms",
            Self::Microseconds => " µs",
            Self::Nanoseconds => " ns",
            Self::Mebibytes => " MiB",
            Self::Cores => " cores",
            Self::Count => "",
        }
    }
}

impl Measure {
    pub(crate) fn new(name: impl Into<String>, what: impl Into<String>, unit: Unit) -> Self {
        Self { name: name.into(), what: what.into(), unit, composed_of: Vec::new(), samples: Vec::new() }
    }

    /// The rate at which one thing after the other could pass all these parts, were there nothing else.
    pub(crate) fn composed(name: impl Into<String>, what: impl Into<String>, parts: &[&str]) -> Self {
        let composed_of = parts.iter().map(|part| (*part).to_owned()).collect();
        Self { composed_of, ..Self::new(name, what, Unit::PerSecond) }
    }

    fn read(&mut self, round: &Values) -> anyhow::Result<()> {
        let reading = |name: &String| {
            round.get(name).copied().with_context(|| format!("a round has no reading of {name}"))
        };
        let sample = if self.composed_of.is_empty() {
            reading(&self.name)?
        } else {
            1.0 / self.composed_of.iter().map(|part| reading(part).map(f64::recip)).sum::<Result<f64, _>>()?
        };
        self.samples.push(sample);
        Ok(())
    }
}

impl Report {
    /// What the rounds come to.
    pub(crate) fn of(
        settings: Settings,
        mut measures: Vec<Measure>,
        rows: Vec<Row>,
        rounds: &[Values],
    ) -> anyhow::Result<Self> {
        for round in rounds {
            for measure in &mut measures {
                measure.read(round)?;
            }
            let unknown = round.keys().find(|name| measures.iter().all(|measure| measure.name != **name));
            anyhow::ensure!(unknown.is_none(), "nothing says what {unknown:?} is");
        }
        let report = Self {
            schema: SCHEMA,
            at: Timestamp::now(),
            commit: crate::machine::commit(),
            machine: Machine::read(),
            settings,
            measures,
            rows,
        };
        report.check()?;
        Ok(report)
    }

    /// Reads the JSON.
    pub(crate) fn parse(json: &str) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let Version { schema } = serde_json::from_str(json).context("no report of this benchmark")?;
        anyhow::ensure!(schema == SCHEMA, "the report has schema {schema}, this binary reads {SCHEMA}");
        let report: Self = serde_json::from_str(json)?;
        report.check()?;
        Ok(report)
    }

    /// What the functions below rely on: rows name measures, and each measure has a reading.
    fn check(&self) -> anyhow::Result<()> {
        for name in self.rows.iter().flat_map(|row| row.limit.iter().chain([&row.measure])) {
            anyhow::ensure!(self.measure(name).is_some(), "a row names {name}, which was not measured");
        }
        for measure in &self.measures {
            anyhow::ensure!(!measure.samples.is_empty(), "{} was not measured", measure.name);
        }
        Ok(())
    }

    fn measure(&self, name: &str) -> Option<&Measure> {
        self.measures.iter().find(|measure| measure.name == name)
    }

    /// The readings of a measure, summed up.
    fn stats(&self, name: &str) -> Option<Stats> {
        Stats::of(self.measure(name)?.samples.iter().copied())
    }

    /// A row's fractions of its limit, each of two readings of the same round.
    fn fractions(&self, row: &Row) -> Option<Stats> {
        let (measure, limit) = (self.measure(&row.measure)?, self.measure(row.limit.as_ref()?)?);
        Stats::of(measure.samples.iter().zip(&limit.samples).map(|(value, limit)| value / limit))
    }

    /// What a row is judged by: its fraction, or its readings where it has no limit.
    fn judged(&self, row: &Row) -> Option<Stats> {
        if row.limit.is_some() { self.fractions(row) } else { self.stats(&row.measure) }
    }

    fn meets(&self, row: &Row) -> Option<bool> {
        Some(match row.goal? {
            Goal::FractionAtLeast(least) => self.fractions(row)?.median >= least,
            Goal::AtMost(most) => self.stats(&row.measure)?.median <= most,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A small run with a bit of everything, its numbers made up.
    pub(crate) fn example() -> Report {
        let json = include_str!("../../tests/golden/report.json");
        Report::parse(json).unwrap()
    }

    #[test]
    fn the_composed_limit_adds_up_times() {
        let mut limit = Measure::composed("limit", "", &["parse", "append", "fold"]);
        // 10 µs, 2.5 µs and 12.5 µs make 25 µs.
        let round = [("parse", 100_000.0), ("append", 400_000.0), ("fold", 80_000.0)];
        let round: Values = round.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        limit.read(&round).unwrap();
        assert!((limit.samples[0] - 40_000.0).abs() < 1e-6, "{:?}", limit.samples);
        assert!(Measure::composed("limit", "", &["parse", "other"]).read(&round).is_err());
    }

    #[test]
    fn fractions_are_formed_within_a_round() {
        let report = example();
        let row = &report.rows[0];
        let fractions = report.fractions(row).unwrap();
        // 40, 50 and 30 of 50, 100 and 50 thousand.
        assert_eq!((fractions.least, fractions.median, fractions.most), (0.5, 0.6, 0.8));
        assert_eq!(report.meets(row), Some(false));
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let report = example();
        assert_eq!(Report::parse(&serde_json::to_string(&report).unwrap()).unwrap(), report);
    }

    #[test]
    fn what_is_no_sound_report_is_refused() {
        let check = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut json = serde_json::to_value(example()).unwrap();
            change(&mut json);
            assert!(Report::parse(&json.to_string()).is_err(), "{json}");
        };
        check(&|json| json["schema"] = 2.into());
        check(&|json| json["rows"][0]["limit"] = "nothing".into());
        check(&|json| json["measures"][0]["samples"] = serde_json::json!([]));
    }
}
