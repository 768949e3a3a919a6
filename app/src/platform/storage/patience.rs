//! Waiting for an engine that isn't there yet: whatever starts a platform rarely starts its servers first.

use std::fmt::Display;
use std::time::Duration;

use anyhow::anyhow;
use ecs_work::BackOff;
use tokio::time::Instant;

/// Opens `engine` again and again until it is there or `patience` is over. What can't succeed later fails at once.
pub(super) async fn open<T, E: Display>(
    engine: &str,
    patience: Duration,
    is_retryable: impl Fn(&E) -> bool,
    mut open: impl AsyncFnMut() -> Result<T, E>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + patience;
    let mut attempt = 1;
    loop {
        let error = match open().await {
            Ok(opened) => return Ok(opened),
            Err(error) if is_retryable(&error) => error,
            Err(error) => return Err(anyhow!("{engine}: {error}")),
        };
        let wait = BackOff::OUTAGE.delay(attempt, u64::from(std::process::id()));
        if Instant::now() + wait >= deadline {
            let waited_s = patience.as_secs();
            return Err(anyhow!("{engine}: {error} (waited {waited_s} s, as ECS_START_TIMEOUT_S says)"));
        }
        tracing::warn!(engine, %error, attempt, "not there yet, waiting for it");
        tokio::time::sleep(wait).await;
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens something that fails `failures` times, and tells how it went and how often it was tried.
    async fn opened(failures: u32, is_retryable: bool) -> (Result<u32, String>, u32) {
        let mut tries = 0;
        let opened = open(
            "the pigeons",
            Duration::from_secs(60),
            |_: &String| is_retryable,
            async || {
                tries += 1;
                if tries <= failures { Err("gone south".to_owned()) } else { Ok(tries) }
            },
        );
        let opened = opened.await.map_err(|error| error.to_string());
        (opened, tries)
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_comes_late_is_waited_for() {
        let before = Instant::now();
        assert_eq!(opened(10, true).await, (Ok(11), 11));
        assert!(before.elapsed() > Duration::from_secs(20), "{:?}", before.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_come_is_named() {
        let before = Instant::now();
        let (refusal, tries) = opened(u32::MAX, true).await;
        assert_eq!(
            refusal.unwrap_err(),
            "the pigeons: gone south (waited 60 s, as ECS_START_TIMEOUT_S says)"
        );
        assert!(before.elapsed() <= Duration::from_secs(60) && tries > 10, "{tries} {:?}", before.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_succeed_later_fails_at_once() {
        let before = Instant::now();
        assert_eq!(opened(u32::MAX, false).await, (Err("the pigeons: gone south".to_owned()), 1));
        assert_eq!(before.elapsed(), Duration::ZERO);
    }
}
