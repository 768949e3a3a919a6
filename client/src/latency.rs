//! How long answers took, in buckets of known width.

use std::time::Duration;

use serde::Serialize;

/// Each power of two is cut into this many buckets, so a reading is at most 1/64 (1.6 %) too high.
const PARTS: u64 = 64;
/// Bits of [`PARTS`].
const PART_BITS: u32 = 6;
/// Enough for 2^36 µs, which is 19 hours.
const BUCKETS: usize = 64 * 32;

/// A histogram of durations with a resolution of a microsecond and a relative error of 1.6 %.
#[derive(Debug, Clone)]
pub struct Latencies {
    buckets: Vec<u64>,
    count: u64,
    max_micros: u64,
}

/// The readings that people ask for, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half of the answers took at most this long.
    pub p50_ms: f64,
    /// 95 of 100.
    pub p95_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// The slowest one, exactly.
    pub max_ms: f64,
}

impl Latencies {
    /// Nothing measured yet.
    #[must_use]
    pub fn new() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, max_micros: 0 }
    }

    /// Notes one duration.
    pub fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get_mut(bucket_of(micros)) {
            *bucket += 1;
        }
        self.count += 1;
        self.max_micros = self.max_micros.max(micros);
    }

    /// Adds what another histogram noted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.max_micros = self.max_micros.max(other.max_micros);
    }

    /// How many durations were noted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The duration that `per_mille` of 1000 stayed within.
    #[must_use]
    pub fn within(&self, per_mille: u64) -> Duration {
        let rank = (self.count * per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            seen += bucket;
            if seen >= rank {
                return Duration::from_micros(upper_edge(index).min(self.max_micros));
            }
        }
        Duration::from_micros(self.max_micros)
    }

    /// The readings that people ask for.
    #[must_use]
    pub fn percentiles(&self) -> Percentiles {
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
        Percentiles {
            p50_ms: ms(self.within(500)),
            p95_ms: ms(self.within(950)),
            p99_ms: ms(self.within(990)),
            max_ms: ms(Duration::from_micros(self.max_micros)),
        }
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

/// Below 64 µs a bucket is one microsecond wide; above, each power of two has 64 buckets.
fn bucket_of(micros: u64) -> usize {
    let exponent = micros.max(1).ilog2().saturating_sub(PART_BITS);
    let index = u64::from(exponent) * PARTS + (micros >> exponent);
    usize::try_from(index).map_or(BUCKETS - 1, |index| index.min(BUCKETS - 1))
}

/// The longest duration of a bucket, in microseconds.
fn upper_edge(index: usize) -> u64 {
    let index = index as u64;
    if index < 2 * PARTS {
        return index;
    }
    let exponent = index / PARTS - 1;
    let within = index - exponent * PARTS;
    ((within + 1) << exponent) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_never_too_low_and_at_most_two_percent_too_high() {
        for micros in (0..200_000).chain([1_000_000, 59_999_999, 3_600_000_000]) {
            let read = upper_edge(bucket_of(micros));
            assert!(read >= micros, "{micros} read as {read}");
            assert!(read - micros <= micros / 64, "{micros} read as {read}");
        }
    }

    #[test]
    fn percentiles_of_a_thousand_rising_values() {
        let mut first = Latencies::new();
        let mut second = Latencies::new();
        for micros in 1..=1000 {
            let half = if micros % 2 == 0 { &mut first } else { &mut second };
            half.record(Duration::from_micros(micros));
        }
        first.merge(&second);
        assert_eq!(first.count(), 1000);
        let near = |reading: Duration, expect: u64| {
            let micros = u64::try_from(reading.as_micros()).unwrap();
            assert!((expect..=expect + expect / 64).contains(&micros), "{micros} instead of {expect}");
        };
        near(first.within(500), 500);
        near(first.within(990), 990);
        assert_eq!(first.within(1000), Duration::from_micros(1000));
    }

    #[test]
    fn nothing_measured_reads_as_nothing() {
        assert_eq!(Latencies::new().within(990), Duration::ZERO);
    }
}
