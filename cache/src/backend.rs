//! What a cache keeps its bytes in.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// A place for generations and entries that may forget any of them at any time.
///
/// Forgetting is always allowed: early eviction costs time and never an answer. What a backend MUST do:
/// - **Never invent.** A key yields bytes that were put under that very key, whole, or nothing.
/// - **Expire.** Bytes MUST NOT be found once their time to live is over.
/// - **Decide once.** [`Backend::begin_generation`] MUST be atomic: of many concurrent calls for a scope without a
///   generation, one wins, and every one of them returns the winner's bytes.
/// - **See ends.** After [`Backend::end_generations`] returned `Ok`, a look that begins later MUST NOT find those
///   generations, on any process that shares the backend. After it failed, the process that called it MUST NOT find them
///   either: looks fail until the end has got through, and the backend sees to that by itself.
/// - **Fail, don't hang.** An unreachable backend MUST answer with an error within a bounded time of its own.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// One look at a scope's generation and at an entry within the scope. A backend that is asked over a network MAY begin a
    /// generation with the same trip when there is none, as [`Backend::begin_generation`] would with a [`fresh_generation`].
    ///
    /// [`fresh_generation`]: crate::fresh_generation
    async fn find(&self, generation_key: &str, key: &str) -> Result<Found, BackendError>;

    /// Puts a generation under its key for at most `ttl` unless the key holds one. Returns what the key holds now.
    async fn begin_generation(
        &self,
        generation_key: &str,
        offered: Bytes,
        ttl: Duration,
    ) -> Result<Bytes, BackendError>;

    /// Puts an entry under `key` for at most `ttl`, in place of what was there. An entry begins with the bytes of the
    /// generation that it belongs to.
    async fn put(&self, key: &str, entry: Bytes, ttl: Duration) -> Result<(), BackendError>;

    /// Forgets the generation under each of these keys.
    async fn end_generations(&self, generation_keys: &[String]) -> Result<(), BackendError>;
}

/// What a look found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The scope's generation now.
    pub generation: Option<Bytes>,
    /// What is under the entry's key. It counts only when it begins with the generation. Because nothing else counts, a
    /// nearer level may give an entry that it has seen earlier, as long as that one does.
    pub entry: Option<Bytes>,
}

/// The backend can't be reached or doesn't answer in time. The text never quotes a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cache is unavailable: {0}")]
pub struct BackendError(pub String);
