//! What becomes of the simulated people once they have a credit. The platform never hears of it; it is for those who
//! train a model and need to know how it would have turned out.

mod features;
mod observe;
mod process;

use std::path::Path;

use anyhow::Context;
use ecs_domain::UserId;
use ecs_domain::features::Features;
use ecs_domain::scorecard::Input;
use serde::Serialize;

pub use features::{asked_at, joined_at};
pub use observe::Observed;
pub use process::{LogOdds, PROCESS};

use super::population::{Event, Persona, Population, VERSION, Window};

/// How it turned out for one person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// What kind of customer.
    pub persona: Persona,
    /// What the platform's decision would have looked at, with consent.
    pub features: Features,
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
        // Tenure counts back from the end, so the part of the window shows the same events as the whole.
        let events: Vec<Event> = population.events_of(user, window.last(observe::OBSERVED_DAYS)).collect();
        let features = features::of(population, user, window, &events)?;
        let seen = Observed::of(&events, window);
        let log_odds = LogOdds::of(person, &seen);
        let probability = log_odds.probability();
        let defaulted = process::defaults(person, probability);
        Some(Self { persona: person.persona, features, seen, log_odds, probability, defaulted })
    }
}

/// What a line of the file says besides the features.
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

/// The columns of [`Row`]; those of the features follow under their own names.
const COLUMNS: [&str; 9] = [
    "user",
    "external_id",
    "user_id",
    "persona",
    "probability",
    "defaulted",
    "observed",
    "population",
    "process",
];

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
    let mut file = csv::WriterBuilder::new()
        .has_headers(false)
        .from_path(path)
        .with_context(|| format!("can't write the outcomes to {}", path.display()))?;
    file.write_record(COLUMNS.into_iter().chain(Input::ALL.map(Input::as_str)))?;
    for (number, user) in (0_u32..).zip(0..population.people().len()) {
        let outcome = Outcome::of(population, user, window).context("a person is missing")?;
        let row = Row {
            user,
            external_id: external_id(number),
            user_id: users.get(user).copied(),
            persona: outcome.persona,
            probability: format!("{:.6}", outcome.probability),
            defaulted: u8::from(outcome.defaulted),
            observed: &observed,
            population: VERSION,
            process: PROCESS,
        };
        // What is missing is an empty field.
        file.serialize((row, Input::ALL.map(|input| input.of(&outcome.features))))?;
    }
    file.flush().context("can't write the outcomes")
}

#[cfg(test)]
mod tests;
