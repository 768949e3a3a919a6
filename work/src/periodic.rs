//! Work that comes round again and again.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Runs `task` at once and then every `interval`, until `token` says stop. A run that fails or panics is logged under
/// `name`, and the next one comes when it is due; a run that takes longer than the interval delays the next.
pub async fn periodic<F, E>(
    name: &'static str,
    interval: Duration,
    token: CancellationToken,
    mut task: impl FnMut() -> F,
) where
    F: Future<Output = Result<(), E>>,
    E: fmt::Display,
{
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = token.cancelled() => return,
            _ = ticks.tick() => {}
        }
        match AssertUnwindSafe(task()).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(task = name, %error, "a periodic task failed; it will be tried again")
            }
            Err(_) => tracing::error!(task = name, "a periodic task panicked; it will be tried again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failed_or_panicking_run_does_not_end_the_series() {
        let token = CancellationToken::new();
        let runs = Cell::new(0);
        let task = || {
            runs.set(runs.get() + 1);
            let run = runs.get();
            let token = token.clone();
            async move {
                match run {
                    1 => return Err("not today"),
                    2 => panic!("a test's panic"),
                    5 => token.cancel(),
                    _ => {}
                }
                Ok(())
            }
        };
        periodic("test", Duration::from_secs(60), token.clone(), task).await;
        assert_eq!(runs.get(), 5);
    }
}
