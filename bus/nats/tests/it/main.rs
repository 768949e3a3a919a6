//! What the conformance kit can't see: the server's side, and servers that die.
#![expect(clippy::unwrap_used, reason = "a surprise ends the test that meets it")]

mod attempts;
mod drift;
mod faults;
mod flushes;
mod pruning;
mod publishing;
mod support;
