//! A backend in the process's own memory, bounded by bytes.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use moka::future::Cache as Moka;
use moka::ops::compute::Op;
use tokio::time::Instant;

use crate::{Backend, BackendError, Found};

/// What an entry costs beside its key and value: the map's slot, the policy's counters, the reference counts.
const OVERHEAD_BYTES: usize = 160;

/// The in-process cache's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How much memory keys, values and their overhead may take together, in bytes.
    pub max_bytes: u64,
}

impl Default for Options {
    /// 16 MiB: some ten thousand users.
    fn default() -> Self {
        Self { max_bytes: 16 * 1024 * 1024 }
    }
}

/// A backend in this process's memory: a map in which every entry has its own end of life.
pub struct InProcess {
    entries: Moka<String, Entry>,
}

#[derive(Clone)]
struct Entry {
    value: Bytes,
    ttl: Duration,
    /// moka removes an expired entry some time after its end. Here it is held against tokio's clock at every read, which
    /// is exact, monotonic, and can be moved by tests.
    dead_at: Instant,
}

impl Entry {
    fn new(value: Bytes, ttl: Duration) -> Self {
        Self { value, ttl, dead_at: Instant::now() + ttl }
    }

    fn is_alive(&self) -> bool {
        Instant::now() < self.dead_at
    }
}

/// Tells moka when it may give the memory of an entry back.
struct TimeToLive;

impl moka::Expiry<String, Entry> for TimeToLive {
    fn expire_after_create(&self, _: &String, entry: &Entry, _: std::time::Instant) -> Option<Duration> {
        Some(entry.ttl)
    }

    fn expire_after_update(
        &self,
        _: &String,
        entry: &Entry,
        _: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.ttl)
    }
}

impl InProcess {
    /// An empty one.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let entries = Moka::builder()
            .max_capacity(options.max_bytes)
            .weigher(|key: &String, entry: &Entry| weight(key, &entry.value))
            .expire_after(TimeToLive)
            .build();
        Self { entries }
    }

    /// The bytes under `key`, if they are still there.
    pub async fn get(&self, key: &str) -> Option<Bytes> {
        self.entries.get(key).await.filter(Entry::is_alive).map(|entry| entry.value)
    }

    /// Puts bytes under `key` for at most `ttl`, in place of what was there.
    pub async fn insert(&self, key: &str, value: Bytes, ttl: Duration) {
        self.entries.insert(key.to_owned(), Entry::new(value, ttl)).await;
    }

    /// Lets moka do its overdue housekeeping, and tells how many bytes are held after it.
    #[cfg(test)]
    async fn weighed(&self) -> u64 {
        self.entries.run_pending_tasks().await;
        self.entries.weighted_size()
    }
}

fn weight(key: &str, value: &Bytes) -> u32 {
    u32::try_from(key.len() + value.len() + OVERHEAD_BYTES).unwrap_or(u32::MAX)
}

#[async_trait]
impl Backend for InProcess {
    async fn find(&self, generation_key: &str, key: &str) -> Result<Found, BackendError> {
        Ok(Found { generation: self.get(generation_key).await, entry: self.get(key).await })
    }

    async fn put(&self, key: &str, entry: Bytes, ttl: Duration) -> Result<(), BackendError> {
        self.insert(key, entry, ttl).await;
        Ok(())
    }

    async fn begin_generation(
        &self,
        generation_key: &str,
        offered: Bytes,
        ttl: Duration,
    ) -> Result<Bytes, BackendError> {
        let new = Entry::new(offered.clone(), ttl);
        let decide = |current: Option<moka::Entry<String, Entry>>| async move {
            match current {
                Some(entry) if entry.value().is_alive() => Op::Nop,
                Some(_) | None => Op::Put(new),
            }
        };
        let result = self.entries.entry_by_ref(generation_key).and_compute_with(decide).await;
        Ok(result.into_entry().map_or(offered, |entry| entry.into_value().value))
    }

    async fn end_generations(&self, generation_keys: &[String]) -> Result<(), BackendError> {
        for key in generation_keys {
            self.entries.invalidate(key).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_stays_within_its_bound() {
        let max_bytes = 64 * 1024;
        let backend = InProcess::new(Options { max_bytes });
        for n in 0..1_000 {
            let value = Bytes::from(vec![0; 1_000]);
            backend.put(&format!("key {n}"), value, Duration::from_secs(60)).await.unwrap();
        }
        let held = backend.weighed().await;
        assert!((1..=max_bytes).contains(&held), "{held} bytes are held, {max_bytes} are allowed");
    }
}
