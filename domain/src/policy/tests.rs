//! Rules by tables.

use jiff::ToSpan as _;

use super::*;
use crate::features::{EmotionFeatures, EmotionMeans, Features};
use crate::offer::Terms;
use crate::reason::Reason;
use crate::scorecard::{Assessment, Contribution, Input, Second};

pub(super) fn band(max_risk: f64, limit: i64) -> Band {
    Band {
        max_risk,
        credit_limit: Money::from_minor_units(limit),
        interest_rate: Rate::from_basis_points(1000),
        credit_type: CreditType::ShortTerm,
    }
}

pub(super) fn policy(cut_off: f64, bands: Vec<Band>) -> Policy {
    Policy {
        version: "test".to_owned(),
        digest: String::new(),
        made_for: Vec::new(),
        knock_outs: Vec::new(),
        cut_off,
        bands,
        exposure: None,
        cool_down: None,
        rounding: Rounding::NONE,
    }
}

pub(super) fn two_bands() -> Policy {
    policy(0.5, vec![band(0.2, 90_000), band(0.5, 10_000)])
}

fn knock_out(feature: Input, comparison: Comparison, value: f64) -> KnockOut {
    KnockOut { feature, comparison, value, reason: feature.into() }
}

pub(super) fn features() -> Features {
    Features {
        transaction_count_30d: 4,
        avg_transaction_value_30d: 50.0,
        days_since_last_transaction: Some(3.0),
        account_age_days: 400.0,
        emotions: Some(EmotionFeatures {
            means_7d: Some(EmotionMeans { positivity: 0.5, intensity: 0.5, stress: 0.9 }),
            stress_events_7d: 2,
            stress_events_30d: 6,
        }),
    }
}

fn nobody() -> Features {
    let features = Features { transaction_count_30d: 0, avg_transaction_value_30d: 0.0, ..features() };
    Features { days_since_last_transaction: None, account_age_days: 0.0, emotions: None, ..features }
}

pub(super) fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

pub(super) fn owing(cents: i64) -> Facts {
    Facts { exposure: Money::from_minor_units(cents), last_denied_at: None }
}

pub(super) fn limit(terms: Result<Terms, Refusal>) -> Option<i64> {
    terms.ok().map(|terms| terms.credit_limit.minor_units())
}

#[test]
fn a_score_falls_into_the_first_band_that_reaches_it() {
    let policy = policy(0.5, vec![band(0.2, 900), band(0.5, 100)]).validate().unwrap();
    let check = |risk, expect: Option<i64>| {
        assert_eq!(limit(policy.terms(&features(), risk, Facts::NONE, now())), expect, "{risk}");
        assert_eq!(policy.terms_for(risk).map(|terms| terms.credit_limit.minor_units()), expect, "{risk}");
    };
    check(0.0, Some(900));
    check(0.2, Some(900));
    check(0.2001, Some(100));
    check(0.5, Some(100));
    check(0.5001, None);
    check(f64::NAN, None);
}

#[test]
fn what_leaves_a_gap_or_rewards_risk_is_refused() {
    let check = |change: &dyn Fn(&mut Policy), expect: Place| {
        let mut policy = two_bands();
        change(&mut policy);
        assert_eq!(policy.validate().map_err(|flaw| flaw.place), Err(expect));
    };
    assert!(two_bands().validate().is_ok());
    check(&|policy| policy.cut_off = 0.6, Place::CutOff);
    check(&|policy| policy.cut_off = 1.5, Place::CutOff);
    check(&|policy| policy.cut_off = f64::NAN, Place::CutOff);
    check(&|policy| policy.bands.clear(), Place::CutOff);
    check(&|policy| policy.bands.reverse(), Place::Band(1));
    check(&|policy| policy.bands[1].max_risk = 0.2, Place::Band(1));
    check(&|policy| policy.bands[1].max_risk = 2.0, Place::Band(1));
    check(&|policy| policy.bands[1].credit_limit = Money::ZERO, Place::Band(1));
    check(&|policy| policy.bands[1].credit_limit = Money::from_minor_units(90_001), Place::Band(1));
    check(&|policy| policy.bands[0].interest_rate = Rate::from_basis_points(1001), Place::Band(1));
    check(&|policy| policy.rounding.limit_step = Money::ZERO, Place::Rounding);
    check(&|policy| policy.rounding.rate_step = Rate::from_basis_points(0), Place::Rounding);
    check(&|policy| policy.rounding.limit_step = Money::from_minor_units(10_001), Place::Band(1));
    check(&|policy| policy.cool_down = Some(CoolDown { days: 0 }), Place::CoolDown);
    check(&|policy| policy.exposure = Some(most(0, 0)), Place::Exposure);
    check(&|policy| policy.exposure = Some(most(99, 100)), Place::Exposure);
    check(&|policy| policy.exposure = Some(most(90_000, 10_001)), Place::Band(1));
    let rule = |value, reason| KnockOut {
        value,
        reason,
        ..knock_out(Input::AccountAgeDays, Comparison::Below, 1.0)
    };
    check(&|policy| policy.knock_outs = vec![rule(f64::INFINITY, Reason::NewAccount)], Place::KnockOut(0));
    check(&|policy| policy.knock_outs = vec![rule(1.0, Reason::DeniedRecently)], Place::KnockOut(0));
    check(&|policy| policy.knock_outs = vec![rule(1.0, Reason::ExistingCredit)], Place::KnockOut(0));
}

pub(super) fn most(max_total: i64, min_limit: i64) -> Exposure {
    let [max_total, min_limit] = [max_total, min_limit].map(Money::from_minor_units);
    Exposure { max_total, min_limit }
}

#[test]
fn a_knock_out_denies_whatever_the_score_says() {
    let check = |feature, comparison, value, expect: Option<Reason>| {
        let mut policy = two_bands();
        policy.knock_outs.push(knock_out(feature, comparison, value));
        let policy = policy.validate().unwrap();
        let refusal = policy.terms(&features(), 0.0, Facts::NONE, now()).err();
        let expect = expect.map(|reason| Refusal::Rules(vec![reason]));
        assert_eq!(refusal, expect, "{} {comparison} {value}", feature.as_str());
    };
    use Comparison::{Above, AtLeast, AtMost, Below};
    check(Input::TransactionCount30d, Below, 4.0, None);
    check(Input::TransactionCount30d, Below, 5.0, Some(Reason::FewTransactions));
    check(Input::TransactionCount30d, AtMost, 4.0, Some(Reason::FewTransactions));
    check(Input::TransactionCount30d, AtMost, 3.0, None);
    check(Input::DaysSinceLastTransaction, Above, 3.0, None);
    check(Input::DaysSinceLastTransaction, Above, 2.9, Some(Reason::NoRecentTransaction));
    check(Input::AccountAgeDays, AtLeast, 400.0, Some(Reason::NewAccount));
    check(Input::AccountAgeDays, AtLeast, 400.1, None);
    check(Input::AvgStress7d, Above, 0.8, Some(Reason::HighStress));
    check(Input::StressEvents30d, AtLeast, 7.0, None);
}

/// Nobody is denied for what nobody knows.
#[test]
fn a_feature_that_is_missing_knocks_nobody_out() {
    for feature in Input::ALL {
        for comparison in Comparison::ALL {
            for value in [-1.0, 0.0, 1.0, 1_000_000.0] {
                let rule = knock_out(feature, comparison, value);
                let nobody = nobody();
                let applies = rule.applies_to(&nobody);
                assert!(!applies || feature.of(&nobody).is_some(), "{} {comparison}", feature.as_str());
                assert!(!(rule.needs_consent() && applies), "{} {comparison}", feature.as_str());
            }
        }
    }
    assert!(Input::ALL.iter().filter(|&&feature| feature.of(&nobody()).is_none()).count() == 6);
}

#[test]
fn at_most_four_reasons_are_told_and_none_twice() {
    let always = |feature| knock_out(feature, Comparison::AtLeast, 0.0);
    let mut policy = two_bands();
    policy.knock_outs = Input::ALL.into_iter().rev().map(always).collect();
    let refusal = policy.terms(&features(), 0.0, Facts::NONE, now()).unwrap_err();
    let expect = [Reason::StressEvents, Reason::HighStress, Reason::HighIntensity, Reason::LowPositivity];
    assert_eq!(refusal, Refusal::Rules(expect.to_vec()));
}

#[test]
fn what_somebody_owes_cuts_their_offer() {
    let mut policy = two_bands();
    policy.exposure = Some(most(100_000, 5_000));
    policy.rounding.limit_step = Money::from_minor_units(1_000);
    let policy = policy.validate().unwrap();
    let check = |risk, exposure, expect: Option<i64>| {
        let terms = policy.terms(&features(), risk, owing(exposure), now());
        assert_eq!(limit(terms.clone()), expect, "{risk} {exposure}");
        if expect.is_none() {
            assert_eq!(terms, Err(Refusal::Rules(vec![Reason::ExistingCredit])), "{risk} {exposure}");
        }
    };
    check(0.1, 0, Some(90_000));
    check(0.1, 10_000, Some(90_000));
    check(0.1, 10_001, Some(89_000));
    check(0.4, 89_000, Some(10_000));
    check(0.4, 94_999, Some(5_000));
    check(0.4, 95_000, Some(5_000));
    check(0.4, 95_001, None);
    check(0.1, 100_000, None);
    check(0.1, 250_000, None);
    check(0.1, i64::MAX, None);
}

#[test]
fn a_denial_denies_the_next_application_for_some_days() {
    let mut policy = two_bands();
    policy.cool_down = Some(CoolDown { days: 30 });
    let policy = policy.validate().unwrap();
    let check = |denied_at: Option<Timestamp>, expect: bool| {
        let facts = Facts { last_denied_at: denied_at, ..Facts::NONE };
        let terms = policy.terms(&features(), 0.1, facts, now());
        assert_eq!(terms.is_ok(), expect, "{denied_at:?}");
        if !expect {
            assert_eq!(terms, Err(Refusal::Rules(vec![Reason::DeniedRecently])));
        }
    };
    let days = 24 * 30;
    check(None, true);
    check(Some(now() - days.hours()), true);
    check(Some(now() - days.hours() - 1.microsecond()), true);
    check(Some(now() - days.hours() + 1.microsecond()), false);
    check(Some(now()), false);
    // Another process's clock may be ahead.
    check(Some(now() + 1.second()), false);
    check(Some(Timestamp::MAX), false);
    check(Some(Timestamp::MIN), true);
}

/// Who is denied for an earlier denial is told that alone: nothing else was asked.
#[test]
fn rules_come_in_their_order() {
    let mut policy = two_bands();
    policy.cool_down = Some(CoolDown { days: 1 });
    policy.exposure = Some(most(90_000, 1_000));
    policy.knock_outs.push(knock_out(Input::AccountAgeDays, Comparison::Below, 1_000.0));
    let check = |facts: Facts, features: Features, risk, expect: Refusal| {
        assert_eq!(policy.terms(&features, risk, facts, now()), Err(expect));
    };
    let rules = |reason| Refusal::Rules(vec![reason]);
    let old = Features { account_age_days: 1_000.0, ..features() };
    let denied = Facts { last_denied_at: Some(now()), ..owing(90_000) };
    check(denied, features(), 0.9, rules(Reason::DeniedRecently));
    check(owing(90_000), features(), 0.9, rules(Reason::NewAccount));
    check(owing(90_000), old, 0.9, Refusal::Risk);
    check(owing(90_000), old, 0.1, rules(Reason::ExistingCredit));
}

#[test]
fn limits_and_rates_are_rounded_down() {
    let rounding =
        Rounding { limit_step: Money::from_minor_units(5_000), rate_step: Rate::from_basis_points(25) };
    let check = |limit, expect| {
        assert_eq!(rounding.limit(Money::from_minor_units(limit)).minor_units(), expect, "{limit}");
    };
    check(0, 0);
    check(4_999, 0);
    check(5_000, 5_000);
    check(9_999, 5_000);
    check(-1, -5_000);
    check(i64::MIN, i64::MIN);
    let rate = |points| rounding.rate(Rate::from_basis_points(points)).basis_points();
    assert_eq!([0, 24, 25, 1_424, 1_425].map(rate), [0, 0, 25, 1_400, 1_425]);
    let none = Rounding { limit_step: Money::ZERO, rate_step: Rate::from_basis_points(0) };
    assert_eq!(none.limit(Money::from_minor_units(77)).minor_units(), 77);
    assert_eq!(none.rate(Rate::from_basis_points(77)).basis_points(), 77);
}

fn assessment(risk_score: f64, without_emotions: Option<f64>) -> Assessment {
    let second = |risk_score| Second {
        risk_score,
        model_version: "financial".to_owned(),
        model_digest: String::new(),
    };
    let contributions = vec![Contribution { input: Input::AvgStress7d, log_odds: 1.0 }];
    let without_emotions = without_emotions.map(second);
    Assessment { contributions, without_emotions, ..Assessment::unexplained("test", risk_score) }
}

#[test]
fn a_verdict_is_the_terms_or_the_reasons_of_whoever_denied() {
    let mut policy = two_bands();
    policy.exposure = Some(most(90_000, 1_000));
    let verdict =
        |risk, exposure| policy.outcome(&features(), &assessment(risk, None), owing(exposure), now());
    assert!(verdict(0.1, 0).is_approval());
    let reasons = |verdict: Verdict| match verdict {
        Verdict::Approved(_) => Vec::new(),
        Verdict::Denied(denial) => denial.reasons,
    };
    assert_eq!(reasons(verdict(0.9, 0)), [Reason::HighStress]);
    assert_eq!(reasons(verdict(0.1, 90_000)), [Reason::ExistingCredit]);
}

/// Neither the model nor a rule looks at emotions then; all else is the same.
#[test]
fn what_it_would_be_without_emotions_is_told_by_the_same_policy() {
    let stressed = knock_out(Input::AvgStress7d, Comparison::Above, 0.8);
    let poor = knock_out(Input::TransactionCount30d, Comparison::Below, 5.0);
    let check = |rules: &[&KnockOut], without: Option<f64>, facts, expect: Option<bool>| {
        let mut policy = two_bands();
        policy.exposure = Some(most(90_000, 1_000));
        policy.knock_outs = rules.iter().map(|&rule| rule.clone()).collect();
        let assessment = assessment(0.9, without);
        let told = policy.approves_without_emotions(&features(), &assessment, facts, now());
        assert_eq!(told, expect, "{without:?}");
    };
    check(&[], None, Facts::NONE, None);
    check(&[], Some(0.1), Facts::NONE, Some(true));
    check(&[], Some(0.6), Facts::NONE, Some(false));
    check(&[&stressed], Some(0.1), Facts::NONE, Some(true));
    check(&[&poor], Some(0.1), Facts::NONE, Some(false));
    check(&[], Some(0.1), owing(90_000), Some(false));
}

#[test]
fn a_policy_knows_whose_scores_it_is_made_for() {
    let check = |made_for: &[&str], champion: &str, without: Option<&str>, expect: Option<&str>| {
        let policy =
            Policy { made_for: made_for.iter().map(|&name| name.to_owned()).collect(), ..two_bands() };
        let second = |version: &str| Second {
            risk_score: 0.1,
            model_version: version.to_owned(),
            model_digest: String::new(),
        };
        let assessment = Assessment {
            without_emotions: without.map(second),
            challenger: Some(second("challenger")),
            ..Assessment::unexplained(champion, 0.1)
        };
        assert_eq!(policy.stranger(&assessment), expect, "{made_for:?}: {champion} {without:?}");
    };
    check(&[], "a", Some("b"), None);
    check(&["a"], "a", None, None);
    check(&["a", "b"], "b", Some("a"), None);
    check(&["a"], "b", None, Some("b"));
    check(&["a"], "a", Some("b"), Some("b"));
    check(&["a"], "A", None, Some("A"));
}

#[test]
fn a_version_is_a_name_that_stands_in_paths() {
    let check = |name: &str, expect: bool| assert_eq!(is_version(name), expect, "{name}");
    check("policy-2", true);
    check("2026.11_b", true);
    check(&"p".repeat(64), true);
    check(&"p".repeat(65), false);
    for bad in ["", ".", "..", "a/b", "a b", "política", "a\n", "%2e", "{version}"] {
        check(bad, false);
    }
}
