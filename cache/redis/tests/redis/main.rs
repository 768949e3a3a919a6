//! The cache over a real Redis: what every cache must show, what each level answers, and what happens when Redis is away.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod away;
mod conformance;
mod cut;
mod encryption;
mod levels;
mod restart;
mod support;
