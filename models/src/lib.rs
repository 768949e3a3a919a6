//! Models as artefacts: read, checked against their cards, found again, and put in charge.
//!
//! An artefact is a folder of three files, and [`read`] takes all of it or says what is wrong: `card.toml` says what the model is and
//! names the digests of the others, `model.json` or `model.onnx` is the model, and `golden.json` holds rows with what must come out. A model that
//! doesn't compute its golden rows is none. Its digest is that of the card, which stands for all three.
//!
//! [`Registry::find`] finds a model by its version or its digest: those that were shipped are in the binary, others in a folder. So a
//! decision can be made again by whatever made it. A [`Lineup`] says who decides, and who is only listened to.

mod artefact;
mod card;
mod error;
mod exact;
mod formula;
mod golden;
mod lineup;
mod onnx;
mod plan;
mod registry;
mod scorecard_file;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;

pub use artefact::{Files, read};
pub use card::{About, Metrics};
pub use error::Refused;
pub use lineup::{Lineup, LineupError, Random, Seat};
pub use onnx::MOST_TOLERANCE;
pub use plan::{Names, Plan, PlanError};
pub use registry::{Registry, SHIPPED, shipped_name};
pub use scorecard_file::{ScorecardError, built_in as scorecard, parse as parse_scorecard};

use sha2::{Digest as _, Sha256};

/// SHA-256 in hexadecimal.
fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests;
