//! What the platform is held against: each limit does one part of its work, alone, with nothing around it.

pub(crate) mod bus;
pub(crate) mod decisions;
pub(crate) mod fold;
pub(crate) mod http;

use std::time::Duration;

use crate::load::as_f64;

pub(crate) fn per_second(events: u64, took: Duration) -> f64 {
    as_f64(events) / took.as_secs_f64()
}
