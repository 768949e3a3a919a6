//! Models held against what they are by definition: Shapley values over all subsets, and directions by trying.

use proptest::prelude::*;

use super::*;

mod made;

use made::{additive_parts, card, row, tree_parts};

/// Shapley values by their definition: over every subset of the other features, what this one adds to it.
fn brute_force(model: &Learned, row: &[Option<f64>]) -> Vec<f64> {
    let features = model.card().features.len();
    let mixed = |subset: u32| {
        let value = |place: usize| match subset & (1 << place) {
            0 => Some(model.card().features[place].reference),
            _ => row[place],
        };
        model.log_odds(&Row::new((0..features).map(value)))
    };
    let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
    let total = factorial(u32::try_from(features).unwrap());
    let of = |place: usize| {
        let others = (0..1_u32 << features).filter(|subset| subset & (1 << place) == 0);
        let added = others.map(|subset| {
            let before = subset.count_ones();
            let after = u32::try_from(features).unwrap() - before - 1;
            let weight = factorial(before) * factorial(after) / total;
            weight * (mixed(subset | (1 << place)) - mixed(subset))
        });
        added.sum::<f64>()
    };
    (0..features).map(of).collect()
}

fn check_explained(model: &Learned, row: &[Option<f64>]) {
    let explained = model.explain(&Row::new(row.iter().copied()));
    let expect = brute_force(model, row);
    for (place, expect) in expect.iter().enumerate() {
        let got = explained.contributions[place];
        assert!((got - expect).abs() < 1e-9, "{place}: {got}, by definition {expect}");
    }
    let sum = explained.base_log_odds + explained.contributions.iter().sum::<f64>();
    assert!((sum - explained.log_odds).abs() < 1e-9, "{sum} and {}", explained.log_odds);
    assert_eq!(explained.log_odds.to_bits(), model.log_odds(&Row::new(row.iter().copied())).to_bits());
    assert_eq!(explained, model.explain(&Row::new(row.iter().copied())), "a second time");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn contributions_of_steps_are_shapley_values(parts in additive_parts(4), rows in prop::collection::vec(row(4), 1..8)) {
        let model = Learned::additive(card(4, Direction::Either), parts).unwrap();
        rows.iter().for_each(|row| check_explained(&model, row));
    }

    #[test]
    fn contributions_of_trees_are_shapley_values(parts in tree_parts(5), rows in prop::collection::vec(row(5), 1..8)) {
        let model = Learned::trees(card(5, Direction::Either), parts).unwrap();
        rows.iter().for_each(|row| check_explained(&model, row));
    }

    /// What is taken as monotone is so wherever it is tried, and what is refused breaks somewhere or can't be told.
    #[test]
    fn a_claimed_direction_holds_everywhere(parts in additive_parts(3), rows in prop::collection::vec(row(3), 1..40)) {
        for direction in [Direction::Raises, Direction::Lowers] {
            let Ok(model) = Learned::additive(card(3, direction), parts.clone()) else { continue };
            rows.iter().for_each(|row| check_direction(&model, row, direction));
        }
    }

    #[test]
    fn a_claimed_direction_of_trees_holds_everywhere(parts in tree_parts(2), rows in prop::collection::vec(row(2), 1..40)) {
        for direction in [Direction::Raises, Direction::Lowers] {
            let Ok(model) = Learned::trees(card(2, direction), parts.clone()) else { continue };
            rows.iter().for_each(|row| check_direction(&model, row, direction));
        }
    }
}

/// More of any one feature, from each value to the next of those that matter.
fn check_direction(model: &Learned, values: &[Option<f64>], direction: Direction) {
    let row = Row::new(values.iter().copied());
    for place in 0..values.len() {
        let scores: Vec<f64> =
            (-2..=12).map(|step| model.log_odds(&row.with(place, Some(f64::from(step) / 2.0)))).collect();
        let kept = scores.windows(2).all(|pair| match direction {
            Direction::Raises => pair[1] >= pair[0] - 1e-9,
            Direction::Lowers => pair[1] <= pair[0] + 1e-9,
            Direction::Either => true,
        });
        assert!(kept, "{place} {direction:?}: {scores:?}");
    }
}

fn one(edges: &[f64], values: &[f64]) -> additive::TermParts {
    additive::TermParts { features: vec![0], edges: vec![edges.to_vec()], values: values.to_vec() }
}

fn additive(terms: Vec<additive::TermParts>) -> additive::Parts {
    additive::Parts { intercept: -1.0, terms }
}

#[test]
fn a_value_on_an_edge_stands_above_it_and_a_missing_one_by_itself() {
    let parts = additive(vec![one(&[1.0, 2.0], &[10.0, 20.0, 30.0, 40.0])]);
    let model = Learned::additive(card(1, Direction::Either), parts).unwrap();
    let check = |value: Option<f64>, expect: f64| {
        assert_eq!(model.log_odds(&Row::new([value])), expect - 1.0, "{value:?}");
    };
    check(Some(0.5), 10.0);
    check(Some(1.0), 20.0);
    check(Some(1.5), 20.0);
    check(Some(2.0), 30.0);
    check(Some(1e300), 30.0);
    check(None, 40.0);
    check(Some(f64::INFINITY), 40.0);
}

#[test]
fn a_pair_is_read_row_by_row() {
    let values: Vec<f64> = (0..12).map(f64::from).collect();
    let pair = additive::TermParts {
        features: vec![1, 0],
        edges: vec![vec![1.0, 2.0], vec![5.0]],
        values: values.clone(),
    };
    let parts = additive::Parts { intercept: 0.0, terms: vec![pair] };
    let model = Learned::additive(card(2, Direction::Either), parts).unwrap();
    let check = |second: Option<f64>, first: Option<f64>, expect: f64| {
        assert_eq!(model.log_odds(&Row::new([second, first])), expect, "{second:?} {first:?}");
    };
    check(Some(4.0), Some(0.0), 0.0);
    check(Some(5.0), Some(0.0), 1.0);
    check(None, Some(0.0), 2.0);
    check(Some(5.0), Some(2.0), 7.0);
    check(None, None, 11.0);
}

#[test]
fn what_is_at_most_the_threshold_goes_left_and_a_missing_value_where_it_is_told() {
    let tree = |missing: bool| trees::TreeParts {
        feature: vec![0],
        threshold: vec![1.0],
        left: vec![-1],
        right: vec![-2],
        missing_left: vec![missing],
        leaf: vec![0.25, 0.5],
    };
    let constant = trees::TreeParts { leaf: vec![8.0], ..trees::TreeParts::default() };
    let check = |value: Option<f64>, missing: bool, expect: f64| {
        let parts = trees::Parts { intercept: -8.0, trees: vec![tree(missing), constant.clone()] };
        let model = Learned::trees(card(1, Direction::Either), parts).unwrap();
        assert_eq!(model.log_odds(&Row::new([value])), expect, "{value:?} {missing}");
    };
    check(Some(1.0), false, 0.25);
    check(Some(1.0_f64.next_up()), true, 0.5);
    check(None, true, 0.25);
    check(None, false, 0.5);
}

#[test]
fn steps_that_make_no_model_are_refused_with_their_place() {
    let check = |term: additive::TermParts, expect: &str| {
        let fault = Learned::additive(card(2, Direction::Either), additive(vec![term])).unwrap_err();
        assert!(fault.to_string().contains(expect), "{fault}");
    };
    let good = one(&[1.0], &[0.0; 3]);
    check(additive::TermParts { features: vec![2], ..good.clone() }, "terms[0].features[0]: the card has 2");
    check(additive::TermParts { features: vec![], ..good.clone() }, "terms[0].features: must be one or two");
    check(additive::TermParts { features: vec![0, 0], ..good.clone() }, "two different ones");
    check(
        additive::TermParts { features: vec![0, 1], ..good.clone() },
        "terms[0].edges: there must be as many",
    );
    check(one(&[1.0, 1.0], &[0.0; 4]), "terms[0].edges[0]: must be finite and rise strictly");
    check(one(&[f64::NAN], &[0.0; 3]), "terms[0].edges[0]");
    check(one(&[f64::INFINITY], &[0.0; 3]), "terms[0].edges[0]");
    check(one(&[1.0], &[0.0; 2]), "terms[0].values: there are 2, the edges make 3");
    check(one(&[1.0], &[0.0, f64::NAN, 0.0]), "terms[0].values[1]: must be between");
    check(one(&[1.0], &[0.0, 2e6, 0.0]), "terms[0].values[1]: must be between");
    let intercept = additive::Parts { intercept: f64::INFINITY, terms: vec![] };
    let fault = Learned::additive(card(1, Direction::Either), intercept).unwrap_err();
    assert_eq!(fault.at, "intercept");
}

#[test]
fn lists_that_make_no_tree_are_refused_with_their_place() {
    // 0 ── leaf 0
    //  └── 1 ── leaf 1, leaf 2
    let good = trees::TreeParts {
        feature: vec![0, 1],
        threshold: vec![1.0, 2.0],
        left: vec![-1, -2],
        right: vec![1, -3],
        missing_left: vec![false, true],
        leaf: vec![0.1, 0.2, 0.3],
    };
    let try_it = |tree: trees::TreeParts| {
        let parts = trees::Parts { intercept: 0.0, trees: vec![good.clone(), tree] };
        Learned::trees(card(2, Direction::Either), parts)
    };
    try_it(good.clone()).unwrap();
    let check = |change: &dyn Fn(&mut trees::TreeParts), expect: &str| {
        let mut tree = good.clone();
        change(&mut tree);
        let fault = try_it(tree).unwrap_err().to_string();
        assert!(fault.starts_with("trees[1].") && fault.contains(expect), "{fault}");
    };
    check(&|tree| tree.feature[1] = 2, "feature[1]: the card has 2 features");
    check(&|tree| tree.threshold[0] = f64::NAN, "threshold[0]: must be a finite number");
    check(&|tree| tree.right[0] = 2, "right[0]: is no node and no leaf");
    check(&|tree| tree.left[1] = -4, "left[1]: is no node and no leaf");
    check(&|tree| tree.left[1] = i64::MIN, "left[1]: is no node and no leaf");
    check(&|tree| tree.right[1] = 1, "node 1: is reached twice");
    check(&|tree| tree.right[1] = 0, "node 0: is reached twice");
    check(&|tree| tree.left[1] = -1, "leaf 0: is reached twice");
    check(&|tree| tree.leaf[2] = f64::INFINITY, "leaf[2]: must be between");
    check(&|tree| tree.leaf.truncate(2), "feature: the lists must be equally long");
    check(&|tree| tree.missing_left.truncate(1), "feature: the lists must be equally long");
    check(
        &|tree| *tree = trees::TreeParts::default(),
        "feature: the lists must be equally long, and that of leaves one longer",
    );
}

#[test]
fn a_node_that_nothing_leads_to_and_a_way_too_long_are_refused() {
    let chain = |length: usize| {
        let whole = |at: usize| i64::try_from(at).unwrap();
        let last = length - 1;
        trees::TreeParts {
            feature: vec![0; length],
            threshold: vec![1.0; length],
            left: (0..length).map(|at| -whole(at) - 1).collect(),
            right: (0..length)
                .map(|at| if at == last { -whole(length) - 1 } else { whole(at) + 1 })
                .collect(),
            missing_left: vec![true; length],
            leaf: vec![0.0; length + 1],
        }
    };
    let check = |tree: trees::TreeParts, expect: Option<&str>| {
        let parts = trees::Parts { intercept: 0.0, trees: vec![tree] };
        let fault = Learned::trees(card(1, Direction::Either), parts).err().map(|fault| fault.to_string());
        assert_eq!(fault.as_deref(), expect);
    };
    check(chain(32), None);
    check(chain(33), Some("trees[0].leaf 33: is deeper than 32"));
    let island = trees::TreeParts { right: vec![-2, 1], left: vec![-1, -3], ..chain(2) };
    check(island, Some("trees[0].node 1: is never reached"));
}

#[test]
fn a_model_that_breaks_its_cards_word_is_refused() {
    let check = |direction: Direction, values: [f64; 4], kept: bool| {
        let parts = additive(vec![one(&[1.0, 2.0], &values)]);
        let made = Learned::additive(card(1, direction), parts);
        assert_eq!(made.is_ok(), kept, "{direction:?} {values:?}");
        if let Err(fault) = made {
            assert!(fault.rule.contains("the card says that transaction_count_30d"), "{fault}");
        }
    };
    check(Direction::Raises, [0.0, 0.5, 0.5, -9.0], true);
    check(Direction::Raises, [0.0, 0.5, 0.4, 9.0], false);
    check(Direction::Lowers, [0.0, -0.5, -0.5, 9.0], true);
    check(Direction::Lowers, [0.0, -0.5, -0.4, 9.0], false);
    check(Direction::Either, [0.0, 0.5, 0.4, 9.0], true);
}

#[test]
fn a_pair_may_fall_where_the_feature_alone_rises_more() {
    let check = |alone: f64, kept: bool| {
        let pair = additive::TermParts {
            features: vec![1, 0],
            edges: vec![vec![3.0], vec![1.0]],
            values: vec![0.0, 0.1, 0.0, 0.2, -0.1, 0.0, 0.0, 0.0, 0.0],
        };
        let parts = additive(vec![one(&[1.0], &[0.0, alone, 0.0]), pair]);
        let mut card = card(2, Direction::Either);
        card.features[0].direction = Direction::Raises;
        assert_eq!(Learned::additive(card, parts).is_ok(), kept, "{alone}");
    };
    // With much of the second feature the pair takes 0.3 from the step.
    check(0.3, true);
    check(0.29, false);
}

#[test]
fn the_mock_is_spread_evenly_and_the_same_again() {
    let model = Learned::random(card(2, Direction::Either)).unwrap();
    let risks: Vec<f64> = (0..4_000).map(|n| risk(model.log_odds(&Row::new([Some(f64::from(n))])))).collect();
    for tenth in 0..10 {
        let (from, to) = (f64::from(tenth) / 10.0, f64::from(tenth + 1) / 10.0);
        let count = risks.iter().filter(|risk| (from..to).contains(*risk)).count();
        assert!((300..500).contains(&count), "{count} of 4000 from {from} to {to}");
    }
    let explained = model.explain(&Row::new([Some(7.0)]));
    assert_eq!((explained.log_odds, explained.contributions), (explained.base_log_odds, [0.0; WIDTH]));
    assert_eq!(risk(explained.log_odds), risks[7]);
}

#[test]
fn a_card_names_each_feature_once_with_a_reference() {
    let check = |change: &dyn Fn(&mut Card), expect: &str| {
        let mut card = card(2, Direction::Either);
        change(&mut card);
        let fault = Learned::random(card).unwrap_err().to_string();
        assert!(fault.contains(expect), "{fault}");
    };
    check(&|card| card.features.clear(), "features: there must be 1 to 9");
    check(&|card| card.features[1] = card.features[0], "features[1].name: is there a second time");
    check(&|card| card.features[1].reference = f64::NAN, "features[1].reference: must be a finite number");
}
