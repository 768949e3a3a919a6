//! When an attempt that failed is made again.

use std::time::Duration;

use ecs_domain::Timestamp;
use jiff::fmt::rfc2822;

const SECOND: u64 = 1;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// How long after each failed try the next one follows: the schedule that the specification shows, three days and some hours in all.
const DELAYS: [u64; 9] =
    [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];
/// By how much a delay may be longer: what failed together shall not come back together.
const JITTER: f64 = 0.2;
/// The longest that a receiver may ask us to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * HOUR);

/// How long to wait after `tries` failed tries; `None` when that was the last one. `random` is from 0 to 1, and `wish` what the
/// receiver asked for, which makes a delay longer and never shorter.
pub(crate) fn delay(tries: u32, wish: Option<Duration>, random: f64) -> Option<Duration> {
    let place = usize::try_from(tries.checked_sub(1)?).ok()?;
    let planned = Duration::from_secs(*DELAYS.get(place)?);
    let wish = wish.unwrap_or_default().min(LONGEST_WAIT);
    Some(planned.max(wish).mul_f64(1.0 + JITTER * random.clamp(0.0, 1.0)))
}

/// What the header `Retry-After` asks for: seconds, or a date.
pub(crate) fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::parse(header).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_over_days_and_end() {
        let seconds = |tries, random| delay(tries, None, random).map(|delay| delay.as_secs());
        let check = |tries, least: Option<u64>, most: Option<u64>| {
            assert_eq!((seconds(tries, 0.0), seconds(tries, 1.0)), (least, most), "after {tries}");
        };
        check(0, None, None);
        check(1, Some(5), Some(6));
        check(2, Some(300), Some(360));
        check(3, Some(1_800), Some(2_160));
        check(8, Some(72_000), Some(86_400));
        check(9, Some(86_400), Some(103_680));
        check(10, None, None);
        check(u32::MAX, None, None);
        let all: u64 = (1..=9).filter_map(|tries| seconds(tries, 0.0)).sum();
        assert_eq!(all, 75 * HOUR + 35 * MINUTE + 5, "the schedule of the specification");
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_within_bounds() {
        let check = |tries, wish: u64, expect: Option<u64>| {
            let delay = delay(tries, Some(Duration::from_secs(wish)), 0.0);
            assert_eq!(delay.map(|delay| delay.as_secs()), expect, "{wish} s after {tries}");
        };
        check(1, 0, Some(5));
        check(1, 60, Some(60));
        check(4, 60, Some(2 * HOUR));
        check(1, u64::MAX, Some(24 * HOUR));
        check(10, 60, None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let check = |header: &str, expect: Option<u64>| {
            assert_eq!(retry_after(header, now).map(|wish| wish.as_secs()), expect, "{header}");
        };
        check("120", Some(120));
        check(" 7 ", Some(7));
        check("Fri, 20 Nov 2026 12:01:30 GMT", Some(90));
        check("Fri, 20 Nov 2026 11:00:00 GMT", Some(0));
        check("-5", None);
        check("soon", None);
        check("", None);
    }
}
