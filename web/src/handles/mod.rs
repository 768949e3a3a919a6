//! Handles to other roles: callers can't tell whether a role runs in this process.
//!
//! - [`Upstream`] forwards whole requests: the gateway's handle.
//! - [`CreditAnalysis`] asks the model: here with [`Guarded`] around it, elsewhere over [`HttpCreditAnalysis`].
//! - [`Remote`] is a role in other processes: its replicas, each behind a circuit breaker, a pool of connections, and a
//!   budget for second attempts.

pub mod changes;
mod credit_analysis;
mod error;
mod remote;
mod upstream;

pub use credit_analysis::{CreditAnalysis, Guarded, HttpCreditAnalysis};
pub use error::HandleError;
pub use remote::{BadAddress, Remote, RemoteOptions};
pub use upstream::Upstream;
