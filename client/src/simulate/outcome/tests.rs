//! The default process is what docs/simulator.md says it is, and stays so.

use std::sync::OnceLock;

use super::super::population::{Mix, PerPersona, Traits};
use super::*;

fn window() -> Window {
    Window::new("2026-10-01".parse().unwrap(), "2026-10-30".parse().unwrap()).unwrap()
}

fn population(users: usize) -> Population {
    Population::new(1, users, &Mix::default())
}

/// A sample that all tests share.
fn sample() -> &'static [Outcome] {
    static SAMPLE: OnceLock<Vec<Outcome>> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let population = population(3_000);
        (0..3_000).filter_map(|user| Outcome::of(&population, user, window())).collect()
    })
}

/// How likely a defaulter is ranked above somebody who isn't one.
fn area_under_curve(score: impl Fn(&Outcome) -> f64) -> f64 {
    let mut ranked: Vec<&Outcome> = sample().iter().collect();
    ranked.sort_by(|a, b| score(a).total_cmp(&score(b)));
    let (mut good, mut pairs) = (0.0, 0.0);
    for outcome in &ranked {
        if outcome.defaulted { pairs += good } else { good += 1.0 }
    }
    pairs / (good * (ranked.len() as f64 - good))
}

#[test]
fn one_in_ten_defaults_and_personas_differ() {
    let mut all = PerPersona::<(f64, f64)>::default();
    for outcome in sample() {
        let (count, defaulted) = all.of_mut(outcome.persona);
        *count += 1.0;
        *defaulted += f64::from(u8::from(outcome.defaulted));
    }
    let rate = |persona| all.of(persona).1 / all.of(persona).0;
    let defaulted: f64 = Persona::ALL.iter().map(|persona| all.of(*persona).1).sum();
    let base = defaulted / sample().len() as f64;
    assert!((0.08..=0.12).contains(&base), "{base}");
    let check = |persona, expect: f64, within: f64| {
        assert!(
            (rate(persona) - expect).abs() < within,
            "{persona}: {:.3} instead of {expect}",
            rate(persona)
        );
    };
    check(Persona::SteadyEarner, 0.03, 0.02);
    check(Persona::StressedSpender, 0.22, 0.05);
    check(Persona::SeasonalMerchant, 0.03, 0.025);
    check(Persona::NewArrival, 0.125, 0.04);
    check(Persona::Fraudster, 0.31, 0.14);
}

#[test]
fn who_knows_everything_ranks_well_and_who_sees_the_events_less_well() {
    let oracle = area_under_curve(|it| it.probability);
    let seen = area_under_curve(|it| it.log_odds.observable);
    assert!((0.79..0.86).contains(&oracle), "{oracle}");
    assert!((0.67..oracle - 0.05).contains(&seen), "{seen} of {oracle}");
    let noise = area_under_curve(|it| it.log_odds.noise);
    assert!(noise < 0.60, "{noise}");
}

/// Somebody whom nothing sets apart.
fn middling() -> (Traits, Observed) {
    let traits =
        Traits { income: 3_000.0, spending_ratio: 0.8, volatility: 0.6, ..population(1).people()[0] };
    let seen = Observed {
        transactions_30d: 20.0,
        mean_amount_30d: 60.0,
        days_since_last_transaction: 2.0,
        positivity_7d: 0.5,
        intensity_7d: 0.5,
        stress_7d: 0.5,
        stress_events_30d: 5.0,
    };
    (traits, seen)
}

#[test]
fn each_effect_goes_the_way_it_should() {
    let (traits, seen) = middling();
    let base = LogOdds::of(&traits, &seen).probability();
    let riskier = |what: &str, traits: Traits, seen: Observed| {
        let risk = LogOdds::of(&traits, &seen).probability();
        assert!(risk > base, "{what}: {risk} is not above {base}");
    };
    riskier("fewer transactions", traits, Observed { transactions_30d: 5.0, ..seen });
    riskier("smaller ones", traits, Observed { mean_amount_30d: 10.0, ..seen });
    riskier("long ago", traits, Observed { days_since_last_transaction: 20.0, ..seen });
    riskier("less positive", traits, Observed { positivity_7d: 0.2, ..seen });
    riskier("more intense", traits, Observed { intensity_7d: 0.9, ..seen });
    riskier("more stress events", traits, Observed { stress_events_30d: 50.0, ..seen });
    riskier("more stress", traits, Observed { stress_7d: 0.9, ..seen });
    riskier("less income", Traits { income: 1_500.0, ..traits }, seen);
    riskier("more spent", Traits { spending_ratio: 1.1, ..traits }, seen);
    riskier("no cushion", Traits { cushion: traits.cushion - 1.0, ..traits }, seen);
    riskier("little resilience", Traits { resilience: 0.0, ..traits }, seen);
    riskier("new", Traits { tenure_days: 3.0, ..traits }, seen);
    riskier("a turnover beyond belief", traits, Observed { mean_amount_30d: 20_000.0, ..seen });
    riskier("ill intent", Traits { persona: Persona::Fraudster, ..traits }, seen);
}

#[test]
fn stress_weighs_more_where_there_is_need() {
    let (traits, seen) = middling();
    let effect = |income: f64| {
        let traits = Traits { income, ..traits };
        let of = |stress_7d| LogOdds::of(&traits, &Observed { stress_7d, ..seen }).interaction;
        of(0.9) - of(0.1)
    };
    assert!(effect(1_500.0) > effect(3_000.0) && effect(3_000.0) > 0.1);
    assert!(effect(9_000.0).abs() < 1e-12, "no need, no effect");
}

/// Frozen: a model may have been trained on it.
#[test]
fn default_process_1_is_what_it_was() {
    let population = population(6);
    let lines: Vec<String> = (0..6)
        .filter_map(|user| Outcome::of(&population, user, window()))
        .map(|it| format!("{} {:.9} {}", it.persona, it.probability, it.defaulted))
        .collect();
    assert_eq!(lines.join("\n"), include_str!("default-process-1.golden").trim_end());
}

#[test]
fn the_file_has_a_line_for_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outcomes.csv");
    let users = [UserId::new(uuid::Uuid::from_u128(7))];
    let population = population(3);
    write(&path, &population, window(), |number| format!("sim-1-{number}"), &users).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "user,external_id,user_id,persona,probability,defaulted,observed,population,process,\
         transaction_count_30d,avg_transaction_value_30d,days_since_last_transaction,account_age_days,\
         avg_positivity_7d,avg_intensity_7d,avg_stress_7d,stress_events_7d,stress_events_30d"
    );
    assert_eq!(lines.len(), 4);
    assert!(lines[1].starts_with(&format!("0,sim-1-0,{},", users[0])), "{}", lines[1]);
    assert!(lines[2].starts_with("1,sim-1-1,,"), "{}", lines[2]);
    assert!(lines[3].contains(",2026-10-01 to 2026-10-30,population-1,default-process-1,"), "{}", lines[3]);
    assert!(lines.iter().all(|line| line.split(',').count() == 18), "{text}");
}

/// What is missing for want of events is missing in the file, too, and nothing else is.
#[test]
fn features_agree_with_what_the_process_sees() {
    let (mut silent, mut unspent) = (0, 0);
    for Outcome { seen, features, .. } in sample() {
        let emotions = features.emotions.unwrap();
        assert_eq!(features.transaction_count_30d as f64, seen.transactions_30d);
        assert_eq!(emotions.stress_events_30d as f64, seen.stress_events_30d);
        assert!(emotions.stress_events_7d <= emotions.stress_events_30d);
        assert!((features.avg_transaction_value_30d - seen.mean_amount_30d).abs() < 1e-9);
        let days = features.days_since_last_transaction.unwrap_or(30.0).min(30.0);
        assert!((days - seen.days_since_last_transaction).abs() < 1e-5);
        let means =
            emotions.means_7d.map_or([0.60, 0.45, 0.35], |it| [it.positivity, it.intensity, it.stress]);
        let expect = [seen.positivity_7d, seen.intensity_7d, seen.stress_7d];
        assert!(means.iter().zip(expect).all(|(mean, expect)| (mean - expect).abs() < 1e-9));
        silent += usize::from(emotions.means_7d.is_none());
        unspent += usize::from(features.days_since_last_transaction.is_none());
    }
    assert!(unspent > 0 && silent < 10, "{unspent} {silent}");
}
