//! What must hold of every policy, whatever it says.

use std::cmp::Reverse;

use jiff::ToSpan as _;
use proptest::prelude::*;

use super::tests::{band, features, limit, most, now, owing, policy, two_bands};
use super::*;
use crate::offer::Terms;

/// Policies that hold: bands by rising risk, limits that fall and rates that rise.
fn policies() -> impl Strategy<Value = Policy> {
    let bands = prop::collection::vec((0.0..1.0_f64, 1_i64..5_000_000, 0_u32..5_000), 1..8);
    let exposure = prop::option::of((1_i64..10_000_000, 1_i64..1_000_000));
    (bands, 0.0..=1.0_f64, exposure, prop::option::of(1_u16..400), 1_i64..20_000, 1_u32..100).prop_filter_map(
        "it must be one",
        |(bands, cut_off, exposure, days, limit_step, rate_step)| {
            let mut risks: Vec<f64> = bands.iter().map(|band| band.0).collect();
            let mut limits: Vec<i64> = bands.iter().map(|band| band.1 + limit_step).collect();
            let mut rates: Vec<u32> = bands.iter().map(|band| band.2).collect();
            risks.sort_by(f64::total_cmp);
            risks.pop();
            risks.push(1.0);
            limits.sort_by(|a, b| b.cmp(a));
            rates.sort_unstable();
            let rated = risks.iter().zip(limits).zip(rates).map(|((&risk, limit), rate)| Band {
                interest_rate: Rate::from_basis_points(rate),
                ..band(risk, limit)
            });
            let mut policy = policy(cut_off, rated.collect());
            policy.exposure = exposure.map(|(max_total, min_limit)| most(max_total, min_limit));
            policy.cool_down = days.map(|days| CoolDown { days });
            policy.rounding = Rounding {
                limit_step: Money::from_minor_units(limit_step),
                rate_step: Rate::from_basis_points(rate_step),
            };
            policy.validate().ok()
        },
    )
}

/// How good an answer is: none is worse than any.
fn worth(terms: &Result<Terms, Refusal>) -> (i64, Reverse<u32>) {
    let of = |terms: &Terms| (terms.credit_limit.minor_units(), Reverse(terms.interest_rate.basis_points()));
    terms.as_ref().map_or((0, Reverse(u32::MAX)), of)
}

proptest! {
    /// No score falls between two bands, and none into two.
    #[test]
    fn every_score_has_one_outcome(policy in policies(), risk in 0.0..=1.0_f64) {
        let expect = policy.bands.get(policy.bands.partition_point(|band| band.max_risk < risk));
        let expect = expect.filter(|_| risk <= policy.cut_off).map(|band| policy.rounding.limit(band.credit_limit));
        prop_assert_eq!(policy.terms_for(risk).map(|terms| terms.credit_limit), expect);
        prop_assert_eq!(policy.terms_for(risk).is_some(), risk <= policy.cut_off);
    }

    /// A higher risk never gets more, or for less.
    #[test]
    fn a_higher_risk_gets_nothing_better(
        policy in policies(), a in 0.0..=1.0_f64, b in 0.0..=1.0_f64, exposure in 0_i64..10_000_000,
    ) {
        let terms = |risk: f64| policy.terms(&features(), risk, owing(exposure), now());
        let (less, more) = (worth(&terms(a.min(b))), worth(&terms(a.max(b))));
        prop_assert!(less.0 >= more.0 && less.1 >= more.1, "{:?} {:?}", less, more);
    }

    /// Whoever owes more never gets more.
    #[test]
    fn a_higher_debt_gets_no_higher_limit(
        policy in policies(), risk in 0.0..=1.0_f64, a in 0_i64..10_000_000, b in 0_i64..10_000_000,
    ) {
        let terms = |exposure: i64| worth(&policy.terms(&features(), risk, owing(exposure), now())).0;
        prop_assert!(terms(a.min(b)) >= terms(a.max(b)));
    }

    /// However somebody comes by offers, one after the other, they never owe more than anybody may.
    #[test]
    fn nobody_owes_more_than_one_may(policy in policies(), risks in prop::collection::vec(0.0..=1.0_f64, 1..40)) {
        let Some(exposure) = policy.exposure else { return Ok(()) };
        let mut owed = 0;
        for risk in risks {
            if let Some(limit) = limit(policy.terms(&features(), risk, owing(owed), now())) {
                prop_assert!(limit >= exposure.min_limit.minor_units());
                owed += limit;
            }
        }
        prop_assert!(owed <= exposure.max_total.minor_units());
    }

    /// What is offered is a whole number of steps, and never more than the band says.
    #[test]
    fn offers_are_whole_steps(policy in policies(), risk in 0.0..=1.0_f64, exposure in 0_i64..10_000_000) {
        if let Ok(terms) = policy.terms(&features(), risk, owing(exposure), now()) {
            let band = policy.bands.iter().find(|band| risk <= band.max_risk).unwrap();
            prop_assert_eq!(terms.credit_limit.minor_units() % policy.rounding.limit_step.minor_units(), 0);
            prop_assert_eq!(terms.interest_rate.basis_points() % policy.rounding.rate_step.basis_points(), 0);
            prop_assert!(terms.credit_limit <= band.credit_limit && terms.interest_rate <= band.interest_rate);
            prop_assert!(terms.credit_limit > Money::ZERO);
        }
    }

    /// Its days are over at one instant, and not before.
    #[test]
    fn a_cool_down_ends_once(days in 1_u16..400, microseconds in 0_i64..40_000_000_000_000) {
        let mut policy = two_bands();
        policy.cool_down = Some(CoolDown { days });
        let facts = Facts { last_denied_at: Some(now()), ..Facts::NONE };
        let later = now() + microseconds.microseconds();
        let over = microseconds >= i64::from(days) * 86_400_000_000;
        prop_assert_eq!(policy.terms(&features(), 0.0, facts, later).is_ok(), over);
    }
}
