//! `card.toml`: what a model is, what it looks at, how good it is, and which files belong to it.

use ecs_domain::model::{Card, Direction, Feature, Kind};
use ecs_domain::scorecard::Input;
use serde::Deserialize;
use toml::Spanned;

use crate::artefact::{CARD, MODEL, ONNX, known_format};
use crate::digest;
use crate::error::Refused;
use crate::onnx::Output;

/// What people should know of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// What it is for.
    pub purpose: String,
    /// The day of its training.
    pub trained_at: String,
    /// What it can't do.
    pub limits: Vec<String>,
    /// How good it was on data that it hadn't seen.
    pub metrics: Metrics,
}

/// How good a model was on data that it hadn't seen.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Metrics {
    /// The area under its ROC curve.
    pub auc: f64,
    /// That of whoever knows each person's true risk: no model is better.
    pub oracle_auc: f64,
    /// How far its probabilities are from what came about, on average.
    pub ece: f64,
    /// Its logarithmic loss.
    pub log_loss: f64,
}

/// A card that was read.
pub(crate) struct Read {
    pub(crate) card: Card,
    pub(crate) kind: Kind,
    pub(crate) about: About,
    /// Of a network alone.
    pub(crate) onnx: Option<Output>,
    pub(crate) model_file: &'static str,
    pub(crate) model_digest: String,
    pub(crate) golden_digest: String,
}

#[derive(Deserialize)]
struct File {
    format: u32,
    version: Spanned<String>,
    kind: Spanned<String>,
    purpose: String,
    uses_emotions: Spanned<bool>,
    trained_at: toml::Value,
    limits: Vec<String>,
    /// Must be there. It is for people.
    #[serde(rename = "data")]
    _data: Data,
    features: Vec<FileFeature>,
    metrics: Metrics,
    onnx: Option<Output>,
    files: Digests,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "source")]
    _source: String,
    #[serde(rename = "rows_trained")]
    _rows_trained: u64,
    #[serde(rename = "rows_evaluated")]
    _rows_evaluated: u64,
    #[serde(rename = "seed")]
    _seed: u64,
    #[serde(rename = "positives")]
    _positives: f64,
}

#[derive(Deserialize)]
struct FileFeature {
    name: Spanned<String>,
    #[serde(rename = "unit")]
    _unit: String,
    direction: Way,
    reference: f64,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Way {
    Raises,
    Lowers,
    Either,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Digests {
    #[serde(rename = "model.json")]
    model: Option<String>,
    #[serde(rename = "model.onnx")]
    onnx: Option<String>,
    #[serde(rename = "golden.json")]
    golden: String,
}

/// Reads a card.
pub(crate) fn parse(bytes: &[u8]) -> Result<Read, Refused> {
    let text = std::str::from_utf8(bytes).map_err(|error| malformed(error.to_string()))?;
    let file: File =
        toml::from_str(text).map_err(|error| malformed(error.to_string().trim_end().to_owned()))?;
    known_format(CARD, file.format)?;
    let kind = kind(text, &file.kind)?;
    if !is_version(file.version.get_ref()) {
        let text_of = "version must be of small letters, digits and hyphens".to_owned();
        return Err(Refused::Card { line: line(text, &file.version), text: text_of });
    }
    let (model_file, model_digest) = model_file(kind, &file.files)?;
    check_onnx(text, kind, &file)?;
    let features = file.features.iter().map(|it| feature(text, it)).collect::<Result<Vec<_>, _>>()?;
    let emotional = features.iter().any(|feature| feature.input.is_emotional());
    if emotional != *file.uses_emotions.get_ref() {
        let text_of = format!("uses_emotions says {}, and the features say {emotional}", !emotional);
        return Err(Refused::Card { line: line(text, &file.uses_emotions), text: text_of });
    }
    Ok(Read {
        card: Card { version: file.version.into_inner(), digest: digest(bytes), features },
        kind,
        about: About {
            purpose: file.purpose,
            trained_at: file.trained_at.to_string().trim_matches('"').to_owned(),
            limits: file.limits,
            metrics: file.metrics,
        },
        onnx: file.onnx,
        model_file,
        model_digest,
        golden_digest: file.files.golden,
    })
}

/// Whether a version can name a folder, and nothing but one in the models' folder.
pub(crate) fn is_version(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

/// The file that the model of this card is in.
pub(crate) fn model_file_of(bytes: &[u8]) -> Result<&'static str, Refused> {
    Ok(parse(bytes)?.model_file)
}

/// The version of a card that may be of another format.
pub(crate) fn version_of(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Head {
        version: String,
    }
    let head: Head = toml::from_str(std::str::from_utf8(bytes).ok()?).ok()?;
    Some(head.version)
}

/// The file that a model of this kind is in, and its digest.
fn model_file(kind: Kind, files: &Digests) -> Result<(&'static str, String), Refused> {
    let (name, due, other) = match kind {
        Kind::Onnx => (ONNX, &files.onnx, &files.model),
        Kind::Additive | Kind::Trees | Kind::Random | Kind::Scorecard => (MODEL, &files.model, &files.onnx),
    };
    match (due, other) {
        (Some(digest), None) => Ok((name, digest.clone())),
        _ => {
            Err(malformed(format!("[files] of the kind {} must name {name} and golden.json", kind.as_str())))
        }
    }
}

fn check_onnx(text: &str, kind: Kind, file: &File) -> Result<(), Refused> {
    let fault = match &file.onnx {
        Some(output) if kind == Kind::Onnx => output.fault(),
        None if kind != Kind::Onnx => None,
        _ => Some("of the kind onnx, and of no other, [onnx] says what comes out".to_owned()),
    };
    fault.map_or(Ok(()), |fault| Err(Refused::Card { line: line(text, &file.kind), text: fault }))
}

fn malformed(text: String) -> Refused {
    Refused::Malformed { file: CARD, text }
}

/// A scorecard has a file of another form.
fn kind(text: &str, name: &Spanned<String>) -> Result<Kind, Refused> {
    let kinds = [Kind::Additive, Kind::Trees, Kind::Onnx, Kind::Random];
    let known = kinds.into_iter().find(|kind| kind.as_str() == name.get_ref());
    known.ok_or_else(|| Refused::Card {
        line: line(text, name),
        text: format!("{} is no kind; there are additive, trees, onnx and random", name.get_ref()),
    })
}

fn feature(text: &str, feature: &FileFeature) -> Result<Feature, Refused> {
    let name = &feature.name;
    let input = Input::ALL.into_iter().find(|input| input.as_str() == name.get_ref());
    let input = input.ok_or_else(|| Refused::Card {
        line: line(text, name),
        text: format!(
            "{} is not a feature; there are {}",
            name.get_ref(),
            Input::ALL.map(Input::as_str).join(", ")
        ),
    })?;
    let direction = match feature.direction {
        Way::Raises => Direction::Raises,
        Way::Lowers => Direction::Lowers,
        Way::Either => Direction::Either,
    };
    Ok(Feature { input, direction, reference: feature.reference })
}

fn line<T>(text: &str, value: &Spanned<T>) -> usize {
    let before = text.as_bytes().get(..value.span().start).unwrap_or_default();
    1 + before.iter().filter(|&&byte| byte == b'\n').count()
}
