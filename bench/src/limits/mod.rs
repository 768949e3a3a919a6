//! What the platform is held against: each limit does one part of its work, alone, with nothing around it.

pub(crate) mod bus;
pub(crate) mod fold;
pub(crate) mod http;

use std::time::Duration;

use crate::load::as_f64;

/// The limits of one round, in events per second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// HTTP: parse and validate one emotion per request.
    pub(crate) parse: f64,
    /// Append to the bus's log in batches of the size that the platform really reached.
    pub(crate) append: f64,
    /// The same in batches as large as they could be at most: one event of every connection.
    pub(crate) append_full: f64,
    /// Take events from the bus and acknowledge them.
    pub(crate) consume: f64,
    /// Batch SQL: the writes of a fold, in batches as large as the platform's under load.
    pub(crate) fold: f64,
    /// The same in the largest batches that the platform makes.
    pub(crate) fold_full: f64,
}

impl Limits {
    /// The rate at which one event after the other could pass all parts, were there nothing else.
    pub(crate) fn composed(&self) -> f64 {
        self.with(self.append, self.fold)
    }

    /// The same, were every batch full: stricter, since small batches are slow to append and to fold.
    pub(crate) fn composed_full(&self) -> f64 {
        self.with(self.append_full, self.fold_full)
    }

    fn with(&self, append: f64, fold: f64) -> f64 {
        let parts = [self.parse, append, self.consume, fold];
        1.0 / parts.into_iter().map(|rate| 1.0 / rate).sum::<f64>()
    }
}

pub(crate) fn per_second(events: u64, took: Duration) -> f64 {
    as_f64(events) / took.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_composed_limit_adds_up_times() {
        let (parse, append, append_full) = (100_000.0, 300_000.0, 600_000.0);
        let limits = Limits {
            parse,
            append,
            append_full,
            consume: 1_500_000.0,
            fold: 300_000.0,
            fold_full: 300_000.0,
        };
        // 10 µs, 3.33 µs, 0.67 µs and 3.33 µs make 17.33 µs.
        assert!((limits.composed() - 57_692.3).abs() < 0.1, "{}", limits.composed());
        assert!((limits.composed_full() - 63_829.8).abs() < 0.1, "{}", limits.composed_full());
    }
}
