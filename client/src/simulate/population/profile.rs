//! The tables behind each persona; docs/simulator.md shows them to readers, and the tests hold both to what comes out.

use super::persona::Persona;

/// The middle of a trait and how far people are spread around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread(pub(super) f64, pub(super) f64);

/// What the people of a persona have in common.
#[derive(Debug)]
pub(super) struct Profile {
    /// Transactions on an average day, bursts aside.
    pub(super) transactions: f64,
    /// Emotions on an average day.
    pub(super) emotions: f64,
    /// Median income in a month and the deviation of its logarithm; for merchants what stays of the sales.
    pub(super) income: Spread,
    /// The part of the income that is spent.
    pub(super) spending: Spread,
    /// Positivity in an average moment, as log-odds, and its spread over people.
    pub(super) positivity: Spread,
    /// Stress, likewise.
    pub(super) stress: Spread,
    /// Intensity, likewise.
    pub(super) intensity: Spread,
    /// How far moods swing, in log-odds.
    pub(super) volatility: Spread,
    /// The hours of a day at which transactions are made, weighed against each other, from midnight.
    pub(super) shopping_hours: &'static [f64; 24],
    /// The hours at which feelings are noted.
    pub(super) feeling_hours: &'static [f64; 24],
    /// Monday to Sunday, for transactions.
    pub(super) week: &'static [f64; 7],
}

const AWAKE: [f64; 24] = [
    2.0, 1.0, 0.6, 0.5, 0.6, 2.0, 5.0, 8.0, 9.0, 8.0, 8.0, 8.0, 9.0, 8.0, 8.0, 8.0, 9.0, 10.0, 11.0, 12.0,
    12.0, 11.0, 8.0, 4.0,
];
const SLEEPS_BADLY: [f64; 24] = [
    6.0, 5.0, 4.0, 3.0, 2.5, 3.0, 5.0, 8.0, 9.0, 8.0, 8.0, 8.0, 8.0, 7.0, 8.0, 8.0, 9.0, 10.0, 11.0, 12.0,
    12.0, 12.0, 11.0, 9.0,
];
const ERRANDS: [f64; 24] = [
    0.5, 0.3, 0.2, 0.2, 0.2, 0.5, 2.0, 5.0, 6.0, 6.0, 7.0, 8.0, 11.0, 9.0, 7.0, 7.0, 8.0, 10.0, 12.0, 10.0,
    7.0, 5.0, 3.0, 1.0,
];
const EVENINGS: [f64; 24] = [
    4.0, 3.0, 2.0, 1.0, 0.5, 0.5, 1.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0, 8.0, 7.0, 7.0, 8.0, 9.0, 10.0, 11.0,
    12.0, 12.0, 10.0, 7.0,
];
const BUSINESS: [f64; 24] = [
    0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 2.0, 4.0, 8.0, 10.0, 11.0, 10.0, 9.0, 10.0, 10.0, 11.0, 10.0, 6.0,
    2.0, 0.8, 0.4, 0.2, 0.1,
];
const NIGHTS: [f64; 24] = [
    10.0, 12.0, 12.0, 11.0, 9.0, 5.0, 2.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0,
    5.0, 6.0, 8.0, 9.0,
];

const STEADY: Profile = Profile {
    transactions: 1.1,
    emotions: 3.0,
    income: Spread(4200.0, 0.30),
    spending: Spread(0.55, 0.08),
    positivity: Spread(0.95, 0.25),
    stress: Spread(-1.30, 0.25),
    intensity: Spread(-0.40, 0.20),
    volatility: Spread(0.35, 0.10),
    shopping_hours: &ERRANDS,
    feeling_hours: &AWAKE,
    week: &[0.90, 0.90, 0.95, 1.00, 1.20, 1.30, 0.75],
};
const STRESSED: Profile = Profile {
    transactions: 1.6,
    emotions: 6.0,
    income: Spread(2100.0, 0.35),
    spending: Spread(0.97, 0.10),
    positivity: Spread(-0.55, 0.30),
    stress: Spread(0.75, 0.30),
    intensity: Spread(0.50, 0.25),
    volatility: Spread(0.90, 0.20),
    shopping_hours: &EVENINGS,
    feeling_hours: &SLEEPS_BADLY,
    week: &[0.85, 0.85, 0.90, 1.00, 1.25, 1.20, 0.95],
};
const MERCHANT: Profile = Profile {
    transactions: 3.0,
    emotions: 3.0,
    income: Spread(6500.0, 0.45),
    spending: Spread(0.70, 0.10),
    positivity: Spread(0.35, 0.30),
    stress: Spread(-0.20, 0.30),
    intensity: Spread(0.10, 0.20),
    volatility: Spread(0.60, 0.15),
    shopping_hours: &BUSINESS,
    feeling_hours: &AWAKE,
    week: &[1.00, 1.00, 1.00, 1.05, 1.35, 1.25, 0.35],
};
const ARRIVAL: Profile = Profile {
    transactions: 0.6,
    emotions: 4.0,
    income: Spread(2600.0, 0.40),
    spending: Spread(0.78, 0.12),
    positivity: Spread(0.50, 0.35),
    stress: Spread(-0.50, 0.35),
    intensity: Spread(0.10, 0.25),
    volatility: Spread(0.70, 0.20),
    shopping_hours: &ERRANDS,
    feeling_hours: &AWAKE,
    week: &[0.95, 0.95, 0.95, 1.00, 1.10, 1.15, 0.90],
};
const FRAUDSTER: Profile = Profile {
    transactions: 0.3,
    emotions: 1.5,
    income: Spread(1800.0, 0.40),
    spending: Spread(0.90, 0.12),
    positivity: Spread(0.05, 0.15),
    stress: Spread(-0.70, 0.20),
    intensity: Spread(-0.90, 0.20),
    volatility: Spread(0.20, 0.05),
    shopping_hours: &NIGHTS,
    feeling_hours: &NIGHTS,
    week: &[1.00, 1.00, 1.00, 1.00, 1.00, 1.00, 1.00],
};

impl Persona {
    pub(super) fn profile(self) -> &'static Profile {
        match self {
            Self::SteadyEarner => &STEADY,
            Self::StressedSpender => &STRESSED,
            Self::SeasonalMerchant => &MERCHANT,
            Self::NewArrival => &ARRIVAL,
            Self::Fraudster => &FRAUDSTER,
        }
    }
}
