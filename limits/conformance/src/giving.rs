//! What a key gets.

use std::time::{Duration, Instant};

use ecs_limits::Quota;

use crate::{Harness, ask, eventually, exhaust, key, slow};

/// All of its burst, and then nothing.
pub async fn a_burst_can_be_had_and_no_more<H: Harness>() {
    let harness = H::start().await;
    let quota = slow();
    let given = exhaust(harness.limiter(), &key("burst"), &quota).await;
    let expect = quota.burst()..=quota.burst() + H::slack(&quota);
    assert!(expect.contains(&given), "{given} given, a burst is {expect:?}");
}

/// However often, and no more than was taken.
pub async fn what_is_given_back_can_be_taken_again<H: Harness>() {
    let harness = H::start().await;
    let (limiter, quota, key) = (harness.limiter(), slow(), key("given back"));
    for _ in 0..5 * quota.burst() {
        eventually("let in", || ask(limiter, &key, &quota).allowed).await;
        limiter.give_back(&key, &quota, 1, ecs_domain::Timestamp::now());
    }
    let given = exhaust(limiter, &key, &quota).await;
    let expect = quota.burst()..=quota.burst() + H::slack(&quota);
    assert!(expect.contains(&given), "{given} given, a burst is {expect:?}");
}

/// Who waits for as long as a refusal says gets a cell.
pub async fn who_comes_back_when_told_is_let_in<H: Harness>() {
    let harness = H::start().await;
    let limiter = harness.limiter();
    let (quota, key) = (Quota::new(10, Duration::from_secs(1), 1), key("told"));
    let quota = quota.expect("the quota of this test is one");
    exhaust(limiter, &key, &quota).await;
    let refused = ask(limiter, &key, &quota);
    let deadline = Instant::now() + refused.retry_after;
    while Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(ask(limiter, &key, &quota).allowed, "refused after the time that was told: {refused:?}");
}
