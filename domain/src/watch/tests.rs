//! What must hold of drift and of approvals, by tables, by any counts at all, and by draws.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::scorecard::Input;

const TRANSACTIONS: Measure = Measure::Feature(Input::TransactionCount30d);
/// Once in a thousand looks, over ten measures.
fn level() -> Level {
    Level::of_each(0.001, 10)
}

/// Numbers between 0 and 1 that a seed decides.
struct Draws(u64);

impl Draws {
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a float holds")]
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Scores around `middle`, more of them near it.
    fn scores(&mut self, count: usize, middle: f64) -> Histogram {
        let drawn = (0..count).map(|_| {
            let sum: f64 = (0..4).map(|_| self.next()).sum();
            (Measure::Score.bin_of(middle + (sum - 2.0) / 4.0), 1)
        });
        drawn.collect()
    }
}

fn histogram() -> impl Strategy<Value = Histogram> {
    prop::collection::vec((0..=MISSING, 0_u64..400), 0..60).prop_map(|counts| counts.into_iter().collect())
}

#[test]
fn values_fall_into_the_bins_that_hold_them() {
    for measure in Measure::ALL {
        assert_eq!(measure.as_str().parse(), Ok(measure));
        assert_eq!((measure.bin_of(-1.0), measure.bin_of(f64::NAN), measure.bin_of(1e300)), (0, 0, BINS - 1));
        for bin in 0..BINS {
            let middle = f64::midpoint(measure.begin_of(bin), measure.begin_of(bin + 1));
            assert_eq!(measure.bin_of(middle), bin, "{measure:?}");
        }
    }
    let features: Vec<_> = Measure::ALL[1..].to_vec();
    assert_eq!(features, Input::ALL.map(Measure::Feature));
    // What is counted has bins of its own as long as it is small.
    let small: Vec<_> = (0..10_u8).map(|count| TRANSACTIONS.bin_of(f64::from(count))).collect();
    assert!(small.windows(2).all(|pair| pair[0] < pair[1]), "{small:?}");
}

proptest! {
    #[test]
    fn the_same_is_never_a_drift(one in histogram()) {
        let found = Stability::of(Measure::Score, &one, &one, level());
        prop_assert_eq!(found.index, 0.0);
        prop_assert!(matches!(found.verdict, Verdict::Calm | Verdict::TooFew));
    }

    /// Over the same bins, which is where the reference isn't asked for its quantiles.
    #[test]
    fn the_index_is_never_negative_and_counts_everybody(one in histogram(), other in histogram()) {
        let found = Stability::of(Measure::Score, &one, &other, level());
        prop_assert!(found.index >= 0.0 && found.index.is_finite() && found.critical >= 0.0);
        let counted = found.shares.iter().fold((0, 0), |sum, it| (sum.0 + it.reference, sum.1 + it.window));
        prop_assert_eq!(counted, (one.total(), other.total()));
    }

    /// A reference of few values has them all as quantiles, whichever side is the reference.
    #[test]
    fn the_index_is_symmetric(one in prop::array::uniform4(30_u64..60), other in prop::array::uniform4(30_u64..60)) {
        let histogram = |counts: [u64; 4]| (0..4).map(|at| at * 40).zip(counts).collect::<Histogram>();
        let (one, other) = (histogram(one), histogram(other));
        let there = Stability::of(Measure::Score, &one, &other, level());
        let back = Stability::of(Measure::Score, &other, &one, level());
        prop_assert!((there.index - back.index).abs() < 1e-12);
        prop_assert_eq!(there.critical, back.critical);
    }

    #[test]
    fn an_interval_holds_its_share(people in 1_u64..5_000, part in 0.0..=1.0_f64) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a part of them")]
        let approved = (people as f64 * part) as u64;
        let tally = Tally { people: people.max(LEAST_PEOPLE), approved };
        let share = &Approvals::of(&BTreeMap::from([("one", tally)])).groups[0];
        prop_assert!(share.interval.low <= tally.ratio() && tally.ratio() <= share.interval.high);
        prop_assert!(0.0 <= share.interval.low && share.interval.high <= 1.0);
    }
}

/// By hand: (0.3 − 0.1) ln 3 + (0.2 − 0.4) ln ½ + 0 + 0.
#[test]
fn the_index_is_the_sum_of_its_bins() {
    let of = |counts: [u64; 4]| (0..4).map(|at| at * 40).zip(counts).collect::<Histogram>();
    let found = Stability::of(Measure::Score, &of([100, 400, 300, 200]), &of([300, 200, 300, 200]), level());
    let expect = 0.2 * 3.0_f64.ln() + 0.2 * 2.0_f64.ln();
    assert!((found.index - expect).abs() < 1e-12, "{}", found.index);
    assert_eq!((found.shares.len(), found.verdict), (4, Verdict::Major));
    // χ² with three degrees of freedom exceeds 21.108 once in ten thousand times.
    assert!((found.critical - 0.002 * 21.108).abs() < 1e-5, "{}", found.critical);
}

/// What is there in one window only counts as half a decision in the other.
#[test]
fn an_empty_bin_counts_half() {
    let reference: Histogram = [(10, 500), (100, 500)].into_iter().collect();
    let window: Histogram = [(10, 500), (100, 400), (MISSING, 100)].into_iter().collect();
    let found = Stability::of(Measure::Score, &reference, &window, level());
    let expect = (0.4 - 0.5) * (0.4_f64 / 0.5).ln() + (0.1 - 0.0005) * (0.1_f64 / 0.0005).ln();
    assert!((found.index - expect).abs() < 1e-12, "{}", found.index);
    assert!(found.shares[2].missing && found.shares[2].window == 100);
}

/// Where all of the reference is the same, a move away from it is seen.
#[test]
fn a_move_away_from_a_single_value_is_seen() {
    let all_at = |bin: u8| std::iter::once((bin, 1_000)).collect::<Histogram>();
    let check = |from: u8, to: u8, expect: Verdict| {
        let found = Stability::of(TRANSACTIONS, &all_at(from), &all_at(to), level());
        assert_eq!(found.verdict, expect, "{from} to {to}: {}", found.index);
    };
    check(0, 0, Verdict::Calm);
    check(0, 1, Verdict::Major);
    check(7, 3, Verdict::Major);
    check(BINS - 1, 0, Verdict::Major);
    check(MISSING, MISSING, Verdict::Calm);
    check(MISSING, 4, Verdict::Major);
    check(4, MISSING, Verdict::Major);
}

/// Pairs of samples of one distribution exceed the critical value about as often as the level says, and are never called a drift.
#[test]
fn false_alarms_are_as_rare_as_the_level() {
    let (draws, level_of_test) = (600, Level::of_each(0.05, 1));
    let mut exceeded = 0;
    for seed in 0..draws {
        let mut draw = Draws(seed * 7_919);
        let (reference, window) = (draw.scores(2_000, 0.4), draw.scores(500, 0.4));
        let found = Stability::of(Measure::Score, &reference, &window, level_of_test);
        exceeded += u64::from(found.index > found.critical);
        let strict = Stability::of(Measure::Score, &reference, &window, level());
        assert!(matches!(strict.verdict, Verdict::Calm), "seed {seed}: {}", strict.index);
    }
    // 30 are expected; three standard deviations are 16.
    assert!((14..=46).contains(&exceeded), "{exceeded} of {draws}");
}

/// A shift is found where there are many, and not claimed where there are few.
#[test]
fn a_shift_is_found_in_many_and_not_claimed_of_few() {
    let check = |count: usize, shift: f64, expect: &[Verdict]| {
        for seed in 1..=20 {
            let mut draw = Draws(seed);
            let (reference, window) = (draw.scores(4 * count, 0.4), draw.scores(count, 0.4 + shift));
            let found = Stability::of(Measure::Score, &reference, &window, level());
            assert!(
                expect.contains(&found.verdict),
                "{count} by {shift}: {:?} {}",
                found.verdict,
                found.index
            );
        }
    };
    check(30, 0.2, &[Verdict::TooFew]);
    check(90, 0.2, &[Verdict::TooFew]);
    check(1_000, 0.2, &[Verdict::Major]);
    check(4_000, 0.06, &[Verdict::Moderate, Verdict::Major]);
    // What is beyond chance, and doesn't matter.
    check(20_000, 0.01, &[Verdict::Calm]);
    check(0, 0.0, &[Verdict::TooFew]);
}

#[test]
fn a_drift_is_over_when_it_has_clearly_fallen() {
    let seen = |verdict, index| Stability {
        shares: Vec::new(),
        reference: 0,
        window: 0,
        index,
        critical: 0.0,
        verdict,
    };
    let check = |before: Standing, verdict, index, expect: Standing| {
        assert_eq!(before.after(&seen(verdict, index)), expect, "{before:?} {verdict:?} {index}");
    };
    check(Standing::Calm, Verdict::Calm, 0.09, Standing::Calm);
    check(Standing::Calm, Verdict::TooFew, 3.0, Standing::Calm);
    check(Standing::Calm, Verdict::Moderate, 0.1, Standing::Alerted);
    check(Standing::Alerted, Verdict::Major, 0.5, Standing::Alerted);
    check(Standing::Alerted, Verdict::Calm, 0.09, Standing::Alerted);
    check(Standing::Alerted, Verdict::Calm, 0.07, Standing::Calm);
    check(Standing::Alerted, Verdict::TooFew, 3.0, Standing::Calm);
}

/// The interval of 15 in 20 that Wilson's formula gives, as published: 0.531 to 0.888.
#[test]
fn intervals_are_wilsons() {
    let check = |people: u64, approved: u64, low: f64, high: f64| {
        let counted = BTreeMap::from([("one", Tally { people, approved })]);
        let found = Approvals::of(&counted).groups[0].interval;
        assert!((found.low - low).abs() < 6e-4 && (found.high - high).abs() < 6e-4, "{found:?}");
    };
    check(20, 15, 0.531, 0.888);
    check(10, 0, 0.0, 0.2775);
    check(10, 10, 0.7225, 1.0);
    // Newcombe's own example: 81 of 263.
    check(263, 81, 0.2553, 0.3662);
}

#[test]
fn groups_are_compared_with_the_largest() {
    let check = |largest: [u64; 2], other: [u64; 2], expect: Option<Finding>| {
        let tally = |[people, approved]: [u64; 2]| Tally { people, approved };
        let counted = BTreeMap::from([("25-34", tally(largest)), ("65+", tally(other))]);
        let found = Approvals::of(&counted);
        assert_eq!(found.groups[0].finding, Finding::Largest);
        assert_eq!(found.groups.get(1).map(|group| group.finding), expect, "{largest:?} {other:?}");
        assert_eq!(found.suppressed, usize::from(expect.is_none()));
    };
    check([1_000, 800], [500, 400], Some(Finding::Unremarkable));
    check([1_000, 800], [500, 250], Some(Finding::Adverse));
    // Below four fifths, and not beyond chance.
    check([1_000, 800], [500, 315], Some(Finding::Unremarkable));
    check([1_000, 800], [10, 5], Some(Finding::Unremarkable));
    check([12, 12], [10, 7], Some(Finding::Unremarkable));
    // Fewer than ten people are nobody's business.
    check([1_000, 800], [9, 0], None);
    check([1_000, 0], [500, 0], Some(Finding::Unremarkable));
}

/// Of many pairs of groups whose approval is the same, none is called adverse.
#[test]
fn parity_is_not_called_adverse() {
    for seed in 1..400 {
        let mut draw = Draws(seed);
        let mut drawn = |people: usize| {
            let mut tally = Tally::default();
            (0..people).for_each(|_| tally.count(draw.next() < 0.6));
            tally
        };
        let counted =
            BTreeMap::from([("a", drawn(400)), ("b", drawn(60)), ("c", drawn(12)), ("d", drawn(3))]);
        let found = Approvals::of(&counted);
        assert_eq!((found.adverse().count(), found.suppressed), (0, 1), "seed {seed}");
    }
}
