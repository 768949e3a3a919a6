//! Transaction ingestion as a sender sees it, over a bus that records what it takes and fails when it is told to.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod access;
mod idempotency;
mod support;
mod values;
