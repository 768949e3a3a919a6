//! What becomes of the simulated people once they have a credit. The platform never hears of it; it is for those who
//! train a model and need to know how it would have turned out.

mod observe;
mod process;

use std::path::Path;

use anyhow::Context;
use ecs_domain::UserId;
use serde::Serialize;

pub use observe::Observed;
pub use process::{LogOdds, PROCESS};

use super::population::{Persona, Population, VERSION, Window};

/// How it turned out for one person.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Outcome {
    /// What kind of customer.
    pub persona: Persona,
    /// What was seen before.
    pub seen: Observed,
    /// Where the probability comes from.
    pub log_odds: LogOdds,
    /// Of default within twelve months.
    pub probability: f64,
    /// Whether it came to that.
    pub defaulted: bool,
}

impl Outcome {
    /// Of person `user`, decided by the last 30 days of the window; `None` when there is no such person.
    #[must_use]
    pub fn of(population: &Population, user: usize, window: Window) -> Option<Self> {
        let person = population.people().get(user)?;
        let seen = Observed::of(population, user, window);
        let log_odds = LogOdds::of(person, &seen);
        let probability = log_odds.probability();
        let defaulted = process::defaults(person, probability);
        Some(Self { persona: person.persona, seen, log_odds, probability, defaulted })
    }
}

/// A line of the file.
#[derive(Serialize)]
struct Row<'a> {
    user: usize,
    external_id: String,
    user_id: Option<UserId>,
    persona: Persona,
    probability: String,
    defaulted: u8,
    observed: &'a str,
    population: &'static str,
    process: &'static str,
}

/// Writes one line per person as CSV. `users` are the platform's ids by number, as far as they are known. An existing
/// file is replaced.
pub fn write(
    path: &Path,
    population: &Population,
    window: Window,
    external_id: impl Fn(u32) -> String,
    users: &[UserId],
) -> anyhow::Result<()> {
    let observed = window.to_string();
    let mut file = csv::Writer::from_path(path)
        .with_context(|| format!("can't write the outcomes to {}", path.display()))?;
    for (number, user) in (0_u32..).zip(0..population.people().len()) {
        let outcome = Outcome::of(population, user, window).context("a person is missing")?;
        file.serialize(Row {
            user,
            external_id: external_id(number),
            user_id: users.get(user).copied(),
            persona: outcome.persona,
            probability: format!("{:.6}", outcome.probability),
            defaulted: u8::from(outcome.defaulted),
            observed: &observed,
            population: VERSION,
            process: PROCESS,
        })?;
    }
    file.flush().context("can't write the outcomes")
}

#[cfg(test)]
mod tests;
