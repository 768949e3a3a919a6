//! The breaker as its callers meet it, and against a model.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod calls;
mod model;
