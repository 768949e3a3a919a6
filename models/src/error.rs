//! Why an artefact is refused.

use std::io;

use ecs_domain::model::Fault;

use crate::scorecard_file::ScorecardError;

/// Why an artefact is refused. Lines count from 1.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is nothing of this version or digest.
    #[error("{0} is no model that is built in or in the models' folder")]
    Unknown(String),
    /// A file that is there can't be read.
    #[error("{file} can't be read: {error}")]
    Unreadable {
        /// Which.
        file: &'static str,
        /// Why.
        error: io::Error,
    },
    /// No artefact has so large a file.
    #[error("{file} has more than {most} bytes")]
    TooLarge {
        /// Which.
        file: &'static str,
        /// How many there may be.
        most: u64,
    },
    /// It isn't what its format says. The text names the line.
    #[error("{file}: {text}")]
    Malformed {
        /// Which.
        file: &'static str,
        /// What is wrong, and where.
        text: String,
    },
    /// The card says something that can't be.
    #[error("card.toml line {line}: {text}")]
    Card {
        /// Where.
        line: usize,
        /// What is wrong.
        text: String,
    },
    /// It isn't the file that the card was made for.
    #[error("{file} has the SHA-256 {found}, and its card says {expected}")]
    OtherFile {
        /// Which.
        file: &'static str,
        /// That of the file.
        found: String,
        /// That in the card.
        expected: String,
    },
    /// What it has is no model.
    #[error("model.json: {0}")]
    NoModel(#[from] Fault),
    /// It is no network that is computed here.
    #[error("model.onnx: {0}")]
    Onnx(String),
    /// Whatever computes it is a choice of whoever builds the program.
    #[error("an ONNX model, and this program is built without the feature onnx")]
    WithoutOnnx,
    /// Too few rows to trust it.
    #[error("golden.json has {found} rows, and {least} are needed")]
    FewRows {
        /// How many there are.
        found: usize,
        /// How many there should be.
        least: usize,
    },
    /// The model doesn't say what it said where it was trained.
    #[error("golden.json rows[{row}].{field}: {expected} is expected, and {found} came out")]
    OtherAnswer {
        /// Which row, from 0.
        row: usize,
        /// What of it.
        field: String,
        /// What should come out.
        expected: f64,
        /// What did.
        found: f64,
    },
    /// It stands under a name that isn't its own.
    #[error("{found} stands in the folder of {expected}")]
    OtherVersion {
        /// The card's.
        found: String,
        /// The folder's.
        expected: String,
    },
    /// A version is a name for one thing.
    #[error("{0} is built in, and another one of this name is in the models' folder")]
    Twofold(String),
    /// A scorecard that was built in doesn't hold.
    #[error(transparent)]
    Scorecard(#[from] ScorecardError),
}
