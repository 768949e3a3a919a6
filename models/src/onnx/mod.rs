//! Models of the kind `onnx`: small networks that other software trained. Nothing explains their scores exactly, so they are only
//! listened to. What computes them is a large library, so it is built in where the feature `onnx` asks for it.

#[cfg(feature = "onnx")]
mod graph;
#[cfg(feature = "onnx")]
mod network;
#[cfg(feature = "onnx")]
mod tensor;

use ecs_domain::model::{Card, Learned};
use serde::Deserialize;

use crate::error::Refused;

/// No file of this kind is larger: a small network has a few thousand weights.
pub(crate) const MOST_BYTES: u64 = 512 * 1024;
/// What a score may differ from the one of other software at most. The weights are single floats, whose sums in another order differ
/// in the sixth digit or so; what differs by more is computed otherwise.
pub const MOST_TOLERANCE: f64 = 1e-4;

/// Of what is wrong with a file, no more is told.
#[cfg(feature = "onnx")]
const MOST_CHARACTERS: usize = 400;

/// What the card says of how to read the answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Output {
    /// Which output is the probability of default.
    #[serde(rename = "output")]
    pub(crate) name: String,
    /// Which value of it, from 0: those who give the probability of both outcomes have the one of default second.
    #[serde(default)]
    pub(crate) column: usize,
    /// What a score may differ from its golden row.
    pub(crate) tolerance: f64,
}

impl Output {
    /// What can't be in it.
    pub(crate) fn fault(&self) -> Option<String> {
        let fits = self.tolerance > 0.0 && self.tolerance <= MOST_TOLERANCE;
        (!fits).then(|| format!("[onnx] tolerance must be above 0 and at most {MOST_TOLERANCE}"))
    }
}

/// Reads a network, and sees that it can be computed for one row of this card.
#[cfg(feature = "onnx")]
pub(crate) fn parse(bytes: &[u8], output: &Output, card: Card) -> Result<Learned, Refused> {
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Refused::TooLarge { file: crate::artefact::ONNX, most: MOST_BYTES });
    }
    let network =
        network::Network::read(bytes, output, card.features.len()).map_err(|text| refused(&text))?;
    let learned = Learned::opaque(card, crate::digest(bytes), std::sync::Arc::new(network));
    learned.map_err(|fault| refused(&fault.to_string()))
}

/// Names in a file may be as long as the file, and hold what moves the cursor of a terminal.
#[cfg(feature = "onnx")]
fn refused(text: &str) -> Refused {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    Refused::Onnx(text.chars().take(MOST_CHARACTERS).map(plain).collect())
}

/// There is nothing here that could compute it.
#[cfg(not(feature = "onnx"))]
pub(crate) fn parse(_: &[u8], _: &Output, _: Card) -> Result<Learned, Refused> {
    Err(Refused::WithoutOnnx)
}
