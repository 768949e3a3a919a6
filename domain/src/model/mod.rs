//! Models: what turns features into a risk, with the reasons for it.
//!
//! A [`Model`] is a scorecard, or it was [learned](Learned). What was learned is a function of one [`Row`] in log-odds of default:
//! a sum of [steps](additive), a sum of [trees], or a [mock](random). It is checked when it is made, so that
//! afterwards nothing in it can fail: every index is in range, every value finite, and every direction that its card claims holds.
//! An [opaque] one is computed elsewhere and explains nothing, so it is only listened to.
//!
//! **Contributions** are exact interventional Shapley values against one reference row: what a feature adds on average, over all orders
//! in which the features of the reference could be replaced with the person's. Together with the log-odds of the reference they sum to
//! the score, so an explanation is the computation itself and not an estimate of it.

pub mod additive;
mod fault;
mod learned;
mod monotone;
pub mod opaque;
pub mod random;
mod row;
pub mod trees;

#[cfg(test)]
mod tests;

pub use fault::Fault;
pub use learned::{Explained, Formula, Learned};
pub use row::{Row, WIDTH};

use crate::features::Features;
use crate::scorecard::{Assessment, Contribution, Input, Scorecard, Second};

/// The largest log-odds that a part of a model may have. Nobody's are near it, and sums of such parts stay finite.
pub const MOST_LOG_ODDS: f64 = 1e6;

/// A model. Its version names it, its digest says what was meant by it.
#[derive(Debug, Clone, PartialEq)]
pub enum Model {
    /// A weighted sum of named terms.
    Scorecard(Scorecard),
    /// One that comes as an artefact with a card.
    Learned(Box<Learned>),
}

/// What is said of a model, as far as it matters to its scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// Such as `financial-1`.
    pub version: String,
    /// SHA-256 of its card's file in hexadecimal, which names the digests of the others.
    pub digest: String,
    /// What it looks at, in its own order.
    pub features: Vec<Feature>,
}

/// What a model looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Feature {
    /// The feature.
    pub input: Input,
    /// What more of it does.
    pub direction: Direction,
    /// What contributions compare with; never missing.
    pub reference: f64,
}

/// What more of a feature does to the risk, whatever the others are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// It never lowers it.
    Raises,
    /// It never raises it.
    Lowers,
    /// It depends.
    Either,
}

/// Of what kind a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// See [`Scorecard`].
    Scorecard,
    /// See [`additive`].
    Additive,
    /// See [`trees`].
    Trees,
    /// See [`opaque`]. It is only listened to.
    Onnx,
    /// See [`random`]. For tests only.
    Random,
}

impl Kind {
    /// Its name in artefacts and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scorecard => "scorecard",
            Self::Additive => "additive",
            Self::Trees => "trees",
            Self::Onnx => "onnx",
            Self::Random => "random",
        }
    }
}

impl Model {
    /// Its name.
    #[must_use]
    pub fn version(&self) -> &str {
        match self {
            Self::Scorecard(scorecard) => &scorecard.version,
            Self::Learned(learned) => &learned.card().version,
        }
    }

    /// What is meant by its name.
    #[must_use]
    pub fn digest(&self) -> &str {
        match self {
            Self::Scorecard(scorecard) => &scorecard.digest,
            Self::Learned(learned) => &learned.card().digest,
        }
    }

    /// Of what kind it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Scorecard(_) => Kind::Scorecard,
            Self::Learned(learned) => learned.formula().kind(),
        }
    }

    /// Whether it can't do without emotions. A scorecard can: a term without its value adds nothing.
    #[must_use]
    pub fn needs_emotions(&self) -> bool {
        match self {
            Self::Scorecard(_) => false,
            Self::Learned(learned) => {
                learned.card().features.iter().any(|feature| feature.input.is_emotional())
            }
        }
    }

    /// The value of a feature that contributions compare with; `None` where it isn't looked at.
    #[must_use]
    pub fn reference(&self, input: Input) -> Option<f64> {
        match self {
            Self::Scorecard(scorecard) => scorecard.neutral(input),
            Self::Learned(learned) => {
                let features = &learned.card().features;
                features.iter().find(|feature| feature.input == input).map(|feature| feature.reference)
            }
        }
    }

    /// Scores one feature vector, with the reasons.
    #[must_use]
    pub fn assess(&self, features: &Features) -> Assessment {
        let learned = match self {
            Self::Scorecard(scorecard) => return scorecard.assess(features),
            Self::Learned(learned) => learned,
        };
        let explained = learned.explain(&learned.row(features));
        let inputs = learned.card().features.iter().map(|feature| feature.input);
        let contribution = |(input, log_odds)| Contribution { input, log_odds };
        Assessment {
            risk_score: risk(explained.log_odds),
            model_version: self.version().to_owned(),
            model_digest: self.digest().to_owned(),
            base_log_odds: explained.base_log_odds,
            contributions: inputs.zip(explained.contributions).map(contribution).collect(),
            without_emotions: None,
            challenger: None,
        }
    }

    /// Scores one feature vector and gives no reasons. The score is the one of [`Model::assess`]; of an [opaque] model it may be no number.
    #[must_use]
    pub fn score(&self, features: &Features) -> Second {
        let risk_score = match self {
            Self::Scorecard(scorecard) => scorecard.assess(features).risk_score,
            Self::Learned(learned) => risk(learned.log_odds(&learned.row(features))),
        };
        Second {
            risk_score,
            model_version: self.version().to_owned(),
            model_digest: self.digest().to_owned(),
        }
    }
}

/// The probability that these log-odds mean.
#[must_use]
pub fn risk(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}
