//! Certificates that are replaced, and whom callers believe.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod certificate;
mod roots;
mod support;
