//! The limiter of one process.

use ecs_domain::Timestamp;

use crate::{Bucket, Decision, Key, Limiter, Quota, Table, nanoseconds};

/// How many keys a limiter can know: a bound of its memory, of 24 bytes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Parts with a lock each.
    pub shards: usize,
    /// Keys per part.
    pub places: usize,
}

impl Default for Size {
    /// 262,144 keys in at most 6 MiB. Keys spread unevenly, so shards begin to be full at some 150,000 that owe something
    /// at the same time.
    fn default() -> Self {
        Self { shards: 4_096, places: 64 }
    }
}

/// Counts in this process's memory, exactly: over any time a key gets its burst and its rate, and not one cell more.
pub struct InProcess {
    buckets: Table<Bucket>,
}

impl InProcess {
    /// One that knows no key yet.
    #[must_use]
    pub fn new(size: Size) -> Self {
        Self { buckets: Table::new(size.shards, size.places) }
    }

    /// How many keys it holds.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.buckets.len()
    }
}

impl Default for InProcess {
    fn default() -> Self {
        Self::new(Size::default())
    }
}

impl Limiter for InProcess {
    fn check(&self, key: &Key, quota: &Quota, cells: u32, now: Timestamp) -> Decision {
        let now = nanoseconds(now);
        let most = now.saturating_add(quota.tolerance());
        self.buckets.of(key, now, most, |bucket| {
            bucket.cap(now, quota.tolerance());
            bucket.take(quota, cells, now)
        })
    }

    fn give_back(&self, key: &Key, quota: &Quota, cells: u32, _: Timestamp) {
        self.buckets.known(key, |bucket| bucket.give_back(quota, cells));
    }
}
