//! The role's calls, made in process by typed actors over a real store.

// Every helper of a test stops at the first surprise.
#![expect(clippy::unwrap_used, reason = "tests may stop at the first surprise")]

mod acceptance;
mod access;
mod accounts;
mod analysis;
mod attributes;
mod backtests;
mod cancelled;
mod consents;
mod decisions;
mod erasures;
mod evaluations;
mod exports;
mod guesses;
mod idempotency;
mod offers;
mod outage;
mod policies;
mod reviews;
mod sessions;
mod stale;
mod support;
