//! A sum of steps: each term looks up one feature, or two together, in a table.
//!
//! A feature's axis is cut by rising edges: a value stands in the bin whose number is the count of edges at or below it, and a missing
//! one in a bin of its own behind the others. What such a model says of a feature can be drawn as one line, and of a pair as one map.

use super::{Fault, Row, WIDTH, fault};

/// How many terms a model may have: every feature, every pair, and some that were split.
const MOST_TERMS: usize = 200;
/// How many edges an axis may have.
const MOST_EDGES: usize = 4_096;
/// How many values a term may have.
const MOST_VALUES: usize = 1_000_000;

/// What a model is made of, as its file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// What everybody has.
    pub intercept: f64,
    /// In the order in which they are summed.
    pub terms: Vec<TermParts>,
}

/// One term, as its file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct TermParts {
    /// One feature or two, by their places in the card.
    pub features: Vec<usize>,
    /// The edges of each.
    pub edges: Vec<Vec<f64>>,
    /// By bins, the last of each axis for a missing value; of two features row by row.
    pub values: Vec<f64>,
}

/// The model.
#[derive(Debug, Clone, PartialEq)]
pub struct Additive {
    intercept: f64,
    pub(super) terms: Vec<Term>,
}

/// A term that was checked, with what it says of the reference.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Term {
    /// Of one feature.
    One { axis: Axis, values: Box<[f64]>, reference: f64 },
    /// Of two, the second's bins running faster.
    Two { axes: [Axis; 2], values: Box<[f64]> },
}

/// A feature, cut into bins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    pub(super) feature: usize,
    pub(super) edges: Box<[f64]>,
    /// The bin of the reference.
    reference: usize,
}

impl Axis {
    fn bin(&self, value: f64) -> usize {
        if value.is_nan() {
            return self.edges.len() + 1;
        }
        self.edges.partition_point(|edge| *edge <= value)
    }

    /// How many bins there are.
    fn bins(&self) -> usize {
        self.edges.len() + 2
    }
}

impl Additive {
    pub(super) fn new(parts: Parts, features: usize, reference: &Row) -> Result<Self, Fault> {
        fault::log_odds(|| "intercept".to_owned(), parts.intercept)?;
        fault::count("terms", parts.terms.len(), MOST_TERMS)?;
        let term = |(at, term): (usize, TermParts)| {
            Term::new(term, features, reference).map_err(|fault| fault.within(format!("terms[{at}]")))
        };
        let terms = parts.terms.into_iter().enumerate().map(term).collect::<Result<_, _>>()?;
        Ok(Self { intercept: parts.intercept, terms })
    }

    pub(super) fn log_odds(&self, row: &Row) -> f64 {
        self.terms.iter().fold(self.intercept, |sum, term| sum + term.value(row))
    }

    /// Adds what each feature adds.
    pub(super) fn contribute(&self, row: &Row, contributions: &mut [f64; WIDTH]) {
        for term in &self.terms {
            match term {
                Term::One { axis, reference, .. } => {
                    contributions[axis.feature] += term.value(row) - reference;
                }
                Term::Two { axes: [first, second], values } => {
                    let value =
                        |first_bin: usize, second_bin: usize| values[first_bin * second.bins() + second_bin];
                    let (x, y) = (first.bin(row.at(first.feature)), second.bin(row.at(second.feature)));
                    let (x0, y0) = (first.reference, second.reference);
                    let (both, neither) = (value(x, y), value(x0, y0));
                    let (first_only, second_only) = (value(x, y0), value(x0, y));
                    contributions[first.feature] += 0.5 * (both - second_only) + 0.5 * (first_only - neither);
                    contributions[second.feature] +=
                        0.5 * (both - first_only) + 0.5 * (second_only - neither);
                }
            }
        }
    }
}

impl Term {
    fn new(parts: TermParts, features: usize, reference: &Row) -> Result<Self, Fault> {
        let mut axes = axes(&parts, features, reference)?;
        let bins: usize = axes.iter().map(Axis::bins).product();
        fault::count("values", parts.values.len(), MOST_VALUES)?;
        if parts.values.len() != bins {
            let rule = format!("there are {}, the edges make {bins}", parts.values.len());
            return Err(Fault::new("values", rule));
        }
        for (at, value) in parts.values.iter().enumerate() {
            fault::log_odds(|| format!("values[{at}]"), *value)?;
        }
        let values = parts.values.into_boxed_slice();
        let second = axes.pop();
        match (axes.pop(), second) {
            (Some(first), Some(second)) => Ok(Self::Two { axes: [first, second], values }),
            (None, Some(axis)) => {
                let reference = values[axis.reference];
                Ok(Self::One { axis, values, reference })
            }
            (_, None) => Err(Fault::new("features", "must be one or two")),
        }
    }

    /// What it adds to the log-odds of this row.
    pub(super) fn value(&self, row: &Row) -> f64 {
        match self {
            Self::One { axis, values, .. } => values[axis.bin(row.at(axis.feature))],
            Self::Two { axes: [first, second], values } => {
                let (x, y) = (first.bin(row.at(first.feature)), second.bin(row.at(second.feature)));
                values[x * second.bins() + y]
            }
        }
    }

    /// The features that it looks at.
    pub(super) fn axes(&self) -> &[Axis] {
        match self {
            Self::One { axis, .. } => std::slice::from_ref(axis),
            Self::Two { axes, .. } => axes,
        }
    }
}

/// The axes of a term: one, or two of different features.
fn axes(parts: &TermParts, features: usize, reference: &Row) -> Result<Vec<Axis>, Fault> {
    let TermParts { features: of, edges, .. } = parts;
    if of.is_empty() || of.len() > 2 || (of.len() == 2 && of.first() == of.last()) {
        return Err(Fault::new("features", "must be one or two different ones"));
    }
    if let Some(at) = of.iter().position(|feature| *feature >= features) {
        return Err(Fault::new(format!("features[{at}]"), format!("the card has {features} features")));
    }
    if edges.len() != of.len() {
        return Err(Fault::new("edges", "there must be as many lists as features"));
    }
    let axis = |(at, (feature, edges)): (usize, (&usize, &Vec<f64>))| {
        fault::count(&format!("edges[{at}]"), edges.len(), MOST_EDGES)?;
        let rise = edges.is_sorted_by(|before, after| before < after);
        if !rise || edges.iter().any(|edge| !edge.is_finite()) {
            return Err(Fault::new(format!("edges[{at}]"), "must be finite and rise strictly"));
        }
        let mut axis = Axis { feature: *feature, edges: edges.clone().into_boxed_slice(), reference: 0 };
        axis.reference = axis.bin(reference.at(*feature));
        Ok(axis)
    };
    of.iter().zip(edges).enumerate().map(axis).collect()
}
