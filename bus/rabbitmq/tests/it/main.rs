//! What the conformance kit can't see: servers that die, hang and run out of memory, several processes, and what others made.
#![expect(clippy::unwrap_used, reason = "a surprise ends the test that meets it")]

mod alarms;
mod encryption;
mod faults;
mod load;
mod network;
mod processes;
mod support;
mod topology;
