//! Waiting for what must come.

use std::time::Duration;

use tokio::time::Instant;

/// How long a platform may take to do what is asked of it, a breaker's half minute included.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);
const GLANCE: Duration = Duration::from_millis(20);

/// Asks until there is an answer. When none comes in time, `why` says what is known about it.
pub(crate) async fn eventually<T>(
    what: &str,
    mut ask: impl AsyncFnMut() -> Option<T>,
    why: impl Fn() -> String,
) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "gave up waiting until {what}\n{}", why());
        tokio::time::sleep(GLANCE).await;
    }
}

/// Asks until it is so, or until `patience` is over.
pub(crate) async fn at_most(patience: Duration, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !is_so() && Instant::now() < deadline {
        tokio::time::sleep(GLANCE).await;
    }
}
