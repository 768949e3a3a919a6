//! Tests of the whole platform: in this process over HTTP, and as the real binary.

mod bad_input;
mod commands;
mod journey;
mod kill;
mod known_faults;
mod support;
