//! The embedded transport: an append-only log in a SQLite file of its own, with group commit.
//!
//! Publishers hand their events to one queue. One thread takes all that waits, appends it in one transaction with one
//! flush to disk, and answers everybody: many publishers share a flush, and nobody is answered before it. Members of
//! a group are handed positions of the log from a state in memory; what a group has settled is written down beside the
//! events of a later commit. A crash repeats deliveries whose acknowledgement wasn't written, and loses nothing.
//!
//! Ids are not looked up: an event that is published twice is twice in the log, which consumers are indifferent to.
//! One process at a time may have the file open; the application locks its data folder to make sure.

mod bus;
mod group;
mod options;
mod progress;
mod prune;
mod queue;
pub mod raw;
mod schema;
mod shared;
mod subscription;
mod tail;
mod writer;

pub use bus::EmbeddedBus;
pub use options::{Options, Synchronous};
