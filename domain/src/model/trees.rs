//! A sum of trees: each asks one feature after the other and ends in a leaf.
//!
//! Contributions are exact: a leaf counts where some of the person's features together with the others of the reference lead
//! to it. Whoever walks down with both at once meets just these leaves, so nothing is tried out.

use super::{Fault, Row, WIDTH, fault};

/// How many trees a model may have.
const MOST_TREES: usize = 10_000;
/// How many questions a tree may have.
const MOST_NODES: usize = 4_096;
/// How many questions may stand on the way to a leaf.
const MOST_DEPTH: usize = 32;

/// What a model is made of, as its file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// What everybody has.
    pub intercept: f64,
    /// In the order in which they are summed.
    pub trees: Vec<TreeParts>,
}

/// One tree as its file has it: lists by its inner nodes, of which the first is the root, and its leaves. A child that isn't negative is an
/// inner node; another one, `c`, is the leaf with the number `-(c + 1)`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TreeParts {
    /// What a node looks at, by its place in the card.
    pub feature: Vec<usize>,
    /// What is at most this goes left.
    pub threshold: Vec<f64>,
    /// The child on the left.
    pub left: Vec<i64>,
    /// The child on the right.
    pub right: Vec<i64>,
    /// Whether a missing value goes left.
    pub missing_left: Vec<bool>,
    /// What leaves add.
    pub leaf: Vec<f64>,
}

/// The model.
#[derive(Debug, Clone, PartialEq)]
pub struct Trees {
    intercept: f64,
    pub(super) trees: Vec<Tree>,
}

/// A tree that was checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tree {
    pub(super) root: Child,
    pub(super) nodes: Box<[Node]>,
    pub(super) leaves: Box<[f64]>,
}

/// A question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Node {
    pub(super) threshold: f64,
    pub(super) left: Child,
    pub(super) right: Child,
    pub(super) feature: usize,
    pub(super) missing_left: bool,
    /// Where the reference goes.
    reference_left: bool,
}

/// Where a question leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Child {
    Node(u32),
    Leaf(u32),
}

impl Node {
    fn goes_left(&self, row: &Row) -> bool {
        let value = row.at(self.feature);
        if value.is_nan() { self.missing_left } else { value <= self.threshold }
    }

    fn side(&self, left: bool) -> Child {
        if left { self.left } else { self.right }
    }
}

impl Trees {
    pub(super) fn new(parts: Parts, features: usize, reference: &Row) -> Result<Self, Fault> {
        fault::log_odds(|| "intercept".to_owned(), parts.intercept)?;
        fault::count("trees", parts.trees.len(), MOST_TREES)?;
        let tree = |(at, tree): (usize, TreeParts)| {
            Tree::new(&tree, features, reference).map_err(|fault| fault.within(format!("trees[{at}]")))
        };
        let trees = parts.trees.into_iter().enumerate().map(tree).collect::<Result<_, _>>()?;
        Ok(Self { intercept: parts.intercept, trees })
    }

    pub(super) fn log_odds(&self, row: &Row) -> f64 {
        self.trees.iter().fold(self.intercept, |sum, tree| sum + tree.value(row))
    }

    /// Adds what each feature adds.
    pub(super) fn contribute(&self, row: &Row, contributions: &mut [f64; WIDTH]) {
        for tree in &self.trees {
            tree.contribute(row, tree.root, Followed::default(), contributions);
        }
    }
}

impl Tree {
    fn new(parts: &TreeParts, features: usize, reference: &Row) -> Result<Self, Fault> {
        let nodes = parts.feature.len();
        fault::count("feature", nodes, MOST_NODES)?;
        let sizes = [parts.threshold.len(), parts.left.len(), parts.right.len(), parts.missing_left.len()];
        if sizes.iter().any(|size| *size != nodes) || parts.leaf.len() != nodes + 1 {
            return Err(Fault::new(
                "feature",
                "the lists must be equally long, and that of leaves one longer",
            ));
        }
        for (at, leaf) in parts.leaf.iter().enumerate() {
            fault::log_odds(|| format!("leaf[{at}]"), *leaf)?;
        }
        let node = |at: usize| Self::node(parts, at, features, reference);
        let tree = Self {
            root: if nodes == 0 { Child::Leaf(0) } else { Child::Node(0) },
            nodes: (0..nodes).map(node).collect::<Result<_, _>>()?,
            leaves: parts.leaf.clone().into_boxed_slice(),
        };
        tree.reach_everything()?;
        Ok(tree)
    }

    fn node(parts: &TreeParts, at: usize, features: usize, reference: &Row) -> Result<Node, Fault> {
        let feature = parts.feature[at];
        if feature >= features {
            return Err(Fault::new(format!("feature[{at}]"), format!("the card has {features} features")));
        }
        if !parts.threshold[at].is_finite() {
            return Err(Fault::new(format!("threshold[{at}]"), "must be a finite number"));
        }
        let child = |side: &str, child: i64| {
            child_of(child, parts)
                .ok_or_else(|| Fault::new(format!("{side}[{at}]"), "is no node and no leaf"))
        };
        let node = Node {
            threshold: parts.threshold[at],
            left: child("left", parts.left[at])?,
            right: child("right", parts.right[at])?,
            feature,
            missing_left: parts.missing_left[at],
            reference_left: false,
        };
        Ok(Node { reference_left: node.goes_left(reference), ..node })
    }

    /// Refuses what is no tree: whatever can be reached is reached once, and everything is.
    fn reach_everything(&self) -> Result<(), Fault> {
        let (mut nodes, mut leaves) = (vec![false; self.nodes.len()], vec![false; self.leaves.len()]);
        let mut ahead = vec![(self.root, 0)];
        while let Some((child, depth)) = ahead.pop() {
            let (name, at, seen) = match child {
                Child::Node(at) => ("node", at, &mut nodes[at as usize]),
                Child::Leaf(at) => ("leaf", at, &mut leaves[at as usize]),
            };
            if std::mem::replace(seen, true) {
                return Err(Fault::new(format!("{name} {at}"), "is reached twice"));
            }
            if depth > MOST_DEPTH {
                return Err(Fault::new(format!("{name} {at}"), format!("is deeper than {MOST_DEPTH}")));
            }
            if let Child::Node(at) = child {
                let node = &self.nodes[at as usize];
                ahead.extend([(node.left, depth + 1), (node.right, depth + 1)]);
            }
        }
        let lost = |seen: &[bool]| seen.iter().position(|seen| !seen);
        match (lost(&nodes), lost(&leaves)) {
            (Some(at), _) => Err(Fault::new(format!("node {at}"), "is never reached")),
            (None, Some(at)) => Err(Fault::new(format!("leaf {at}"), "is never reached")),
            (None, None) => Ok(()),
        }
    }

    fn value(&self, row: &Row) -> f64 {
        let mut at = self.root;
        loop {
            match at {
                Child::Leaf(leaf) => return self.leaves[leaf as usize],
                Child::Node(node) => {
                    let node = &self.nodes[node as usize];
                    at = node.side(node.goes_left(row));
                }
            }
        }
    }

    /// Walks down with the row and the reference at once. Where they part over a feature that has not parted them before, both ways are
    /// gone; from there on this feature follows whom it has followed.
    fn contribute(&self, row: &Row, from: Child, followed: Followed, contributions: &mut [f64; WIDTH]) {
        let (mut at, mut followed) = (from, followed);
        loop {
            let node = match at {
                Child::Leaf(leaf) => return followed.share(self.leaves[leaf as usize], contributions),
                Child::Node(node) => &self.nodes[node as usize],
            };
            let (left, reference_left) = (node.goes_left(row), node.reference_left);
            let feature = 1_u16 << node.feature;
            at = if left == reference_left || followed.row & feature != 0 {
                node.side(left)
            } else if followed.reference & feature != 0 {
                node.side(reference_left)
            } else {
                let reference = followed.reference | feature;
                let other = Followed { reference, ..followed };
                self.contribute(row, node.side(reference_left), other, contributions);
                followed.row |= feature;
                node.side(left)
            };
        }
    }
}

/// The features on a way for which only the row, or only the reference, goes it: a bit for each.
#[derive(Clone, Copy, Default)]
struct Followed {
    row: u16,
    reference: u16,
}

impl Followed {
    /// Shares a leaf among those that lead to it and those that lead away from it.
    fn share(self, leaf: f64, contributions: &mut [f64; WIDTH]) {
        let (towards, away) = (self.row.count_ones() as usize, self.reference.count_ones() as usize);
        let share = leaf * SHARES[towards][away];
        each(self.row, |feature| contributions[feature] += share);
        let share = leaf * SHARES[away][towards];
        each(self.reference, |feature| contributions[feature] -= share);
    }
}

fn each(mut features: u16, mut act: impl FnMut(usize)) {
    while features != 0 {
        act(features.trailing_zeros() as usize);
        features &= features - 1;
    }
}

/// `(a - 1)! b! / (a + b)!` by `a` and `b`: in how many of all orders one of `a` comes last of them, and before all of `b`.
const SHARES: [[f64; WIDTH + 1]; WIDTH + 1] = {
    let mut shares = [[0.0; WIDTH + 1]; WIDTH + 1];
    let mut a = 1;
    while a <= WIDTH {
        let mut b = 0;
        while a + b <= WIDTH {
            shares[a][b] = factorial(a - 1) * factorial(b) / factorial(a + b);
            b += 1;
        }
        a += 1;
    }
    shares
};

#[expect(clippy::cast_precision_loss, reason = "small and whole")]
const fn factorial(n: usize) -> f64 {
    if n == 0 { 1.0 } else { n as f64 * factorial(n - 1) }
}

fn child_of(child: i64, parts: &TreeParts) -> Option<Child> {
    let within = |at: i64, count: usize| u32::try_from(at).ok().filter(|at| (*at as usize) < count);
    if child >= 0 {
        return within(child, parts.feature.len()).map(Child::Node);
    }
    within(-(child.checked_add(1)?), parts.leaf.len()).map(Child::Leaf)
}
