//! Reviews of decisions by people.

use std::time::Duration;

use crate::Metrics;
use crate::families::{Amount, Count, Families, Kind};

pub(crate) struct Reviews {
    waiting: Count,
    oldest: Amount,
}

impl Reviews {
    pub(crate) fn register(families: &mut Families) -> Self {
        Self {
            waiting: families.single(
                "ecs_reviews_waiting",
                Kind::Gauge,
                "Reviews of decisions that are not concluded",
            ),
            oldest: families.single(
                "ecs_reviews_oldest_waiting_age_seconds",
                Kind::Gauge,
                "How long ago the oldest of them was asked for; 0 when there is none",
            ),
        }
    }
}

impl Metrics {
    /// So many reviews wait, the oldest for this long.
    pub fn review_backlog(&self, waiting: u64, oldest_age: Duration) {
        self.0.reviews.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.0.reviews.oldest.set(oldest_age.as_secs_f64());
    }
}
