//! `model.json`: what a model computes.

use ecs_domain::model::{Card, Kind, Learned, additive, trees};
use serde::Deserialize;

use crate::artefact::{MODEL, known_format, malformed};
use crate::error::Refused;
use crate::exact::{Exact, floats};

#[derive(Deserialize)]
struct Head {
    format: u32,
    kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileAdditive {
    #[serde(rename = "format")]
    _format: u32,
    #[serde(rename = "kind")]
    _kind: String,
    intercept: Exact,
    terms: Vec<FileTerm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTerm {
    features: Vec<usize>,
    edges: Vec<Vec<Exact>>,
    values: Vec<Exact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTrees {
    #[serde(rename = "format")]
    _format: u32,
    #[serde(rename = "kind")]
    _kind: String,
    intercept: Exact,
    trees: Vec<FileTree>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTree {
    feature: Vec<usize>,
    threshold: Vec<Exact>,
    left: Vec<i64>,
    right: Vec<i64>,
    missing_left: Vec<bool>,
    leaf: Vec<Exact>,
}

/// Reads a model of this kind, and holds it against its card.
pub(crate) fn parse(bytes: &[u8], kind: Kind, card: Card) -> Result<Learned, Refused> {
    let head: Head = serde_json::from_slice(bytes).map_err(malformed(MODEL))?;
    known_format(MODEL, head.format)?;
    if head.kind != kind.as_str() {
        let text = format!("is of the kind {}, and its card says {}", head.kind, kind.as_str());
        return Err(Refused::Malformed { file: MODEL, text });
    }
    Ok(match kind {
        Kind::Additive => {
            let file: FileAdditive = serde_json::from_slice(bytes).map_err(malformed(MODEL))?;
            Learned::additive(card, file.into())?
        }
        Kind::Trees => {
            let file: FileTrees = serde_json::from_slice(bytes).map_err(malformed(MODEL))?;
            Learned::trees(card, file.into())?
        }
        // A scorecard and a network have files of other forms.
        Kind::Random | Kind::Scorecard | Kind::Onnx => Learned::random(card)?,
    })
}

impl From<FileAdditive> for additive::Parts {
    fn from(file: FileAdditive) -> Self {
        let term = |term: FileTerm| additive::TermParts {
            features: term.features,
            edges: term.edges.into_iter().map(floats).collect(),
            values: floats(term.values),
        };
        Self { intercept: file.intercept.0, terms: file.terms.into_iter().map(term).collect() }
    }
}

impl From<FileTrees> for trees::Parts {
    fn from(file: FileTrees) -> Self {
        let tree = |tree: FileTree| trees::TreeParts {
            feature: tree.feature,
            threshold: floats(tree.threshold),
            left: tree.left,
            right: tree.right,
            missing_left: tree.missing_left,
            leaf: floats(tree.leaf),
        };
        Self { intercept: file.intercept.0, trees: file.trees.into_iter().map(tree).collect() }
    }
}
