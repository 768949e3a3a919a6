//! Makes small artefacts, for tests. What their golden rows expect is computed by their own slow way: steps are counted, trees are
//! asked, and Shapley values are added up over every subset.

use std::fs;
use std::io;
use std::path::Path;

use ecs_domain::model::Direction;
use ecs_domain::scorecard::Input;
use serde_json::{Value, json};

use crate::artefact::{CARD, Files, GOLDEN, MODEL};
use crate::digest;

/// How many golden rows there are.
const ROWS: u64 = 200;

/// The three files of an artefact.
#[derive(Debug, Clone)]
pub struct Made {
    /// The name of its folder.
    pub version: String,
    /// `card.toml`.
    pub card: String,
    /// `model.json`.
    pub model: String,
    /// `golden.json`.
    pub golden: String,
}

/// What more of each input does in these artefacts.
fn direction(input: Input) -> Direction {
    match input {
        Input::TransactionCount30d | Input::AccountAgeDays => Direction::Lowers,
        Input::DaysSinceLastTransaction | Input::AvgStress7d => Direction::Raises,
        _ => Direction::Either,
    }
}

/// The inputs of a model without emotions, or with them.
fn inputs(emotions: bool) -> Vec<Input> {
    Input::ALL.into_iter().filter(|input| emotions || !input.is_emotional()).collect()
}

fn reference(input: Input) -> f64 {
    if input.most() <= 1.0 { 0.5 } else { 10.0 }
}

/// A sum of steps: two for each feature, and a pair.
#[must_use]
pub fn additive(version: &str, emotions: bool) -> Made {
    let step = |(at, input): (usize, &Input)| {
        let scale = input.most().min(20.0);
        let sign = if direction(*input) == Direction::Lowers { -0.4 } else { 0.4 };
        json!({"features": [at], "edges": [[0.25 * scale, 0.5 * scale]],
               "values": [0.0, sign, 1.5 * sign, 0.1]})
    };
    let mut terms: Vec<Value> = inputs(emotions).iter().enumerate().map(step).collect();
    terms.push(json!({"features": [1, 0], "edges": [[100.0], [5.0]],
                      "values": [0.1, -0.1, 0.2, 0.05, -0.15, 0.3, 0.0, 0.0, 0.0]}));
    let model = json!({"format": 1, "kind": "additive", "intercept": -1.25, "terms": terms});
    Made::of(version, emotions, &model)
}

/// A sum of two trees.
#[must_use]
pub fn trees(version: &str, emotions: bool) -> Made {
    let last = if emotions { 6 } else { 2 };
    let tree = json!({"feature": [0, 1, last], "threshold": [5.5, 100.0, 0.5], "left": [1, -1, -3], "right": [2, -2, -4],
                      "missing_left": [true, false, true], "leaf": [0.5, 0.75, -0.5, -0.25]});
    let constant =
        json!({"feature": [], "threshold": [], "left": [], "right": [], "missing_left": [], "leaf": [0.125]});
    let model = json!({"format": 1, "kind": "trees", "intercept": -1.0, "trees": [tree, constant]});
    Made::of(version, emotions, &model)
}

/// A mock.
#[must_use]
pub fn random(version: &str) -> Made {
    Made::of(version, false, &json!({"format": 1, "kind": "random"}))
}

impl Made {
    fn of(version: &str, emotions: bool, model: &Value) -> Self {
        let golden = json!({"format": 1, "rows": golden(&inputs(emotions), model)});
        let model_text = model.to_string();
        let kind = model["kind"].as_str().unwrap_or_default();
        let made = Self {
            version: version.to_owned(),
            card: String::new(),
            model: model_text,
            golden: golden.to_string(),
        };
        Self { card: card(version, kind, emotions, &made), ..made }
    }

    /// As its reader takes it.
    #[must_use]
    pub fn files(&self) -> Files<'_> {
        Files { card: self.card.as_bytes(), model: self.model.as_bytes(), golden: self.golden.as_bytes() }
    }

    /// With another model or other golden rows, and a card that fits them.
    #[must_use]
    pub fn with(self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.clone();
        change(&mut changed);
        let card = changed
            .card
            .replace(&digest(self.model.as_bytes()), &digest(changed.model.as_bytes()))
            .replace(&digest(self.golden.as_bytes()), &digest(changed.golden.as_bytes()));
        Self { card, ..changed }
    }

    /// Writes it into its folder among these, the card last.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let place = folder.join(&self.version);
        fs::create_dir_all(&place)?;
        fs::write(place.join(MODEL), &self.model)?;
        fs::write(place.join(GOLDEN), &self.golden)?;
        fs::write(place.join(CARD), &self.card)
    }
}

fn card(version: &str, kind: &str, emotions: bool, made: &Made) -> String {
    let feature = |input: Input| {
        let direction = match direction(input) {
            Direction::Raises => "raises",
            Direction::Lowers => "lowers",
            Direction::Either => "either",
        };
        let (name, reference) = (input.as_str(), reference(input));
        format!(
            "[[features]]\nname = \"{name}\"\nunit = \"1\"\ndirection = \"{direction}\"\nreference = {reference:?}\n"
        )
    };
    let features: String = inputs(emotions).into_iter().map(feature).collect();
    format!(
        "format = 1\nversion = \"{version}\"\nkind = \"{kind}\"\npurpose = \"tests\"\nuses_emotions = {emotions}\n\
         trained_at = 2026-01-31\nlimits = [\"made up\"]\n\
         [data]\nsource = \"none\"\nrows_trained = 0\nrows_evaluated = 0\nseed = 1\npositives = 0\n{features}\
         [metrics]\nauc = 0.5\noracle_auc = 1.0\nece = 0.0\nlog_loss = 0.7\n\
         [files]\n\"model.json\" = \"{}\"\n\"golden.json\" = \"{}\"\n",
        digest(made.model.as_bytes()),
        digest(made.golden.as_bytes())
    )
}

type Row = Vec<Option<f64>>;

/// Rows that are spread over what matters, some values missing and some on edges.
fn golden(inputs: &[Input], model: &Value) -> Vec<Value> {
    let value = |number: u64, place: u64, input: &Input| {
        let draw = (number * 7_919 + place * 104_729 + number * place * 31) % 23;
        let step = u32::try_from(draw).unwrap_or_default();
        (step < 21)
            .then(|| f64::from(step) / 20.0 * input.most().min(20.0) * if place == 1 { 10.0 } else { 1.0 })
    };
    let row = |number: u64| -> Row {
        (0..).zip(inputs).map(|(place, input)| value(number, place, input)).collect()
    };
    (0..ROWS).map(|number| answer(inputs, model, &row(number))).collect()
}

fn answer(inputs: &[Input], model: &Value, row: &Row) -> Value {
    let references: Row = inputs.iter().map(|input| Some(reference(*input))).collect();
    let mixed = |subset: usize| {
        let value = |place: usize| if subset & (1 << place) == 0 { references[place] } else { row[place] };
        log_odds(model, &(0..row.len()).map(value).collect::<Row>())
    };
    let subsets: Vec<f64> = (0..1 << row.len()).map(mixed).collect();
    let log_odds = subsets.last().copied().unwrap_or_default();
    json!({"inputs": row, "log_odds": log_odds, "risk_score": 1.0 / (1.0 + (-log_odds).exp()),
           "base_log_odds": subsets.first(), "contributions": shapley(row.len(), &subsets)})
}

fn shapley(features: usize, subsets: &[f64]) -> Vec<f64> {
    let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
    let all = u32::try_from(features).unwrap_or_default();
    let of = |place: usize| {
        let without = (0..subsets.len()).filter(|subset| subset & (1 << place) == 0);
        let added = without.map(|subset| {
            let before = subset.count_ones();
            factorial(before) * factorial(all - before - 1) / factorial(all)
                * (subsets[subset | (1 << place)] - subsets[subset])
        });
        added.sum()
    };
    (0..features).map(of).collect()
}

fn log_odds(model: &Value, row: &Row) -> f64 {
    let terms: f64 = list(&model["terms"]).iter().map(|term| of_term(term, row)).sum();
    let trees: f64 = list(&model["trees"]).iter().map(|tree| of_tree(tree, 0, row)).sum();
    number(&model["intercept"]) + terms + trees
}

fn of_term(term: &Value, row: &Row) -> f64 {
    let mut place = 0;
    for (feature, edges) in list(&term["features"]).iter().zip(list(&term["edges"])) {
        let edges = list(edges);
        let bin = match row[whole(feature)] {
            Some(value) => edges.iter().filter(|edge| number(edge) <= value).count(),
            None => edges.len() + 1,
        };
        place = place * (edges.len() + 2) + bin;
    }
    number(&term["values"][place])
}

fn of_tree(tree: &Value, at: i64, row: &Row) -> f64 {
    let leaf = |at: i64| number(&tree["leaf"][usize::try_from(-(at + 1)).unwrap_or_default()]);
    if at < 0 || list(&tree["feature"]).is_empty() {
        return leaf(at.min(-1));
    }
    let node = usize::try_from(at).unwrap_or_default();
    let left = match row[whole(&tree["feature"][node])] {
        Some(value) => value <= number(&tree["threshold"][node]),
        None => tree["missing_left"][node] == true,
    };
    let child = &tree[if left { "left" } else { "right" }][node];
    of_tree(tree, child.as_i64().unwrap_or_default(), row)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

fn whole(value: &Value) -> usize {
    value.as_u64().and_then(|value| usize::try_from(value).ok()).unwrap_or_default()
}
