//! What simulated people feel and buy: a plausible crowd, nothing more.
//!
//! Every third user is **stressed**, the others are **calm and earning**:
//!
//! | | calm | stressed |
//! |---|---|---|
//! | positivity | 0.60 to 0.95 | 0.05 to 0.40 |
//! | intensity | 0.20 to 0.60 | 0.60 to 1.00 |
//! | stress | 0.00 to 0.35 | 0.65 to 1.00 |
//! | amount of a transaction | 50 to 950 | 5 to 60 |
//!
//! All are drawn evenly and written with three decimals (amounts with two). Event `n` comes from a random generator
//! that is seeded with the seed and `n` alone, so the story doesn't depend on which sender is quicker.

use ecs_domain::Money;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Makes the events of one seed.
#[derive(Debug, Clone, Copy)]
pub struct Generator {
    seed: u64,
    transaction_share: f64,
}

/// What one event says, and about which user.
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
        /// What kind of goods.
        category: &'static str,
        /// Where.
        channel: &'static str,
    },
}

const CALM: [&str; 4] = ["calm", "content", "joy", "gratitude"];
const STRESSED: [&str; 4] = ["anxiety", "anger", "fear", "frustration"];
const CATEGORIES: [&str; 5] = ["groceries", "transport", "health", "leisure", "household"];
const CHANNELS: [&str; 3] = ["pos", "web", "app"];

impl Generator {
    /// The story of `seed`, in which this share of events are transactions.
    #[must_use]
    pub fn new(seed: u64, transaction_share: f64) -> Self {
        Self { seed, transaction_share }
    }

    /// Event `number`: the number of its user, below `users`, and what it says.
    #[must_use]
    pub fn event(&self, number: u64, users: usize) -> (usize, Content) {
        let mut random = self.random(number);
        let user = random.random_range(0..users.max(1));
        let stressed = is_stressed(user);
        let content = if random.random_bool(self.transaction_share) {
            transaction(&mut random, stressed)
        } else {
            emotion(&mut random, stressed)
        };
        (user, content)
    }

    fn random(&self, number: u64) -> StdRng {
        let mut seed = [0; 32];
        let halves = self.seed.to_le_bytes().into_iter().chain(number.to_le_bytes());
        seed.iter_mut().zip(halves).for_each(|(byte, value)| *byte = value);
        StdRng::from_seed(seed)
    }
}

/// Whether user `number` of the crowd lives under stress.
#[must_use]
fn is_stressed(number: usize) -> bool {
    number % 3 == 2
}

fn emotion(random: &mut StdRng, stressed: bool) -> Content {
    let mut between = |low: u32, high: u32| f64::from(random.random_range(low..=high)) / 1000.0;
    let (positivity, intensity, stress) = if stressed {
        (between(50, 400), between(600, 1000), between(650, 1000))
    } else {
        (between(600, 950), between(200, 600), between(0, 350))
    };
    let kind = pick(random, if stressed { &STRESSED } else { &CALM });
    Content::Emotion { kind, positivity, intensity, stress }
}

fn transaction(random: &mut StdRng, stressed: bool) -> Content {
    let cents = if stressed { 500..=6_000 } else { 5_000..=95_000 };
    Content::Transaction {
        amount: Money::from_minor_units(random.random_range(cents)),
        category: pick(random, &CATEGORIES),
        channel: pick(random, &CHANNELS),
    }
}

fn pick(random: &mut StdRng, words: &[&'static str]) -> &'static str {
    let index = random.random_range(0..words.len());
    words.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_tells_the_same_story() {
        let story = |seed| (0..200).map(|n| Generator::new(seed, 0.3).event(n, 10)).collect::<Vec<_>>();
        assert_eq!(story(7), story(7));
        assert_ne!(story(7), story(8));
    }

    #[test]
    fn the_crowd_is_what_the_table_says() {
        let mut transactions = 0;
        for number in 0..2_000 {
            let (user, content) = Generator::new(1, 0.25).event(number, 9);
            match content {
                Content::Emotion { stress, positivity, intensity, .. } => {
                    assert_eq!(stress >= 0.65, is_stressed(user));
                    assert!((0.0..=1.0).contains(&positivity) && (0.0..=1.0).contains(&intensity));
                }
                Content::Transaction { amount, .. } => {
                    transactions += 1;
                    assert!((500..=95_000).contains(&amount.minor_units()));
                }
            }
        }
        assert!((400..600).contains(&transactions), "{transactions} of 2000 should be near a quarter");
    }
}
