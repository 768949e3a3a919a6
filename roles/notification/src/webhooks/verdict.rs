//! What an attempt came to, and what follows from it.

use std::time::Duration;

use ecs_domain::Timestamp;
use ecs_store::DeliveryFate;

use super::schedule;

/// The head of a receiver's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// What it asks for in `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
}

/// Why there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The host has no address that may be called. Whether it has others is nobody's business: our own names are not told.
    NoAddress,
    /// Nobody listens there.
    Connect,
    /// The encryption failed, or the certificate isn't the host's.
    Tls,
    /// The connection broke, or what came was no HTTP.
    Broken,
    /// It took too long.
    Timeout,
    /// The address or the secret can't be read, or the body can't be made: a matter of ours.
    Ours,
}

impl Trouble {
    /// Its word in the log of attempts.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NoAddress => "no-address",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Broken => "broken",
            Self::Timeout => "timeout",
            Self::Ours => "internal",
        }
    }
}

/// Why an attempt failed, in a word; `None` when it didn't.
pub(crate) fn error(outcome: &Result<Answer, Trouble>) -> Option<&'static str> {
    match outcome {
        Ok(answer) if is_success(answer.status) => None,
        Ok(_) => Some("status"),
        Err(trouble) => Some(trouble.as_str()),
    }
}

/// What becomes of the delivery after `tries` tries, of which this was the last. `random` is from 0 to 1.
pub(crate) fn fate(
    outcome: &Result<Answer, Trouble>,
    tries: u32,
    now: Timestamp,
    random: f64,
) -> DeliveryFate {
    let wish = match outcome {
        Ok(Answer { status, .. }) if is_success(*status) => return DeliveryFate::Delivered,
        Ok(Answer { status: 410, .. }) => return DeliveryFate::Gone,
        Ok(Answer { status: 429 | 503, retry_after }) => *retry_after,
        Ok(_) | Err(_) => None,
    };
    let next = schedule::delay(tries, wish, random).and_then(|delay| now.checked_add(delay).ok());
    next.map_or(DeliveryFate::Failed, DeliveryFate::Retry)
}

/// The word that metrics count a fate under.
pub(crate) fn word(fate: DeliveryFate) -> &'static str {
    match fate {
        DeliveryFate::Delivered => "delivered",
        DeliveryFate::Retry(_) => "retry",
        DeliveryFate::Failed => "failed",
        DeliveryFate::Gone => "gone",
    }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_decides_what_follows() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let retry = |seconds: i64| DeliveryFate::Retry(now + jiff::SignedDuration::from_secs(seconds));
        let answer =
            |status, wish: Option<u64>| Ok(Answer { status, retry_after: wish.map(Duration::from_secs) });
        let check = |outcome: Result<Answer, Trouble>, tries, expect, word| {
            assert_eq!((fate(&outcome, tries, now, 0.0), error(&outcome)), (expect, word), "{outcome:?}");
        };
        let failed = Some("status");
        for status in [200, 201, 202, 204, 299] {
            check(answer(status, None), 1, DeliveryFate::Delivered, None);
        }
        check(answer(410, None), 1, DeliveryFate::Gone, failed);
        for status in [199, 300, 301, 307, 400, 401, 404, 500, 502] {
            check(answer(status, Some(600)), 1, retry(5), failed);
        }
        check(answer(429, Some(600)), 1, retry(600), failed);
        check(answer(503, Some(600)), 1, retry(600), failed);
        check(answer(503, None), 2, retry(300), failed);
        check(answer(503, Some(u64::MAX)), 1, retry(24 * 3_600), failed);
        check(answer(500, None), 10, DeliveryFate::Failed, failed);
        check(answer(429, Some(600)), 10, DeliveryFate::Failed, failed);
        check(Err(Trouble::NoAddress), 1, retry(5), Some("no-address"));
        check(Err(Trouble::Timeout), 10, DeliveryFate::Failed, Some("timeout"));
    }
}
