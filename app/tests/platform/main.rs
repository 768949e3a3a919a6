//! Tests of the whole platform: in this process over HTTP, and as the real binary.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod apart;
mod audit;
mod bad_input;
mod bridge;
mod commands;
mod dead_letters;
mod decisions;
mod documented;
mod encrypted;
mod erasure;
mod exports;
mod idempotency;
mod journey;
mod kill;
mod known_faults;
mod logs;
mod metrics;
mod model_lost;
mod openapi;
mod owasp;
mod rate_limits;
mod replay;
mod rights;
mod routes;
mod schemathesis;
mod simulate;
mod streams;
mod support;
mod together;
mod topologies;
mod watch;
mod webhooks;
