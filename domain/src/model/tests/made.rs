//! Models and rows that are made up. Values, edges and thresholds are halves, so that they often meet.

use proptest::prelude::*;

use super::super::*;

/// A card of the first features there are.
pub(super) fn card(features: usize, direction: Direction) -> Card {
    let feature = |(place, input): (u8, Input)| Feature { input, direction, reference: f64::from(place) };
    Card {
        version: "made-up".to_owned(),
        digest: "00".to_owned(),
        features: (0..).zip(Input::ALL).map(feature).take(features).collect(),
    }
}

fn half() -> impl Strategy<Value = f64> {
    (0_u8..10).prop_map(|halves| f64::from(halves) / 2.0)
}

pub(super) fn row(features: usize) -> impl Strategy<Value = Vec<Option<f64>>> {
    prop::collection::vec(prop::option::weighted(0.8, half()), features)
}

fn edges() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::btree_set(0_u8..10, 0..5)
        .prop_map(|halves| halves.into_iter().map(|halves| f64::from(halves) / 2.0).collect())
}

fn term(features: usize) -> impl Strategy<Value = additive::TermParts> {
    let of = prop::sample::subsequence((0..features).collect::<Vec<_>>(), 1..=2);
    (of, edges(), edges()).prop_flat_map(|(features, first, second)| {
        let edges: Vec<Vec<f64>> = [first, second].into_iter().take(features.len()).collect();
        let count = edges.iter().map(|edges| edges.len() + 2).product::<usize>();
        // Rising values are often monotone.
        let values = prop::collection::vec(-1.0_f64..1.0, count);
        (values, any::<bool>()).prop_map(move |(mut values, sorted)| {
            if sorted {
                values.sort_by(f64::total_cmp);
            }
            additive::TermParts { features: features.clone(), edges: edges.clone(), values }
        })
    })
}

pub(super) fn additive_parts(features: usize) -> impl Strategy<Value = additive::Parts> {
    (-2.0_f64..2.0, prop::collection::vec(term(features), 0..5))
        .prop_map(|(intercept, terms)| additive::Parts { intercept, terms })
}

/// One question of a tree that grows: which leaf it replaces, what it asks, and what it makes of the leaf.
type Question = (prop::sample::Index, usize, f64, bool, f64);

fn tree(features: usize) -> impl Strategy<Value = trees::TreeParts> {
    let question = (any::<prop::sample::Index>(), 0..features, half(), any::<bool>(), -1.0_f64..1.0);
    (-1.0_f64..1.0, prop::collection::vec(question, 0..8))
        .prop_map(|(first, questions)| grow(first, &questions))
}

/// Splits one leaf after the other.
fn grow(first: f64, questions: &[Question]) -> trees::TreeParts {
    let mut tree = trees::TreeParts { leaf: vec![first], ..trees::TreeParts::default() };
    for (which, feature, threshold, missing_left, leaf) in questions {
        let old = i64::try_from(which.index(tree.leaf.len())).unwrap();
        let node = i64::try_from(tree.feature.len()).unwrap();
        let new = i64::try_from(tree.leaf.len()).unwrap();
        let parent = tree.left.iter_mut().chain(&mut tree.right).find(|child| **child == -old - 1);
        if let Some(parent) = parent {
            *parent = node;
        }
        tree.feature.push(*feature);
        tree.threshold.push(*threshold);
        tree.left.push(-old - 1);
        tree.right.push(-new - 1);
        tree.missing_left.push(*missing_left);
        tree.leaf.push(*leaf);
    }
    tree
}

pub(super) fn tree_parts(features: usize) -> impl Strategy<Value = trees::Parts> {
    (-2.0_f64..2.0, prop::collection::vec(tree(features), 0..4))
        .prop_map(|(intercept, trees)| trees::Parts { intercept, trees })
}
