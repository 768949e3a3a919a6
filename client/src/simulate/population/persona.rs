//! Who the simulated people are, and how many of each there are.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::noise::{GOLDEN, key};

/// A kind of customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Persona {
    /// A regular income, regular purchases, mostly calm.
    SteadyEarner,
    /// Spends what comes in and a little more, under stress, worst before payday.
    StressedSpender,
    /// Sells rather than buys, with good and bad months.
    SeasonalMerchant,
    /// Came to the platform a few days or weeks ago.
    NewArrival,
    /// Few purchases, and now and then dozens within minutes at night.
    Fraudster,
}

impl Persona {
    /// Every persona, in the order of tables and reports.
    pub const ALL: [Self; 5] = [
        Self::SteadyEarner,
        Self::StressedSpender,
        Self::SeasonalMerchant,
        Self::NewArrival,
        Self::Fraudster,
    ];

    /// Its name on command lines and in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SteadyEarner => "steady-earner",
            Self::StressedSpender => "stressed-spender",
            Self::SeasonalMerchant => "seasonal-merchant",
            Self::NewArrival => "new-arrival",
            Self::Fraudster => "fraudster",
        }
    }
}

impl fmt::Display for Persona {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Persona {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Something for each persona.
#[derive(Debug, Clone, Default)]
pub(crate) struct PerPersona<T>([T; 5]);

impl<T> PerPersona<T> {
    pub(crate) fn from_fn(make: impl FnMut(Persona) -> T) -> Self {
        Self(Persona::ALL.map(make))
    }

    pub(crate) fn of(&self, persona: Persona) -> &T {
        let [steady, stressed, merchant, arrival, fraudster] = &self.0;
        match persona {
            Persona::SteadyEarner => steady,
            Persona::StressedSpender => stressed,
            Persona::SeasonalMerchant => merchant,
            Persona::NewArrival => arrival,
            Persona::Fraudster => fraudster,
        }
    }

    pub(crate) fn of_mut(&mut self, persona: Persona) -> &mut T {
        let [steady, stressed, merchant, arrival, fraudster] = &mut self.0;
        match persona {
            Persona::SteadyEarner => steady,
            Persona::StressedSpender => stressed,
            Persona::SeasonalMerchant => merchant,
            Persona::NewArrival => arrival,
            Persona::Fraudster => fraudster,
        }
    }
}

/// How many of 100 users are of each persona; written `steady-earner=50,fraudster=2`. Weights need not add up to 100, and
/// who is not named is not there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mix([f64; 5]);

impl Default for Mix {
    fn default() -> Self {
        Self([45.0, 25.0, 12.0, 15.0, 3.0])
    }
}

impl Mix {
    /// The share of a persona, 0 to 1.
    #[must_use]
    pub fn share(&self, persona: Persona) -> f64 {
        *PerPersona(self.0).of(persona) / self.0.iter().sum::<f64>()
    }

    /// What user `number` of a seed is. Steps of the golden ratio keep every stretch of users, short ones too, near the
    /// shares; who is who doesn't depend on how many there are.
    pub(crate) fn persona(&self, seed: u64, number: usize) -> Persona {
        let spread = key(&[seed]).wrapping_add((number as u64).wrapping_mul(GOLDEN));
        let mut left = spread as f64 / u64::MAX as f64;
        for persona in Persona::ALL {
            left -= self.share(persona);
            if left < 0.0 {
                return persona;
            }
        }
        // Only rounding leads here; the last one that is there at all is meant.
        Persona::ALL
            .into_iter()
            .rev()
            .find(|persona| self.share(*persona) > 0.0)
            .unwrap_or(Persona::SteadyEarner)
    }

    /// Tells the events of one mix from those of another under the same users.
    pub(crate) fn tag(&self) -> String {
        let parts = Persona::ALL.map(|persona| (self.share(persona) * 1e6).round() as u64);
        format!("{:08x}", key(&parts) >> 32)
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut weights = PerPersona::<Option<f64>>::default();
        for pair in text.split(',') {
            let (name, weight) =
                pair.split_once('=').ok_or_else(|| format!("{pair:?} must be PERSONA=WEIGHT"))?;
            let persona = Persona::ALL.into_iter().find(|persona| persona.as_str() == name.trim());
            let persona = persona.ok_or_else(|| {
                format!("{name:?} is no persona: there are {}", Persona::ALL.map(Persona::as_str).join(", "))
            })?;
            let weight = weight.trim().parse::<f64>().ok().filter(|weight| (0.0..=1e6).contains(weight));
            let weight =
                weight.ok_or_else(|| format!("the weight of {name} must be a number from 0 to 1000000"))?;
            if weights.of_mut(persona).replace(weight).is_some() {
                return Err(format!("{name} stands twice"));
            }
        }
        let weights = weights.0.map(Option::unwrap_or_default);
        if weights.iter().sum::<f64>() <= 0.0 {
            return Err("somebody must be there: all weights are 0".to_owned());
        }
        Ok(Self(weights))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_a_small_crowd_has_the_shares() {
        let check = |mix: Mix, users: usize, seed: u64| {
            let mut counts = PerPersona::<usize>::default();
            (0..users).for_each(|number| *counts.of_mut(mix.persona(seed, number)) += 1);
            for persona in Persona::ALL {
                let expect = mix.share(persona) * users as f64;
                let count = *counts.of(persona) as f64;
                assert!((count - expect).abs() < 3.0, "seed {seed}: {persona} {count} instead of {expect}");
            }
        };
        for seed in 0..20 {
            check(Mix::default(), 100, seed);
            check(Mix::default(), 10_000, seed);
            check("fraudster=1,new-arrival=1".parse().unwrap(), 50, seed);
        }
    }

    #[test]
    fn a_mix_is_read_or_refused_with_a_reason() {
        let mix: Mix = "steady-earner=50, fraudster=2".parse().unwrap();
        assert!((mix.share(Persona::SteadyEarner) - 50.0 / 52.0).abs() < 1e-12);
        assert!(mix.share(Persona::NewArrival).abs() < 1e-12);
        let refused = |text: &str, expect: &str| {
            let reason = text.parse::<Mix>().unwrap_err();
            assert!(reason.contains(expect), "{text}: {reason}");
        };
        refused("fraudster", "PERSONA=WEIGHT");
        refused("banker=1", "steady-earner, stressed-spender");
        refused("fraudster=-1", "weight of fraudster");
        refused("fraudster=1,fraudster=2", "twice");
        refused("fraudster=0", "somebody");
    }

    #[test]
    fn mixes_that_mean_the_same_have_the_same_tag() {
        let tag = |text: &str| text.parse::<Mix>().unwrap().tag();
        assert_eq!(tag("fraudster=1,new-arrival=1"), tag("new-arrival=50,fraudster=50"));
        assert_ne!(tag("fraudster=1,new-arrival=1"), tag("fraudster=2,new-arrival=1"));
    }
}
