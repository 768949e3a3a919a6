//! The transports side by side, each into PostgreSQL: `make bench BENCH="--transports"`.

mod backlog;
mod emotions;

use super::{Goal, Group, Measure, Row, Unit, Values, batch_size};
use crate::engines::Transport;

/// What each transport should reach of its own composed limit.
const REACHED: f64 = 0.7;

/// Every group there is, in the order of the report.
pub(crate) fn all() -> Vec<Group> {
    let emotions = Transport::ALL.map(emotions::group);
    emotions.into_iter().chain(Transport::ALL.map(backlog::group)).collect()
}
