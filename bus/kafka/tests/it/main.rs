//! What the transport does besides the contract: brokers that die and hang, partitions that move, topics that others made.
#![expect(clippy::unwrap_used, reason = "a surprise ends the test that meets it")]

mod durability;
mod faults;
mod load;
mod rebalancing;
mod support;
#[cfg(feature = "tls")]
mod tls;
