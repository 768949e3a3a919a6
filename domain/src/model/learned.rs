//! A model that comes as an artefact: a formula over a row, and the one row that its explanations compare with.

use std::sync::Arc;

use super::additive::{self, Additive};
use super::monotone;
use super::opaque::{Compute, Opaque};
use super::random;
use super::trees::{self, Trees};
use super::{Card, Fault, Kind, Row, WIDTH};
use crate::features::Features;
use crate::redacted;

/// A model that was checked.
#[derive(Debug, Clone)]
pub struct Learned {
    card: Card,
    formula: Formula,
    /// What contributions compare with.
    reference: Row,
    /// The log-odds there.
    base: f64,
}

/// What a model computes, as its artefact has it.
#[derive(Debug, Clone, PartialEq)]
pub enum Formula {
    /// A sum of steps.
    Additive(Additive),
    /// A sum of trees.
    Trees(Trees),
    /// Something that is computed elsewhere.
    Opaque(Opaque),
    /// A mock.
    Random,
}

/// What a model says of one row.
#[derive(Clone, Copy, PartialEq)]
pub struct Explained {
    /// The log-odds of default.
    pub log_odds: f64,
    /// Those of the reference.
    pub base_log_odds: f64,
    /// What each feature added, in the card's order; 0 beyond it.
    pub contributions: [f64; WIDTH],
}

redacted!(Explained => "Explained");

/// Two models are the same if they were made of the same.
impl PartialEq for Learned {
    fn eq(&self, other: &Self) -> bool {
        self.card == other.card && self.formula == other.formula
    }
}

impl Formula {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Additive(_) => Kind::Additive,
            Self::Trees(_) => Kind::Trees,
            Self::Opaque(_) => Kind::Onnx,
            Self::Random => Kind::Random,
        }
    }

    fn log_odds(&self, row: &Row, width: usize) -> f64 {
        match self {
            Self::Additive(additive) => additive.log_odds(row),
            Self::Trees(trees) => trees.log_odds(row),
            Self::Opaque(opaque) => opaque.log_odds(row),
            Self::Random => random::log_odds(row, width),
        }
    }
}

impl Learned {
    /// A sum of steps, if it is one and keeps to the directions of its card.
    pub fn additive(card: Card, parts: additive::Parts) -> Result<Self, Fault> {
        let reference = reference(&card)?;
        let additive = Additive::new(parts, card.features.len(), &reference)?;
        monotone::of_additive(&additive, &card.features)?;
        Ok(Self::new(card, Formula::Additive(additive), reference))
    }

    /// A sum of trees, if it is one and keeps to the directions of its card.
    pub fn trees(card: Card, parts: trees::Parts) -> Result<Self, Fault> {
        let reference = reference(&card)?;
        let trees = Trees::new(parts, card.features.len(), &reference)?;
        monotone::of_trees(&trees, &card.features)?;
        Ok(Self::new(card, Formula::Trees(trees), reference))
    }

    /// What computes a score that nothing explains, made of something with this digest.
    pub fn opaque(card: Card, digest: String, compute: Arc<dyn Compute>) -> Result<Self, Fault> {
        let reference = reference(&card)?;
        let opaque = Opaque::new(compute, digest, &card)?;
        Ok(Self::new(card, Formula::Opaque(opaque), reference))
    }

    /// A mock.
    pub fn random(card: Card) -> Result<Self, Fault> {
        let reference = reference(&card)?;
        Ok(Self::new(card, Formula::Random, reference))
    }

    fn new(card: Card, formula: Formula, reference: Row) -> Self {
        let base = formula.log_odds(&reference, card.features.len());
        Self { card, formula, reference, base }
    }

    /// What is said of it.
    #[must_use]
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// What it computes.
    #[must_use]
    pub fn formula(&self) -> &Formula {
        &self.formula
    }

    /// The features that it looks at.
    #[must_use]
    pub fn row(&self, features: &Features) -> Row {
        Row::of(features, self.card.features.iter().map(|feature| feature.input))
    }

    /// The log-odds of default.
    #[must_use]
    pub fn log_odds(&self, row: &Row) -> f64 {
        self.formula.log_odds(row, self.card.features.len())
    }

    /// The log-odds of default, and what each feature added to those of the reference.
    #[must_use]
    pub fn explain(&self, row: &Row) -> Explained {
        let mut contributions = [0.0; WIDTH];
        let log_odds = self.log_odds(row);
        match &self.formula {
            Formula::Additive(additive) => additive.contribute(row, &mut contributions),
            Formula::Trees(trees) => trees.contribute(row, &mut contributions),
            // Nothing led to it, or nobody can say what.
            Formula::Opaque(_) | Formula::Random => {
                return Explained { log_odds, base_log_odds: log_odds, contributions };
            }
        }
        // Adding zero turns a negative zero into a plain one; a reader would wonder about "-0.0".
        Explained { log_odds, base_log_odds: self.base, contributions: contributions.map(|it| it + 0.0) }
    }

    /// What contributions compare with.
    #[must_use]
    pub fn reference(&self) -> &Row {
        &self.reference
    }
}

fn reference(card: &Card) -> Result<Row, Fault> {
    let features = &card.features;
    if features.is_empty() || features.len() > WIDTH {
        return Err(Fault::new("features", format!("there must be 1 to {WIDTH}")));
    }
    for (at, feature) in features.iter().enumerate() {
        if features.iter().take(at).any(|before| before.input == feature.input) {
            return Err(Fault::new(format!("features[{at}].name"), "is there a second time"));
        }
        if !feature.reference.is_finite() {
            return Err(Fault::new(format!("features[{at}].reference"), "must be a finite number"));
        }
    }
    Ok(Row::new(features.iter().map(|feature| Some(feature.reference))))
}
