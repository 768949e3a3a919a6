//! The platform seen from outside: an HTTP client, a simulator, an importer, and the journal by which a sender can
//! check afterwards that nothing it was promised got lost.
//!
//! Nothing in here knows the bus, the store or a role: what it says about the platform it learnt over HTTP, like any
//! phone. It prints nothing either. What happens meanwhile goes to a [`Progress`], what came of it into a summary.

pub mod accounts;
pub mod audit;
pub mod chain;
pub mod check;
pub mod credit;
pub mod dead_letters;
pub mod decisions;
mod error;
pub mod events;
pub mod follow;
pub mod import;
pub mod journal;
mod latency;
mod ledger;
pub mod operations;
mod policies;
mod progress;
pub mod replays;
mod retries;
pub mod simulate;
#[cfg(test)]
mod stub;
mod transport;

pub use error::{CallError, FieldProblem, Problem, TransportError};
pub use journal::Journal;
pub use latency::{Latencies, Percentiles};
pub use ledger::{EventKey, Fate, Ledger};
pub use progress::{Bar, Progress, Silent};
pub use retries::Retries;
pub use transport::{Client, Credentials};
