//! Whether a model keeps to the directions that its card claims.
//!
//! Of sums of steps this is exact. Of trees it is asked of each: a sum of trees might keep to a direction although one of them
//! doesn't, but those that training under a constraint makes keep to it one by one.

use std::collections::BTreeMap;

use super::additive::{Additive, Term};
use super::trees::{Child, Tree, Trees};
use super::{Direction, Fault, Feature, Row};

/// What a sum of rounded numbers may be off by.
const ROUNDING: f64 = 1e-9;

/// The sign of what more of a feature may do; `None` where nothing is claimed.
fn sign(feature: &Feature) -> Option<f64> {
    match feature.direction {
        Direction::Raises => Some(1.0),
        Direction::Lowers => Some(-1.0),
        Direction::Either => None,
    }
}

fn broken(feature: &Feature, at: String) -> Fault {
    let does = if feature.direction == Direction::Raises { "raises" } else { "lowers" };
    Fault::new(at, format!("the card says that {} {does} the risk", feature.input.as_str()))
}

pub(super) fn of_additive(additive: &Additive, features: &[Feature]) -> Result<(), Fault> {
    for (place, feature) in features.iter().enumerate() {
        let Some(sign) = sign(feature) else { continue };
        let terms: Vec<&Term> = additive
            .terms
            .iter()
            .filter(|term| term.axes().iter().any(|axis| axis.feature == place))
            .collect();
        let points = points(&terms, place);
        for step in points.windows(2) {
            let (Some(from), Some(to)) = (step.first(), step.last()) else { continue };
            if least_rise(&terms, place, sign, *from, *to) < -ROUNDING {
                let at = terms.len();
                return Err(broken(feature, format!("terms ({at} of the feature) from {from} to {to}")));
            }
        }
    }
    Ok(())
}

/// A value in each bin that any of these terms has of a feature: the lowest, and then every edge.
fn points(terms: &[&Term], feature: usize) -> Vec<f64> {
    let axes = terms.iter().flat_map(|term| term.axes()).filter(|axis| axis.feature == feature);
    let mut points: Vec<f64> = axes.flat_map(|axis| axis.edges.iter().copied()).collect();
    points.sort_by(f64::total_cmp);
    points.dedup();
    points.insert(0, points.first().map_or(0.0, |first| below(*first)));
    points
}

fn below(edge: f64) -> f64 {
    edge.next_down()
}

/// How much the sum of these terms rises at least from one value of a feature to the next, in the direction of `sign`, over all values
/// that the features have that are paired with it.
fn least_rise(terms: &[&Term], feature: usize, sign: f64, from: f64, to: f64) -> f64 {
    let mut alone = 0.0;
    let mut paired: BTreeMap<usize, Vec<&Term>> = BTreeMap::new();
    let nobody = Row::new([]);
    let rise = |term: &Term, others: Row| {
        sign * (term.value(&others.with(feature, Some(to))) - term.value(&others.with(feature, Some(from))))
    };
    for &term in terms {
        match term.axes().iter().find(|axis| axis.feature != feature) {
            Some(other) => paired.entry(other.feature).or_default().push(term),
            None => alone += rise(term, nobody),
        }
    }
    let least = paired.into_iter().map(|(other, terms)| {
        let values = points(&terms, other).into_iter().map(Some).chain([None]);
        let rises = values.map(|value| terms.iter().map(|term| rise(term, nobody.with(other, value))).sum());
        rises.fold(f64::INFINITY, f64::min)
    });
    alone + least.sum::<f64>()
}

pub(super) fn of_trees(trees: &Trees, features: &[Feature]) -> Result<(), Fault> {
    let claimed: Vec<(usize, &Feature, f64)> = features
        .iter()
        .enumerate()
        .filter_map(|(place, feature)| Some((place, feature, sign(feature)?)))
        .collect();
    for (number, tree) in trees.trees.iter().enumerate() {
        let leaves = cells(tree, features.len());
        for (place, feature, sign) in &claimed {
            if leaves.iter().any(|lower| leaves.iter().any(|upper| lower.breaks(upper, *place, *sign))) {
                return Err(broken(feature, format!("trees[{number}]")));
            }
        }
    }
    Ok(())
}

/// What leads to a leaf: of each feature the values above one bound and up to another, and perhaps a missing one.
#[derive(Clone)]
struct Cell {
    sides: Vec<Side>,
    leaf: f64,
}

#[derive(Clone, Copy)]
struct Side {
    above: f64,
    up_to: f64,
    missing: bool,
}

impl Side {
    const ALL: Self = Self { above: f64::NEG_INFINITY, up_to: f64::INFINITY, missing: true };

    fn has_values(self) -> bool {
        self.above < self.up_to
    }

    /// Whether some value, or a missing one, is in both.
    fn meets(self, other: Self) -> bool {
        let shared = self.above.max(other.above) < self.up_to.min(other.up_to);
        shared || (self.missing && other.missing)
    }
}

impl Cell {
    /// Whether somebody could come from here to there by more of this feature alone, and that goes the wrong way.
    fn breaks(&self, upper: &Self, feature: usize, sign: f64) -> bool {
        if sign * (upper.leaf - self.leaf) >= -ROUNDING {
            return false;
        }
        self.sides.iter().zip(&upper.sides).enumerate().all(|(place, (from, to))| {
            if place == feature {
                from.has_values() && to.has_values() && from.above < to.up_to
            } else {
                from.meets(*to)
            }
        })
    }
}

fn cells(tree: &Tree, features: usize) -> Vec<Cell> {
    let mut found = Vec::new();
    let mut ahead = vec![(tree.root, vec![Side::ALL; features])];
    while let Some((at, sides)) = ahead.pop() {
        let node = match at {
            Child::Leaf(leaf) => {
                found.push(Cell { sides, leaf: tree.leaves[leaf as usize] });
                continue;
            }
            Child::Node(node) => tree.nodes[node as usize],
        };
        let (mut left, mut right) = (sides.clone(), sides);
        let (to_left, to_right) = (&mut left[node.feature], &mut right[node.feature]);
        to_left.up_to = to_left.up_to.min(node.threshold);
        to_left.missing &= node.missing_left;
        to_right.above = to_right.above.max(node.threshold);
        to_right.missing &= !node.missing_left;
        ahead.extend([(node.left, left), (node.right, right)]);
    }
    found
}
