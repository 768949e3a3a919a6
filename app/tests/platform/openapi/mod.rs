//! The OpenAPI document: it says what there is, all of it, and nothing else.
//!
//! Every answer that any test of the platform gets is held against it, see [`contract`].

pub(crate) mod contract;
pub(crate) mod document;
mod examples;

/// What the gateway's table doesn't have, since each process answers it for itself.
const HEALTH: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
