//! A population of simulated people: who they are, and what each of them does on any day or at any moment.
//!
//! Everything is a function of the seed, the person's number and the time. Nothing remembers what came before, so any
//! event can be looked up alone and by any sender; moods last all the same, because a mood is a curve over time.
//!
//! The numbers are frozen as [`VERSION`]: models are trained on what comes out.

mod history;
mod live;
mod mood;
pub(crate) mod noise;
mod persona;
mod profile;
mod purchases;
mod rhythm;
mod traits;

use ecs_domain::{Money, Timestamp};

pub use history::{History, Window};
pub use live::Live;
pub(crate) use persona::PerPersona;
pub use persona::{Mix, Persona};
pub use rhythm::{Kind, Zone};
pub use traits::Traits;

use noise::Dice;
use rhythm::{DAY_SECONDS, Moment, Rhythm};

/// Names these people, their habits and their chances.
pub const VERSION: &str = "population-1";

/// Asks how much somebody does on a day.
const AMOUNT: u64 = 2;
/// Asks what an event of a day is.
const EVENT: u64 = 3;
/// Asks when a burst comes.
const BURST: u64 = 4;
/// On how many days a fraudster strikes.
const BURST_DAYS: f64 = 0.12;
/// Transactions of a burst: the fewest, and how many more there may be.
const BURST_LEAST: u32 = 15;
const BURST_MORE: usize = 31;

/// What one event says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Content {
    /// An emotion.
    Emotion {
        /// The word for it.
        kind: &'static str,
        /// 0..=1.
        positivity: f64,
        /// 0..=1.
        intensity: f64,
        /// 0..=1.
        stress: f64,
    },
    /// A transaction.
    Transaction {
        /// How much.
        amount: Money,
        /// Who was paid, or where it was sold.
        merchant: &'static str,
        /// What kind of goods.
        category: &'static str,
        /// Where.
        channel: &'static str,
    },
}

/// One event of somebody's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// The number of the person.
    pub user: usize,
    /// What kind of customer that is.
    pub persona: Persona,
    /// When it happened.
    pub at: Timestamp,
    /// Its place among the person's events of the UTC day; 0 in a live run.
    pub index: u32,
    /// What it says.
    pub content: Content,
}

/// People and their habits.
#[derive(Debug)]
pub struct Population {
    seed: u64,
    people: Vec<Traits>,
    rhythm: Rhythm,
}

/// How much somebody does on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Amount {
    emotions: u32,
    transactions: u32,
    burst: u32,
}

impl Amount {
    fn total(self) -> u32 {
        self.emotions + self.transactions + self.burst
    }
}

impl Population {
    /// The first `users` people of a seed. Person `n` is the same however many there are.
    #[must_use]
    pub fn new(seed: u64, users: usize, mix: &Mix) -> Self {
        let people = (0..users).map(|number| Traits::of(seed, number, mix)).collect();
        Self { seed, people, rhythm: Rhythm::new() }
    }

    /// Everybody, by number.
    #[must_use]
    pub fn people(&self) -> &[Traits] {
        &self.people
    }

    /// How much `person` does on UTC day `day` (days since 1970).
    fn amount(&self, person: &Traits, day: i64, begin: &Moment) -> Amount {
        let mut dice = Dice::of(&[person.key, AMOUNT, day as u64]);
        let mut count = |kind| {
            let expected = self.rhythm.expected(person.persona, kind, person.zone, begin);
            dice.poisson(expected * person.activity)
        };
        let (emotions, transactions) = (count(Kind::Emotion), count(Kind::Transaction));
        let strikes = person.persona == Persona::Fraudster && dice.happens(BURST_DAYS);
        Amount { emotions, transactions, burst: if strikes { burst_length(&mut dice) } else { 0 } }
    }

    /// Event `index` of the day: emotions come first, then transactions, then those of a burst.
    fn event_of_day(
        &self,
        user: usize,
        day: i64,
        amount: Amount,
        index: u32,
        begin: &Moment,
    ) -> Option<Event> {
        let person = self.people.get(user)?;
        let mut dice = Dice::of(&[person.key, EVENT, day as u64, u64::from(index)]);
        let ordinary = amount.emotions + amount.transactions;
        let kind = if index < amount.emotions { Kind::Emotion } else { Kind::Transaction };
        let second = if index < ordinary {
            self.rhythm.second(&mut dice, (person.persona, kind, person.zone), begin)
        } else {
            burst_second(person, day, index - ordinary, amount.burst)
        };
        let moment = Moment::new(later(begin.at, second));
        let content = match kind {
            Kind::Emotion => mood::emotion(&mut dice, person, &moment),
            Kind::Transaction if index < ordinary => purchases::transaction(&mut dice, person),
            Kind::Transaction => purchases::burst(&mut dice, index - ordinary),
        };
        Some(Event { user, persona: person.persona, at: moment.at, index, content })
    }
}

/// A time of day, in whole milliseconds.
fn later(begin: Timestamp, second: f64) -> Timestamp {
    let millis = (second * 1000.0) as i64;
    begin.checked_add(jiff::SignedDuration::from_millis(millis)).unwrap_or(begin)
}

fn burst_length(dice: &mut Dice) -> u32 {
    BURST_LEAST + u32::try_from(dice.below(BURST_MORE)).unwrap_or_default()
}

/// A burst begins between one and four at night by the fraudster's clock and is over within nine minutes.
fn burst_second(person: &Traits, day: i64, index: u32, length: u32) -> f64 {
    let mut dice = Dice::of(&[person.key, BURST, day as u64]);
    let begin = (dice.between(1.0, 4.0) - person.zone.offset_hours() as f64) * 3600.0;
    let lasts = dice.between(180.0, 540.0);
    begin + lasts * f64::from(index) / f64::from(length.max(1))
}

/// The instant at which day `day` since 1970 begins in UTC.
fn midnight(day: i64) -> Timestamp {
    Timestamp::from_second(day.saturating_mul(DAY_SECONDS)).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
