//! One test per behaviour of the contract of limits, stamped over every limiter.
//!
//! A limiter implements [`Harness`] in its tests and writes `ecs_limits_conformance::conformance!(ItsHarness);`. Time is the machine's:
//! a limiter may have to hear from elsewhere before it knows, so these tests ask until it does.

pub mod giving;
pub mod refusing;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use ecs_domain::Timestamp;
use ecs_limits::{Decision, Key, Keys, Limiter, Quota, QuotaError};

#[doc(hidden)]
pub use ecs_conformance;

/// How long a test waits for what should happen soon.
const PATIENCE: Duration = Duration::from_secs(60);

/// Nothing comes back while a test runs: one cell takes so long.
const A_CELL: Duration = Duration::from_secs(3600);
const SLOW: Result<Quota, QuotaError> = Quota::new(1, A_CELL, 8);

/// A limiter under test.
#[async_trait]
pub trait Harness: Send + Sync + Sized {
    /// What the report calls it.
    const NAME: &'static str;

    /// Why this limiter can't be had on this machine.
    fn unavailable() -> Option<String> {
        None
    }

    /// One that knows no key yet.
    async fn start() -> Self;

    /// The limiter.
    fn limiter(&self) -> &dyn Limiter;

    /// How many cells it may give beyond a quota when a single process asks.
    fn slack(quota: &Quota) -> u32;
}

/// Stamps every behaviour as a test of its own over the harness. The calling crate needs tokio with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! conformance {
    ($harness:ty) => {
        $crate::ecs_conformance::stamp! { $crate, "limits", $harness;
            giving: a_burst_can_be_had_and_no_more, what_is_given_back_can_be_taken_again,
                who_comes_back_when_told_is_let_in;
            refusing: refusals_cost_nothing, keys_are_apart, more_than_a_burst_never_fits_and_nothing_always_does;
        }
    };
}

fn key(name: &str) -> Key {
    Keys::new([7; 32]).of(["conformance", "user"], name.as_bytes())
}

fn slow() -> Quota {
    SLOW.expect("the quota of these tests is one")
}

fn ask(limiter: &dyn Limiter, key: &Key, quota: &Quota) -> Decision {
    limiter.check(key, quota, 1, Timestamp::now())
}

/// Asks for one cell after the other until it is clear that there is no more: refused, and with nothing left. Returns how many there were.
async fn exhaust(limiter: &dyn Limiter, key: &Key, quota: &Quota) -> u32 {
    let deadline = Instant::now() + PATIENCE;
    let mut given = 0;
    loop {
        let decision = ask(limiter, key, quota);
        given += u32::from(decision.allowed);
        if !decision.allowed && decision.remaining == 0 {
            return given;
        }
        assert!(Instant::now() < deadline, "after {given} cells it is still not clear: {decision:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Polls until it holds.
async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not {what} in time");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
