//! What a key doesn't get.

use ecs_domain::Timestamp;

use crate::{A_CELL, Harness, ask, eventually, exhaust, key, slow};

/// Whoever goes on asking is told the same time, and not a later one.
pub async fn refusals_cost_nothing<H: Harness>() {
    let harness = H::start().await;
    let (limiter, quota, key) = (harness.limiter(), slow(), key("refused"));
    exhaust(limiter, &key, &quota).await;
    // As long as a limiter doesn't know for sure it says to ask again soon.
    eventually("refused for sure", || ask(limiter, &key, &quota).retry_after > A_CELL / 2).await;
    let first = ask(limiter, &key, &quota);
    for _ in 0..1_000 {
        let again = ask(limiter, &key, &quota);
        let later = again.retry_after.saturating_sub(first.retry_after);
        assert!(!again.allowed && later < A_CELL / 2, "{again:?} after {first:?}");
    }
}

/// Others have nothing to do with it.
pub async fn keys_are_apart<H: Harness>() {
    let harness = H::start().await;
    let (limiter, quota) = (harness.limiter(), slow());
    exhaust(limiter, &key("ana"), &quota).await;
    assert!(ask(limiter, &key("bia"), &quota).allowed);
}

/// A request for more than can ever be there is refused, and one for nothing is not.
pub async fn more_than_a_burst_never_fits_and_nothing_always_does<H: Harness>() {
    let harness = H::start().await;
    let (limiter, quota, key) = (harness.limiter(), slow(), key("all at once"));
    let now = Timestamp::now();
    assert!(!limiter.check(&key, &quota, quota.burst() + 1, now).allowed);
    exhaust(limiter, &key, &quota).await;
    assert!(limiter.check(&key, &quota, 0, now).allowed);
}
