//! Limits over a real Redis that several processes share, and that goes away and comes back.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod away;
mod conformance;
mod support;
mod together;
