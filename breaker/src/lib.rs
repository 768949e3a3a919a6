//! A circuit breaker: opens after failures in a row, and lets probes find out when to close.
//!
//! Around a dependency that has failed five times in a row, waiting for a sixth failure helps nobody: callers are
//! refused at once for thirty seconds, with the time that is left, and the dependency gets its rest. Then one call at
//! a time is let through as a probe. What comes of it decides.
//!
//! ```text
//!            `failures` in a row                  `open_for` has passed
//!   Closed ───────────────────────> Open ─────────────────────────────────> HalfOpen
//!     ^                              ^                                        │  │
//!     │                              └──────────── a probe failed ────────────┘  │
//!     └─────────────────────────────────────────── a probe succeeded ────────────┘
//! ```
//!
//! It is ours because the kept crates answer another question. `recloser` and the breaker of `tower-resilience` watch
//! a *rate* over a window of calls, so that a dead dependency is noticed only when the window has filled; `recloser`
//! lets any number of calls through while half open and doesn't tell how much time is left, and a layer of tower
//! wraps services, where half of what is guarded here are calls of a database or a cache. Time is tokio's, so that
//! tests can stop it.

mod breaker;
mod gate;

pub use breaker::{Breaker, Permit, Refused};
pub use gate::{Open, Options, State};
