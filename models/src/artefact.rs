//! An artefact: three files that are one model, or none.

use ecs_domain::model::Model;

use crate::card::{self, About};
use crate::error::Refused;
use crate::{digest, formula, golden, onnx};

/// The card of an artefact.
pub(crate) const CARD: &str = "card.toml";
/// What it computes.
pub(crate) const MODEL: &str = "model.json";
/// The same of a network.
pub(crate) const ONNX: &str = "model.onnx";
/// What must come out.
pub(crate) const GOLDEN: &str = "golden.json";

/// What the files of an artefact hold.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// `card.toml`.
    pub card: &'a [u8],
    /// `model.json`, or `model.onnx`.
    pub model: &'a [u8],
    /// `golden.json`.
    pub golden: &'a [u8],
}

/// The model that these files are, with what its card says of it. It has computed every golden row.
pub fn read(files: Files<'_>) -> Result<(Model, About), Refused> {
    let card = card::parse(files.card)?;
    for (file, bytes, expected) in
        [(card.model_file, files.model, &card.model_digest), (GOLDEN, files.golden, &card.golden_digest)]
    {
        let found = digest(bytes);
        if !found.eq_ignore_ascii_case(expected) {
            return Err(Refused::OtherFile { file, found, expected: expected.clone() });
        }
    }
    let learned = match &card.onnx {
        Some(output) => {
            let learned = onnx::parse(files.model, output, card.card)?;
            golden::check_scores(files.golden, &learned, output.tolerance)?;
            learned
        }
        None => {
            let learned = formula::parse(files.model, card.kind, card.card)?;
            golden::check(files.golden, &learned)?;
            learned
        }
    };
    Ok((Model::Learned(Box::new(learned)), card.about))
}

/// What JSON's reader complains of, with the line.
pub(crate) fn malformed(file: &'static str) -> impl Fn(serde_json::Error) -> Refused {
    move |error| Refused::Malformed { file, text: error.to_string() }
}

/// Refuses another version of a file's format.
pub(crate) fn known_format(file: &'static str, format: u32) -> Result<(), Refused> {
    if format == 1 {
        return Ok(());
    }
    Err(Refused::Malformed { file, text: format!("format {format} isn't known here, 1 is") })
}
