//! How much is allowed.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// So many cells per time, and a burst of so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    requests: u32,
    per: Duration,
    burst: u32,
    /// Nanoseconds that one cell costs, rounded up: never more is allowed than the quota says.
    interval: u64,
}

/// Why a quota can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// It isn't written like one.
    #[error("must be written like 20/s, 20/s:40 (with a burst of 40) or 10/15m:10, with s, m or h")]
    Form,
    /// A number is 0 or too large.
    #[error("its numbers must be from 1 to {}, and a spent burst back within a week", Quota::MOST)]
    Range,
}

impl Quota {
    /// The most requests, and the largest burst.
    pub const MOST: u32 = 10_000_000;
    /// How long a spent burst may take to be back.
    const LONGEST_SECONDS: u64 = 7 * 24 * 3600;

    /// # Errors
    /// A number is 0 or too large, or a spent burst would take more than a week to be back.
    pub const fn new(requests: u32, per: Duration, burst: u32) -> Result<Self, QuotaError> {
        let too_many = requests > Self::MOST || burst > Self::MOST || per.as_secs() > Self::LONGEST_SECONDS;
        if too_many || requests == 0 || burst == 0 || per.is_zero() {
            return Err(QuotaError::Range);
        }
        // Within a week, so none of these is cut off; a constant has no other way to convert them.
        let interval = (per.as_nanos() as u64).div_ceil(requests as u64);
        match interval.checked_mul(burst as u64) {
            Some(tolerance) if tolerance <= Self::LONGEST_SECONDS * 1_000_000_000 => {
                Ok(Self { requests, per, burst, interval })
            }
            Some(_) | None => Err(QuotaError::Range),
        }
    }

    /// The most that can be taken at once.
    #[must_use]
    pub fn burst(&self) -> u32 {
        self.burst
    }

    /// What one cell costs, in nanoseconds.
    #[must_use]
    pub fn interval(&self) -> u64 {
        self.interval
    }

    /// What the whole burst costs, in nanoseconds: at most a week.
    #[must_use]
    pub fn tolerance(&self) -> u64 {
        self.interval * u64::from(self.burst)
    }

    /// One of so many equal parts, and at least a burst of one cell.
    #[must_use]
    pub fn share(&self, parts: u32) -> Self {
        let parts = parts.max(1);
        let burst = (self.burst / parts).max(1);
        let interval = self.interval.saturating_mul(u64::from(parts));
        Self { burst, interval, per: self.per * parts, ..*self }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, per, burst, .. } = self;
        let (count, unit) = match per.as_secs() {
            0 => return write!(f, "{requests}/{per:?}:{burst}"),
            seconds if seconds % 3600 == 0 => (seconds / 3600, "h"),
            seconds if seconds % 60 == 0 => (seconds / 60, "m"),
            seconds => (seconds, "s"),
        };
        match count {
            1 => write!(f, "{requests}/{unit}:{burst}"),
            count => write!(f, "{requests}/{count}{unit}:{burst}"),
        }
    }
}

impl FromStr for Quota {
    type Err = QuotaError;

    /// `20/s`, whose burst is 20, `20/s:40`, `10/15m:10`.
    fn from_str(text: &str) -> Result<Self, QuotaError> {
        let number = |text: &str| text.parse::<u32>().map_err(|_| QuotaError::Form);
        let (requests, rest) = text.split_once('/').ok_or(QuotaError::Form)?;
        let (per, burst) = rest.split_once(':').map_or((rest, requests), |(per, burst)| (per, burst));
        let unit = match per.as_bytes().last() {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3600,
            Some(_) | None => return Err(QuotaError::Form),
        };
        let count = match &per[..per.len() - 1] {
            "" => 1,
            count => number(count)?,
        };
        Self::new(number(requests)?, Duration::from_secs(unit * u64::from(count)), number(burst)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_read_as_it_is_written() {
        let check = |text: &str, expect: Result<&str, QuotaError>| {
            let read = text.parse::<Quota>().map(|quota| quota.to_string());
            assert_eq!(read, expect.map(str::to_owned), "{text}");
        };
        check("20/s", Ok("20/s:20"));
        check("20/s:40", Ok("20/s:40"));
        check("10/15m:10", Ok("10/15m:10"));
        check("60/60s:5", Ok("60/m:5"));
        check("1/2h", Ok("1/2h:1"));
        for wrong in ["", "20", "20/", "20/d", "/s", "20/s:", "20/s:x", "-1/s", "20/é", "20/1.5s"] {
            check(wrong, Err(QuotaError::Form));
        }
        for wrong in ["0/s", "20/s:0", "20/0s", "1/200h", "10000001/s", "1/h:1000"] {
            check(wrong, Err(QuotaError::Range));
        }
    }

    #[test]
    fn a_cell_never_costs_less_than_its_part() {
        let check = |text: &str, interval: u64| {
            assert_eq!(text.parse::<Quota>().unwrap().interval(), interval, "{text}");
        };
        check("1/s", 1_000_000_000);
        check("3/s", 333_333_334);
        check("10000000/s", 100);
    }

    #[test]
    fn shares_are_no_more_than_the_whole_until_a_cell_is_the_least() {
        let whole: Quota = "20/s:40".parse().unwrap();
        for parts in 1..=40 {
            let share = whole.share(parts);
            assert!(share.burst() * parts <= whole.burst(), "{parts}");
            assert_eq!(share.interval(), whole.interval() * u64::from(parts));
        }
        assert_eq!((whole.share(0).burst(), whole.share(41).burst()), (40, 1));
    }
}
