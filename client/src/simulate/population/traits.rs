//! What one person is like. Drawn once from seed and number, and the same in every run.

use super::noise::{Dice, key};
use super::persona::{Mix, Persona};
use super::profile::Spread;
use super::rhythm::{DAYS_IN_MONTH, Zone};

/// Asks for traits, and not for anything else that is drawn for the same person.
const TRAITS: u64 = 1;
/// How long a new arrival has been here at most, in days.
pub(crate) const NEWEST_DAYS: f64 = 45.0;
/// What a merchant sells for each unit of income.
const SALES_PER_INCOME: f64 = 2.2;

/// A simulated person. Nobody but the simulator sees this; the platform sees events.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Traits {
    /// What kind of customer.
    pub persona: Persona,
    /// Where their clock stands.
    pub zone: Zone,
    /// How busy they are compared with others of their persona; 1 on average.
    pub activity: f64,
    /// Per month, in whole units of the base currency.
    pub income: f64,
    /// The part of the income that is spent; above 1 it is more than comes in.
    pub spending_ratio: f64,
    /// Positivity in an average moment, as log-odds.
    pub positivity: f64,
    /// Stress in an average moment, as log-odds.
    pub stress: f64,
    /// Intensity in an average moment, as log-odds.
    pub intensity: f64,
    /// How far moods swing, in log-odds.
    pub volatility: f64,
    /// How little bad times stick: 0 not at all, 1 well protected.
    pub resilience: f64,
    /// Savings, family, luck: what helps in need and leaves no trace in any event. Bell-shaped around 0.
    pub cushion: f64,
    /// Days since they came, counted back from the end of a history or the start of a live run.
    pub tenure_days: f64,
    /// What they usually pay, or get, at a time.
    pub(crate) ticket: f64,
    /// Tells their chances from those of others.
    pub(crate) key: u64,
}

impl Traits {
    /// Person `number` of a seed.
    #[must_use]
    pub fn of(seed: u64, number: usize, mix: &Mix) -> Self {
        let persona = mix.persona(seed, number);
        let profile = persona.profile();
        let key = key(&[seed, number as u64]);
        let mut dice = Dice::of(&[key, TRAITS]);
        let around = |dice: &mut Dice, Spread(middle, deviation): Spread| dice.normal(middle, deviation);
        let zone = Zone::pick(&mut dice);
        let activity = dice.between(0.6, 1.4);
        let Spread(median, deviation) = profile.income;
        let income = median * dice.normal(0.0, deviation).exp();
        let spending_ratio = around(&mut dice, profile.spending).max(0.1);
        let spent = match persona {
            Persona::SeasonalMerchant => income * SALES_PER_INCOME,
            _ => income * spending_ratio,
        };
        Self {
            persona,
            zone,
            activity,
            income,
            spending_ratio,
            positivity: around(&mut dice, profile.positivity),
            stress: around(&mut dice, profile.stress),
            intensity: around(&mut dice, profile.intensity),
            volatility: around(&mut dice, profile.volatility).max(0.05),
            resilience: dice.normal(0.5, 0.18).clamp(0.0, 1.0),
            cushion: dice.normal(0.0, 1.0),
            tenure_days: match persona {
                Persona::NewArrival => dice.between(1.0, NEWEST_DAYS).floor(),
                _ => dice.between(60.0, 2_000.0).floor(),
            },
            ticket: spent / (profile.transactions * DAYS_IN_MONTH),
            key,
        }
    }
}
