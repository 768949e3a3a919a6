//! Assessments: one model at a time over many people, with contributions, in this process and on one core.
//!
//! Those that are in the binary are measured as they are. The others are made here, larger than any that should decide.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ecs_domain::features::{EmotionFeatures, EmotionMeans, Features};
use ecs_domain::model::{Card, Direction, Feature, Learned, Model, WIDTH, additive, trees};
use ecs_domain::scorecard::Input;
use ecs_models::{Registry, SHIPPED};

use super::{Goal, Group, Measure, Row, Unit, Values};
use crate::bench::Bench;
use crate::load::as_f64;

/// What an assessment may take at most.
const MOST_NANOSECONDS: f64 = 50_000.0;
/// How many people are assessed in turn.
const PEOPLE: usize = 1_024;
/// Of the trees that are made here.
const TREES: usize = 200;
const NODES: usize = 31;
/// Of the steps that are made here.
const EDGES: usize = 64;
const PAIR_EDGES: usize = 16;

pub(super) fn group() -> Group {
    let names = names();
    let measure = |(name, what): &(String, String)| Measure::new(name, what, Unit::Nanoseconds);
    let row = |(name, _): &(String, String)| Row::alone(name).with(Goal::AtMost(MOST_NANOSECONDS));
    Group {
        name: "assessments".to_owned(),
        measures: names.iter().map(measure).collect(),
        rows: names.iter().map(row).collect(),
        take: Box::new(take),
    }
}

/// The measures there are, with what they are.
fn names() -> Vec<(String, String)> {
    let made = [
        (
            "additive".to_owned(),
            format!("an assessment by {WIDTH} features and {} pairs in steps", WIDTH - 1),
        ),
        ("trees".to_owned(), format!("an assessment by {TREES} trees of {NODES} questions")),
    ];
    let shipped = std::iter::once("scorecard-1").chain(SHIPPED.iter().map(|(version, _)| *version));
    let shipped = shipped.map(|version| (version.to_owned(), format!("an assessment by {version}")));
    made.into_iter().chain(shipped).map(|(name, what)| (format!("assessments.{name}"), what)).collect()
}

fn take(bench: &Bench, values: &mut Values) -> anyhow::Result<()> {
    let mut draw = Draw(7);
    let people: Vec<Features> = (0..PEOPLE).map(|_| person(&mut draw)).collect();
    let mut models = vec![
        ("additive", Model::Learned(Box::new(Learned::additive(card(), steps(&mut draw))?))),
        ("trees", Model::Learned(Box::new(Learned::trees(card(), forest(&mut draw))?))),
    ];
    for version in std::iter::once("scorecard-1").chain(SHIPPED.iter().map(|(version, _)| *version)) {
        models.push((version, Registry::default().find(version)?));
    }
    for (name, model) in &models {
        values.insert(format!("assessments.{name}"), nanoseconds(model, &people, bench.settings.limit()));
    }
    Ok(())
}

/// What one assessment takes.
fn nanoseconds(model: &Model, people: &[Features], time: Duration) -> f64 {
    let (begun, mut assessed) = (Instant::now(), 0);
    while begun.elapsed() < time || assessed == 0 {
        for features in people {
            black_box(model.assess(black_box(features)));
        }
        assessed += people.len() as u64;
    }
    begun.elapsed().as_secs_f64() * 1e9 / as_f64(assessed)
}

/// Numbers that look random and are the same in every run: the generator of Lehmer, with the factor of Park and Miller.
struct Draw(u64);

impl Draw {
    /// Between 0 and 1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0 * 48_271 % 2_147_483_647;
        as_f64(self.0) / 2_147_483_647.0
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0 * 48_271 % 2_147_483_647;
        usize::try_from(self.0).unwrap_or_default() % end
    }
}

/// Where a feature is usually at most.
fn scale(input: Input) -> f64 {
    if input.most() > 1.0 { 100.0 } else { 1.0 }
}

fn person(draw: &mut Draw) -> Features {
    let mut unit = || draw.unit();
    let means = EmotionMeans { positivity: unit(), intensity: unit(), stress: unit() };
    let (age, value, last) = (unit() * 100.0, unit() * 100.0, unit() * 100.0);
    let mut count = || draw.below(100) as u64;
    Features {
        transaction_count_30d: count(),
        avg_transaction_value_30d: value,
        days_since_last_transaction: Some(last),
        account_age_days: age,
        emotions: Some(EmotionFeatures {
            means_7d: Some(means),
            stress_events_7d: count(),
            stress_events_30d: count(),
        }),
    }
}

fn card() -> Card {
    let feature =
        |input: Input| Feature { input, direction: Direction::Either, reference: scale(input) / 2.0 };
    let features = Input::ALL.map(feature).to_vec();
    Card { version: "made".to_owned(), digest: String::new(), features }
}

/// Every feature, and each with the next.
fn steps(draw: &mut Draw) -> additive::Parts {
    let edges = |place: usize, count: usize| -> Vec<f64> {
        (1..=count)
            .map(|at| scale(Input::ALL[place]) * as_f64(at as u64) / as_f64(count as u64 + 1))
            .collect()
    };
    let mut values = |count: usize| (0..count).map(|_| draw.unit() - 0.5).collect();
    let mut terms: Vec<additive::TermParts> = Vec::new();
    for place in 0..WIDTH {
        let (features, edges) = (vec![place], vec![edges(place, EDGES)]);
        terms.push(additive::TermParts { features, edges, values: values(EDGES + 2) });
    }
    for place in 1..WIDTH {
        let features = vec![place - 1, place];
        let edges = vec![edges(place - 1, PAIR_EDGES), edges(place, PAIR_EDGES)];
        terms.push(additive::TermParts { features, edges, values: values((PAIR_EDGES + 2).pow(2)) });
    }
    additive::Parts { intercept: -1.0, terms }
}

fn forest(draw: &mut Draw) -> trees::Parts {
    trees::Parts { intercept: -1.0, trees: (0..TREES).map(|_| tree(draw)).collect() }
}

/// A full tree: the children of question `n` are `2n + 1` and `2n + 2`, and behind the questions stand the leaves.
fn tree(draw: &mut Draw) -> trees::TreeParts {
    let features: Vec<usize> = (0..NODES).map(|_| draw.below(WIDTH)).collect();
    let child = |at: usize| {
        let number = |at: usize| i64::try_from(at).unwrap_or_default();
        if at < NODES { number(at) } else { -number(at - NODES) - 1 }
    };
    trees::TreeParts {
        threshold: features.iter().map(|place| draw.unit() * scale(Input::ALL[*place])).collect(),
        left: (0..NODES).map(|at| child(2 * at + 1)).collect(),
        right: (0..NODES).map(|at| child(2 * at + 2)).collect(),
        missing_left: (0..NODES).map(|at| at % 2 == 0).collect(),
        leaf: (0..=NODES).map(|_| draw.unit() - 0.5).collect(),
        feature: features,
    }
}
