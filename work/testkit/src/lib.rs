//! What tests of workers share.
//!
//! [`platform`] is the real embedded bus and store in a folder of their own, for tests of what works on both.
//! [`decisions`] are decisions of any day.
//! [`memory`] is a bus and pieces of a store whose failures a test chooses, under tokio's paused time. [`FlakyBus`]
//! refuses what a test says and otherwise is another bus.
#![expect(clippy::unwrap_used, reason = "this is a kit for tests: a surprise ends the test that meets it")]

pub mod decisions;
mod flaky;
pub mod memory;
pub mod platform;

pub use flaky::FlakyBus;
