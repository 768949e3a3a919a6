//! How long to wait before the next try.

use std::time::Duration;

/// A schedule of waits that double from `first` up to `cap`.
///
/// Each wait is shortened by up to a fifth, by an amount that follows from the attempt and a seed: what failed together
/// doesn't come back together, and a test can still say what to expect. A shortened wait is always longer than the one
/// before it, until the cap is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackOff {
    /// The wait after the first failure.
    pub first: Duration,
    /// The longest wait.
    pub cap: Duration,
}

impl BackOff {
    /// For an event that failed: 200 ms, doubling, at most 30 s. Ten attempts take about 80 s.
    pub const EVENT: Self = Self { first: Duration::from_millis(200), cap: Duration::from_secs(30) };
    /// For a dependency that is away: 100 ms, doubling, at most 5 s, so that work goes on soon after it is back.
    pub const OUTAGE: Self = Self { first: Duration::from_millis(100), cap: Duration::from_secs(5) };

    /// The wait after failure number `attempt`, counted from 1.
    #[must_use]
    pub fn delay(self, attempt: u32, seed: u64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let full = self.first.saturating_mul(1 << doublings).min(self.cap);
        let thousandths = u32::try_from(scramble(seed ^ u64::from(attempt)) % 200).unwrap_or(0);
        full - full.mul_f64(f64::from(thousandths) / 1000.0)
    }
}

/// Spreads neighbouring numbers far apart (the finaliser of SplitMix64).
fn scramble(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_until_the_cap() {
        for seed in 0..100 {
            let waits: Vec<Duration> = (1..=8).map(|attempt| BackOff::EVENT.delay(attempt, seed)).collect();
            assert!(waits.is_sorted_by(|a, b| a < b), "{waits:?}");
            let late = BackOff::EVENT.delay(40, seed);
            assert!(late <= BackOff::EVENT.cap && late >= BackOff::EVENT.cap.mul_f64(0.8), "{late:?}");
        }
    }

    #[test]
    fn a_wait_follows_from_attempt_and_seed() {
        assert_eq!(BackOff::EVENT.delay(3, 7), BackOff::EVENT.delay(3, 7));
        let first: std::collections::HashSet<Duration> =
            (0..50).map(|seed| BackOff::EVENT.delay(1, seed)).collect();
        assert!(first.len() > 10, "what failed together comes back spread out");
    }
}
