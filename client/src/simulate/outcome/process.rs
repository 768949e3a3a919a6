//! Who defaults within twelve months: `default-process-1`.
//!
//! **Frozen.** Models are trained on what it draws; a changed formula, constant or draw is `default-process-2`.
//! docs/simulator.md explains it term by term.

use serde::Serialize;

use super::super::population::noise::Dice;
use super::super::population::{Persona, Traits};
use super::Observed;

/// Names the process in files made with it.
pub const PROCESS: &str = "default-process-1";

/// Asks for the noise, and for the outcome itself.
const NOISE: u64 = 21;
const OUTCOME: u64 = 22;

/// Log-odds of somebody in the middle of everything; set so that one in ten of the default mix defaults.
const BASE: f64 = -3.38;
/// The income below which there is need.
const NEED_BELOW: f64 = 3_500.0;
/// The logarithm of the turnover in 30 days (some 22,000) from which on it looks like no ordinary life.
const LARGE_TURNOVER: f64 = 10.0;

/// What adds to the log-odds of default, group by group.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LogOdds {
    /// From what any model could see: transactions and emotions of the window.
    pub observable: f64,
    /// From what counts only together: stress in need, moods and money that both run away, many and large transactions.
    pub interaction: f64,
    /// From what leaves no trace: cushion, resilience, tenure, ill intent.
    pub latent: f64,
    /// From nothing at all.
    pub noise: f64,
}

impl LogOdds {
    /// For somebody with these traits of whom this was seen.
    #[must_use]
    pub fn of(person: &Traits, seen: &Observed) -> Self {
        Self {
            observable: observable(seen),
            interaction: interaction(person, seen),
            latent: latent(person),
            noise: Dice::of(&[person.key, NOISE]).normal(0.0, 0.35),
        }
    }

    /// The probability of default.
    #[must_use]
    pub fn probability(&self) -> f64 {
        let log_odds = BASE + self.observable + self.interaction + self.latent + self.noise;
        1.0 / (1.0 + (-log_odds).exp())
    }
}

/// Whether it happens.
pub(super) fn defaults(person: &Traits, probability: f64) -> bool {
    Dice::of(&[person.key, OUTCOME]).happens(probability)
}

fn observable(seen: &Observed) -> f64 {
    let count = seen.transactions_30d.min(200.0);
    -0.50 * ((1.0 + count).ln() - 31.0_f64.ln()) - 0.25 * ((1.0 + seen.mean_amount_30d).ln() - 71.0_f64.ln())
        + 0.03 * (seen.days_since_last_transaction.min(30.0) - 2.0)
        - 1.50 * (seen.positivity_7d - 0.60)
        + 0.60 * (seen.intensity_7d - 0.45)
        + 0.20 * (1.0 + seen.stress_events_30d).ln()
}

fn interaction(person: &Traits, seen: &Observed) -> f64 {
    let need = (NEED_BELOW / person.income).ln().max(0.0);
    let turnover = (1.0 + seen.transactions_30d * seen.mean_amount_30d).ln();
    2.60 * (seen.stress_7d - 0.35) * need
        + 1.80 * (person.volatility - 0.5) * (person.spending_ratio - 0.7)
        + 1.20 * (turnover - LARGE_TURNOVER).max(0.0)
}

fn latent(person: &Traits) -> f64 {
    let intent = if person.persona == Persona::Fraudster { 2.2 } else { 0.0 };
    intent
        - 0.60 * person.cushion
        - 0.80 * (person.resilience - 0.5)
        - 0.10 * (person.tenure_days / 365.0).ln()
}
