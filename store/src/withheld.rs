//! What is said of entries of the audit log that wait for a key: now and then, not with every seal.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ecs_domain::Timestamp;

/// How long nothing is said again while they wait.
const SILENCE: Duration = Duration::from_secs(10 * 60);

/// Remembers when it was said last that entries wait.
#[derive(Debug, Default)]
pub struct Withheld {
    said_at: Mutex<Option<Timestamp>>,
}

impl Withheld {
    /// Notes how many entries whoever has just sealed had to leave out.
    pub fn note(&self, entries: usize, now: Timestamp) {
        match self.news(entries, now) {
            Some(true) => tracing::warn!(
                entries,
                "entries of the audit log wait for their seal: keys of those whom they are about are wrapped under a master key that this process wasn't given"
            ),
            Some(false) => tracing::info!("no entry of the audit log waits for a key any more"),
            None => {}
        }
    }

    /// Whether it is to be said now that some wait, or that none do any more.
    fn news(&self, entries: usize, now: Timestamp) -> Option<bool> {
        let mut said_at = self.said_at.lock().unwrap_or_else(PoisonError::into_inner);
        match (entries, *said_at) {
            (0, None) => None,
            (0, Some(_)) => {
                *said_at = None;
                Some(false)
            }
            (_, Some(at)) if now < at.saturating_add(SILENCE).unwrap_or(Timestamp::MAX) => None,
            (_, _) => {
                *said_at = Some(now);
                Some(true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_at_once_and_then_now_and_then() {
        let withheld = Withheld::default();
        let check = |seconds: u64, entries: usize, expect: Option<bool>| {
            let now = Timestamp::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(withheld.news(entries, now), expect, "{entries} after {seconds} s");
        };
        check(0, 0, None);
        check(1, 3, Some(true));
        check(2, 3, None);
        check(600, 4, None);
        check(601, 4, Some(true));
        check(602, 0, Some(false));
        check(603, 0, None);
        check(604, 1, Some(true));
    }
}
