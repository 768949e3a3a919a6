//! Chance that can be looked up: a number for every question, the same for whoever asks, in whatever order.
//!
//! Nothing in here depends on a library's generator, whose stream may change with its version: the story of a seed is a
//! promise (`population-1`), and a model may be trained on it.

/// The golden ratio's fraction of 2^64: steps of it spread evenly over all numbers.
pub(crate) const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A stream of chances that begins at a question.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

/// Scatters a number so that neighbours have nothing in common (the finaliser of SplitMix64).
pub(crate) fn scatter(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

/// One key out of several numbers; their order matters.
pub(crate) fn key(parts: &[u64]) -> u64 {
    parts.iter().fold(GOLDEN, |key, part| scatter(key.wrapping_add(GOLDEN) ^ scatter(part.wrapping_add(1))))
}

/// As a fraction in 0..1.
fn fraction(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// Roughly normal with mean 0 and deviation 1, never beyond ±3.5: the sum of four even draws. It needs no logarithm, so
/// it is the same to the last bit on every machine.
fn bell(bits: u64) -> f64 {
    let part = |shift: u32| ((bits >> shift) & 0xFFFF) as f64 / 65_536.0;
    (part(0) + part(16) + part(32) + part(48) - 2.0) * 3.0_f64.sqrt()
}

impl Dice {
    /// The stream of one question.
    pub(crate) fn of(parts: &[u64]) -> Self {
        Self(key(parts))
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        scatter(self.0)
    }

    /// Even in 0..1.
    pub(crate) fn unit(&mut self) -> f64 {
        fraction(self.bits())
    }

    /// Even in `low..high`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Whether something of this probability happens.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A number below `count`; 0 when there is none.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.bits()) * count as u128) >> 64) as usize
    }

    /// One of them; `None` when there is none.
    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        choices.get(self.below(choices.len()))
    }

    /// Roughly normal, with this mean and deviation, within 3.5 deviations.
    pub(crate) fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        mean + deviation * bell(self.bits())
    }

    /// How often something happens that happens `mean` times on average. For means up to some dozens.
    pub(crate) fn poisson(&mut self, mean: f64) -> u32 {
        let floor = (-mean).exp();
        let mut product = self.unit();
        let mut count = 0;
        while product > floor && count < 1000 {
            product *= self.unit();
            count += 1;
        }
        count
    }
}

/// A curve that wanders smoothly through bell-shaped values, one per whole number of `at`, with deviation 1 everywhere.
/// Points closer than 1 have much in common, points further than 2 nothing.
pub(crate) fn wander(key: u64, at: f64) -> f64 {
    let cell = at.floor();
    let within = at - cell;
    let value = |cell: f64| bell(scatter(key ^ scatter((cell as i64) as u64)));
    let weight = within * within * (3.0 - 2.0 * within);
    let rest = 1.0 - weight;
    (value(cell) * rest + value(cell + 1.0) * weight) / (rest * rest + weight * weight).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: impl Iterator<Item = f64>) -> (f64, f64) {
        let values: Vec<f64> = values.collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        (mean, variance.sqrt())
    }

    #[test]
    fn draws_have_the_shapes_they_claim() {
        let mut dice = Dice::of(&[1, 2]);
        let check = |(mean, deviation): (f64, f64), expect: (f64, f64)| {
            assert!(
                (mean - expect.0).abs() < 0.05 && (deviation - expect.1).abs() < 0.05,
                "{mean} {deviation}"
            );
        };
        check(moments((0..20_000).map(|_| dice.unit())), (0.5, 1.0 / 12.0_f64.sqrt()));
        check(moments((0..20_000).map(|_| dice.normal(3.0, 2.0))), (3.0, 2.0));
        check(moments((0..20_000).map(|_| f64::from(dice.poisson(2.5)))), (2.5, 2.5_f64.sqrt()));
        check(moments((0..20_000).map(|_| dice.below(10) as f64)), (4.5, 8.25_f64.sqrt()));
        check(moments((0..20_000).map(|n| wander(7, f64::from(n) * 0.7))), (0.0, 1.0));
    }

    #[test]
    fn a_curve_remembers_where_it_was_and_forgets_where_it_was_long_ago() {
        let correlation = |distance: f64| {
            let pairs = (0..4_000).map(|n| f64::from(n) * 3.0);
            pairs.map(|at| wander(5, at) * wander(5, at + distance)).sum::<f64>() / 4_000.0
        };
        assert!(correlation(0.1) > 0.95, "{}", correlation(0.1));
        assert!(correlation(2.5).abs() < 0.05, "{}", correlation(2.5));
    }

    /// The story of every seed rests on these numbers.
    #[test]
    fn chance_is_frozen() {
        assert_eq!(key(&[1, 2, 3]), Dice::of(&[1, 2, 3]).0);
        assert_ne!(key(&[1, 2]), key(&[2, 1]));
        assert_eq!(scatter(1), 0x5692_161D_100B_05E5);
    }
}
