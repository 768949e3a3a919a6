//! Makes artefacts of networks. What their golden rows expect is computed here in double precision.

use std::fs;
use std::path::Path;

use ecs_models::Files;
use sha2::{Digest as _, Sha256};

use super::proto::{FLOAT, Graph};

/// How many values a row has.
pub(crate) const WIDTH: usize = 4;
pub(crate) const WEIGHTS: [f64; WIDTH] = [-0.03125, 0.0078125, 0.0625, -0.001953125];
pub(crate) const BIAS: f64 = -0.5;
/// What the card compares with, and what stands in for what is missing.
pub(crate) const REFERENCES: [f64; WIDTH] = [36.0, 85.0, 0.25, 870.0];

/// The three files of an artefact.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) card: String,
    pub(crate) model: Vec<u8>,
    pub(crate) golden: String,
}

/// The probability by a regression that all of these networks compute.
pub(crate) fn regression(row: &[Option<f64>]) -> f64 {
    let values = row.iter().zip(REFERENCES).map(|(value, reference)| value.unwrap_or(reference));
    let log_odds: f64 = values.zip(WEIGHTS).map(|(value, weight)| value * weight).sum();
    1.0 / (1.0 + (-log_odds - BIAS).exp())
}

pub(crate) fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

/// The regression in single precision, without its last step.
pub(crate) fn log_odds() -> Graph {
    Graph::default()
        .input("row", FLOAT, &[-1, 4])
        .weights("weights", &[4, 1], &single(&WEIGHTS))
        .weights("bias", &[1], &[BIAS as f32])
        .node("MatMul", &["row", "weights"], "sum")
        .node("Add", &["sum", "bias"], "log_odds")
}

/// All of it.
pub(crate) fn logistic() -> Graph {
    log_odds().node("Sigmoid", &["log_odds"], "p").output("p")
}

/// The same as the second of two outcomes, which together have all of the probability.
pub(crate) fn both_outcomes() -> Graph {
    let weights: Vec<f64> = WEIGHTS.iter().flat_map(|weight| [0.0, *weight]).collect();
    Graph::default()
        .input("row", FLOAT, &[-1, 4])
        .weights("weights", &[4, 2], &single(&weights))
        .weights("bias", &[2], &[0.0, BIAS as f32])
        .node("Gemm", &["row", "weights", "bias"], "log_odds")
        .node("Softmax", &["log_odds"], "p")
        .output("p")
}

/// Rows that are spread, some values missing.
fn rows() -> Vec<Vec<Option<f64>>> {
    let value = |number: u32, place: u32| {
        let draw = (number * 7_919 + place * 104_729 + number * place * 37) % 23;
        (draw < 21).then(|| f64::from(draw) * [4.0, 12.0, 1.5, 90.0][place as usize])
    };
    (0..200).map(|number| (0..4).map(|place| value(number, place)).collect()).collect()
}

impl Made {
    /// An artefact of this file, whose golden rows are those of the regression.
    pub(crate) fn of(model: Vec<u8>) -> Self {
        let row = |row: Vec<Option<f64>>| serde_json::json!({"inputs": row, "risk_score": regression(&row)});
        let rows: Vec<_> = rows().into_iter().map(row).collect();
        let golden = serde_json::json!({"format": 1, "rows": rows}).to_string();
        Self { card: card(), model, golden }
    }

    pub(crate) fn graph(graph: &Graph) -> Self {
        Self::of(graph.file(17))
    }

    /// With another card.
    pub(crate) fn card(mut self, from: &str, to: &str) -> Self {
        assert!(self.card.contains(from), "{from} is not there");
        self.card = self.card.replace(from, to);
        self
    }

    /// With the digests of its files in the card.
    pub(crate) fn sealed(mut self) -> Self {
        let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
        self.card = self
            .card
            .replace("{model}", &digest(&self.model))
            .replace("{golden}", &digest(self.golden.as_bytes()));
        self
    }

    pub(crate) fn files(&self) -> Files<'_> {
        Files { card: self.card.as_bytes(), model: &self.model, golden: self.golden.as_bytes() }
    }

    /// Writes it into its folder among these.
    pub(crate) fn write(&self, folder: &Path) {
        let place = folder.join("net-1");
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("model.onnx"), &self.model).unwrap();
        fs::write(place.join("golden.json"), &self.golden).unwrap();
        fs::write(place.join("card.toml"), &self.card).unwrap();
    }
}

fn card() -> String {
    let names = [
        "transaction_count_30d",
        "avg_transaction_value_30d",
        "days_since_last_transaction",
        "account_age_days",
    ];
    let feature = |(name, reference): (&str, f64)| {
        format!(
            "[[features]]\nname = \"{name}\"\nunit = \"1\"\ndirection = \"either\"\nreference = {reference:?}\n"
        )
    };
    let features: String = names.into_iter().zip(REFERENCES).map(feature).collect();
    format!(
        "format = 1\nversion = \"net-1\"\nkind = \"onnx\"\npurpose = \"tests\"\nuses_emotions = false\n\
         trained_at = 2026-01-31\nlimits = [\"made up\"]\n\
         [data]\nsource = \"none\"\nrows_trained = 0\nrows_evaluated = 0\nseed = 1\npositives = 0\n{features}\
         [metrics]\nauc = 0.5\noracle_auc = 1.0\nece = 0.0\nlog_loss = 0.7\n\
         [onnx]\noutput = \"p\"\ncolumn = 0\ntolerance = 2e-6\n\
         [files]\n\"model.onnx\" = \"{{model}}\"\n\"golden.json\" = \"{{golden}}\"\n"
    )
}
