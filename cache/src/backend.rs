//! What a cache keeps its bytes in.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// A place for bytes that may forget any of them at any time.
///
/// Forgetting is always allowed: early eviction costs time and never an answer. What a backend MUST do:
/// - **Never invent.** A key yields bytes that were put under that very key, whole, or nothing.
/// - **Expire.** Bytes MUST NOT be found once their time to live is over.
/// - **Decide once.** [`Backend::put_if_absent`] MUST be atomic: of many concurrent calls for a key that holds nothing, one
///   wins, and every one of them returns the winner's bytes.
/// - **See removals.** After [`Backend::remove`] returned `Ok`, a read that begins later MUST NOT find bytes that were
///   there before it, on any process that shares the backend.
/// - **Fail, don't hang.** An unreachable backend MUST answer with an error within a bounded time of its own.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The bytes under `key`, if they are still there.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, BackendError>;

    /// Puts bytes under `key` for at most `ttl`, in place of what was there.
    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), BackendError>;

    /// Puts bytes under `key` for at most `ttl` unless it holds some. Returns what `key` holds now.
    async fn put_if_absent(&self, key: &str, value: Bytes, ttl: Duration) -> Result<Bytes, BackendError>;

    /// Forgets what is under each of `keys`.
    async fn remove(&self, keys: &[String]) -> Result<(), BackendError>;
}

/// The backend can't be reached or doesn't answer in time. The text never quotes a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cache is unavailable: {0}")]
pub struct BackendError(pub String);
