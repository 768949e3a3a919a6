//! Holds the built-in scorecard to what `models/README.md` says of it.

use ecs_domain::features::{EmotionFeatures, EmotionMeans, Features};
use ecs_models::scorecard as built_in;

/// The cut-off of the default policy.
const CUT_OFF: f64 = 0.35;

fn risk(features: Features) -> f64 {
    built_in().expect("the built-in scorecard holds").assess(&features).risk_score
}

/// A new account with this many transactions of this value, made today.
fn new_account(count: u64, value: f64) -> Features {
    Features {
        transaction_count_30d: count,
        avg_transaction_value_30d: if count == 0 { 0.0 } else { value },
        days_since_last_transaction: (count > 0).then_some(0.0),
        account_age_days: 0.0,
        emotions: None,
    }
}

fn feeling(positivity: f64, intensity: f64, stress: f64, stress_events: u64) -> Option<EmotionFeatures> {
    Some(EmotionFeatures {
        means_7d: Some(EmotionMeans { positivity, intensity, stress }),
        stress_events_7d: stress_events,
        stress_events_30d: stress_events,
    })
}

#[test]
fn people_come_out_as_the_documentation_says() {
    let check = |who: &str, features: Features, documented: f64| {
        let risk = risk(features);
        assert!((risk - documented).abs() < 0.01, "{who}: {risk}, documented as {documented}");
    };
    let busy = new_account(10, 500.0);
    let idle = new_account(0, 0.0);
    check("busy and calm", Features { emotions: feeling(0.8, 0.4, 0.1, 0), ..busy }, 0.07);
    check("busy, nothing else known", busy, 0.13);
    check("idle, nothing else known", idle, 0.87);
    check("idle, constant stress", Features { emotions: feeling(0.5, 0.5, 0.95, 10), ..idle }, 0.98);
}

#[test]
fn a_busy_new_customer_is_approved_comfortably_and_a_stressed_idle_one_denied_clearly() {
    let busy = new_account(10, 500.0);
    assert!(risk(busy) < CUT_OFF / 2.0);
    assert!(risk(Features { emotions: feeling(0.8, 0.4, 0.1, 0), ..busy }) < CUT_OFF / 2.0);
    for stress_events in [1, 5, 200] {
        let stressed = Features { emotions: feeling(0.5, 0.5, 0.9, stress_events), ..new_account(0, 0.0) };
        assert!(risk(stressed) > 0.9, "{stress_events} stress events");
    }
}

#[test]
fn nobody_without_transactions_is_approved_however_calm_or_old_the_account() {
    let best =
        Features { emotions: feeling(1.0, 0.0, 0.0, 0), account_age_days: 10_000.0, ..new_account(0, 0.0) };
    assert!(risk(best) > CUT_OFF);
}

#[test]
fn without_emotions_the_emotion_terms_add_exactly_nothing() {
    let assessment = built_in().unwrap().assess(&new_account(10, 500.0));
    let emotional = assessment.contributions.iter().filter(|term| {
        let name = term.input.as_str();
        name.contains("stress") || name.contains("positivity") || name.contains("intensity")
    });
    let contributions: Vec<f64> = emotional.map(|term| term.log_odds).collect();
    assert_eq!(contributions, [0.0; 5]);
}

#[test]
fn contributions_and_intercept_sum_to_the_score() {
    let scorecard = built_in().unwrap();
    let features = Features { emotions: feeling(0.3, 0.9, 0.7, 4), ..new_account(3, 80.0) };
    let assessment = scorecard.assess(&features);
    let log_odds =
        scorecard.intercept + assessment.contributions.iter().map(|term| term.log_odds).sum::<f64>();
    assert_eq!(assessment.risk_score, 1.0 / (1.0 + (-log_odds).exp()));
}

/// Along `steps`, the risk only ever moves one way, and does move.
fn check_direction(what: &str, raises: bool, steps: &[Features]) {
    let risks: Vec<f64> = steps.iter().map(|&features| risk(features)).collect();
    let ordered = if raises { risks.is_sorted() } else { risks.is_sorted_by(|a, b| a >= b) };
    assert!(ordered && risks.first() != risks.last(), "{what}: {risks:?}");
}

#[test]
fn every_feature_moves_the_risk_in_its_sensible_direction_only() {
    let base = Features { emotions: feeling(0.5, 0.5, 0.3, 0), ..new_account(5, 100.0) };
    let along =
        |change: &dyn Fn(f64) -> Features| (0..=20).map(|n| change(f64::from(n) / 20.0)).collect::<Vec<_>>();
    let emotions = |features: EmotionFeatures| Features { emotions: Some(features), ..base };
    let means = |positivity, intensity, stress| emotions(feeling(positivity, intensity, stress, 0).unwrap());
    let events = |week: u64, month: u64| {
        let none = feeling(0.5, 0.5, 0.3, 0).unwrap();
        emotions(EmotionFeatures { stress_events_7d: week, stress_events_30d: month, ..none })
    };
    let whole = |x: f64, scale: f64| (x * scale) as u64;
    check_direction("count", false, &along(&|x| Features { transaction_count_30d: whole(x, 200.0), ..base }));
    check_direction("value", false, &along(&|x| Features { avg_transaction_value_30d: x * 1e4, ..base }));
    check_direction(
        "recency",
        true,
        &along(&|x| Features { days_since_last_transaction: Some(x * 40.0), ..base }),
    );
    check_direction("age", false, &along(&|x| Features { account_age_days: x * 1000.0, ..base }));
    check_direction("positivity", false, &along(&|x| means(x, 0.5, 0.3)));
    check_direction("intensity", true, &along(&|x| means(0.5, x, 0.3)));
    check_direction("stress", true, &along(&|x| means(0.5, 0.5, x)));
    check_direction("stress events in 7 days", true, &along(&|x| events(whole(x, 100.0), 0)));
    check_direction("stress events in 30 days", true, &along(&|x| events(0, whole(x, 200.0))));
}
