//! Trying again, for calls that have one effect however often they are made.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::CallError;

/// How long and how often a call is tried again. Only calls that carry the caller's own id may be: repeating one of
/// those has no second effect.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// The most attempts, the first one included.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles from there.
    pub first_wait: Duration,
    /// The longest wait, unless the platform asks for a longer one.
    pub longest_wait: Duration,
    /// From when on, counted from the first attempt, no new attempt is made.
    pub patience: Duration,
}

impl Retries {
    /// One attempt only.
    pub const NONE: Self = Self {
        attempts: 1,
        first_wait: Duration::ZERO,
        longest_wait: Duration::ZERO,
        patience: Duration::ZERO,
    };

    /// What a client does unless told otherwise: up to four attempts within ten seconds.
    pub const BRIEF: Self = Self {
        attempts: 4,
        first_wait: Duration::from_millis(50),
        longest_wait: Duration::from_secs(2),
        patience: Duration::from_secs(10),
    };

    /// For those who want to outlive a restart of the platform: as many attempts as fit into `patience`.
    #[must_use]
    pub const fn for_as_long_as(patience: Duration) -> Self {
        Self {
            attempts: u32::MAX,
            first_wait: Duration::from_millis(50),
            longest_wait: Duration::from_secs(1),
            patience,
        }
    }

    /// Makes the call until it succeeds, fails for good, or the attempts or the patience are used up. `seen` hears of
    /// every failed attempt, the last one included.
    pub async fn run<T, Call, Attempt>(
        &self,
        call: Call,
        seen: impl FnMut(&CallError),
    ) -> Result<T, CallError>
    where
        Call: FnMut() -> Attempt,
        Attempt: Future<Output = Result<T, CallError>>,
    {
        self.run_until(&CancellationToken::new(), call, seen).await
    }

    /// The same, and no new attempt is begun once `stop` says so. One under way is seen through: its answer may be a
    /// promise that somebody relies on.
    pub async fn run_until<T, Call, Attempt>(
        &self,
        stop: &CancellationToken,
        mut call: Call,
        mut seen: impl FnMut(&CallError),
    ) -> Result<T, CallError>
    where
        Call: FnMut() -> Attempt,
        Attempt: Future<Output = Result<T, CallError>>,
    {
        let begun = Instant::now();
        let mut attempt = 1;
        loop {
            let error = match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            seen(&error);
            let wait = self.wait_after(attempt, &error);
            let too_late = begun.elapsed() + wait > self.patience;
            if !error.is_worth_a_retry() || attempt >= self.attempts || too_late {
                return Err(error);
            }
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return Err(error);
            }
            attempt = attempt.saturating_add(1);
        }
    }

    /// Doubles from attempt to attempt, spread by a quarter either way so that many senders don't come back in step,
    /// and is never shorter than what the platform asked for.
    fn wait_after(&self, attempt: u32, error: &CallError) -> Duration {
        let doublings = attempt.saturating_sub(1).min(16);
        let wait = self.first_wait.saturating_mul(1 << doublings).min(self.longest_wait);
        let spread = wait.mul_f64(rand::random_range(0.75..=1.25));
        spread.max(error.retry_after().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{Problem, TransportError};

    /// Runs a call that fails as `errors` say, one by one, and then succeeds.
    async fn attempts(retries: Retries, errors: Vec<fn() -> CallError>) -> (u32, bool) {
        let made = Cell::new(0_u32);
        let outcome = retries
            .run(
                || {
                    let index = made.replace(made.get() + 1) as usize;
                    let answer = errors.get(index).map_or(Ok(()), |error| Err(error()));
                    async move { answer }
                },
                |_| {},
            )
            .await;
        (made.get(), outcome.is_ok())
    }

    fn broken() -> CallError {
        TransportError::Broken.into()
    }

    fn refused() -> CallError {
        CallError::Refused { status: 422, problem: Problem::default() }
    }

    fn come_back_in_a_minute() -> CallError {
        CallError::Unavailable { status: 503, retry_after: Some(Duration::from_secs(60)) }
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_end_with_success_refusal_or_patience() {
        assert_eq!(attempts(Retries::BRIEF, vec![broken, broken]).await, (3, true));
        assert_eq!(attempts(Retries::BRIEF, vec![refused]).await, (1, false));
        assert_eq!(attempts(Retries::BRIEF, vec![broken; 9]).await, (4, false));
        assert_eq!(attempts(Retries::NONE, vec![broken]).await, (1, false));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_platform_asks_for_is_honoured() {
        let begun = Instant::now();
        let patient = Retries::for_as_long_as(Duration::from_secs(90));
        assert_eq!(attempts(patient, vec![come_back_in_a_minute]).await, (2, true));
        assert!(begun.elapsed() >= Duration::from_secs(60));
        // Who doesn't have a minute gives up at once instead of coming back too early.
        assert_eq!(attempts(Retries::BRIEF, vec![come_back_in_a_minute]).await, (1, false));
    }
}
