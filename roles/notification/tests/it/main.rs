//! The role over the embedded bus and store, and its endpoints in process.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod list;
mod read;
mod receiver;
mod streams;
mod support;
mod webhooks;
