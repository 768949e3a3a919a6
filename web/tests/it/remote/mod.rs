//! Roles of other processes, called over real connections.

mod changes;
mod encrypted;
mod failures;
mod forwarding;
mod streams;
pub(crate) mod support;
