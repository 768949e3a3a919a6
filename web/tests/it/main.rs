//! The edges that HTTP roles share, tested as a client sees them.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod auth;
mod body;
mod drain;
mod encrypted;
mod guarded;
mod health;
mod layers;
mod logs;
mod metered;
mod openapi;
mod params;
mod policy;
mod remote;
mod server;
mod shedding;
mod slow;
mod streams;
mod support;
