//! What people feel. A mood is a curve over time: it lasts for hours, days and weeks, and can be looked up for any
//! moment without having lived through the ones before.

use super::Content;
use super::noise::{Dice, wander};
use super::persona::Persona;
use super::rhythm::{Moment, season};
use super::traits::Traits;

/// How long moods last, in days, with how much each counts.
const SCALES: [(u64, f64, f64); 3] = [(11, 12.0, 0.65), (12, 2.0, 0.60), (13, 0.25, 0.45)];
/// What two moments in the same mood still differ by, in log-odds.
const CHANCE: f64 = 0.35;

const PLEASANT_LOUD: [&str; 3] = ["joy", "excitement", "pride"];
const PLEASANT_QUIET: [&str; 4] = ["calm", "content", "gratitude", "relief"];
const MIDDLING: [&str; 4] = ["neutral", "curious", "tired", "hopeful"];
const STRESSED: [&str; 5] = ["anxiety", "anger", "fear", "frustration", "overwhelmed"];
const LOW: [&str; 3] = ["sadness", "boredom", "loneliness"];

/// How somebody's days are going: 0 as always, about ±1 in good and bad times.
pub(super) fn mood(person: &Traits, moment: &Moment) -> f64 {
    let days = moment.days();
    SCALES.iter().map(|(scale, lasts, counts)| counts * wander(person.key ^ scale, days / lasts)).sum()
}

/// What presses from outside, in log-odds of stress: money before payday, slow months, sleepless hours.
fn pressure(person: &Traits, moment: &Moment) -> f64 {
    let hour = moment.hour_of_day(person.zone);
    let night = if hour < 5.0 { 0.3 } else { 0.0 };
    let weekend = if moment.is_weekend(person.zone) { -0.2 } else { 0.0 };
    let day = moment.date().day();
    let money = match person.persona {
        Persona::StressedSpender if day >= 25 => 0.6,
        Persona::StressedSpender if (5..=9).contains(&day) => -0.3,
        Persona::SeasonalMerchant => 0.8 * (1.0 - season(moment.date())),
        _ => 0.0,
    };
    match person.persona {
        // Rehearsed feelings know no hour.
        Persona::Fraudster => 0.0,
        _ => night + weekend + money,
    }
}

/// What somebody feels at a moment.
pub(super) fn emotion(dice: &mut Dice, person: &Traits, moment: &Moment) -> Content {
    let mood = mood(person, moment);
    let pressure = pressure(person, moment);
    let swing = person.volatility * mood;
    let positivity = person.positivity + 0.9 * swing - 0.5 * pressure + dice.normal(0.0, CHANCE);
    let stress =
        person.stress - (1.25 - 0.5 * person.resilience) * swing + pressure + dice.normal(0.0, CHANCE);
    let intensity = person.intensity + 0.5 * swing.abs() + 0.3 * pressure + dice.normal(0.0, CHANCE);
    let (positivity, intensity, stress) = (metric(positivity), metric(intensity), metric(stress));
    Content::Emotion { kind: word(dice, positivity, intensity, stress), positivity, intensity, stress }
}

/// Log-odds as a fraction with three decimals.
fn metric(log_odds: f64) -> f64 {
    (1000.0 / (1.0 + (-log_odds).exp())).round() / 1000.0
}

fn word(dice: &mut Dice, positivity: f64, intensity: f64, stress: f64) -> &'static str {
    let words: &[&'static str] = match () {
        () if stress >= 0.6 => &STRESSED,
        () if positivity >= 0.6 && intensity >= 0.5 => &PLEASANT_LOUD,
        () if positivity >= 0.6 => &PLEASANT_QUIET,
        () if positivity < 0.4 => &LOW,
        () => &MIDDLING,
    };
    dice.pick(words).copied().unwrap_or("neutral")
}
