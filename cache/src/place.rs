//! A key at one generation of its scope: where a value is read, loaded, kept and shared.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::flight::{Landing, Lead};
use crate::{Backend, BackendError, Scope};

/// How long a generation is kept. When it goes, the entries that carry it go unfound, which costs a load each.
pub const GENERATION_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// How far a time to live is stretched or cut, either way, so that what was cached together doesn't expire together.
const JITTER: f64 = 0.1;

const GENERATION_BYTES: usize = 16;

/// A generation that was never there before.
#[must_use]
pub fn fresh_generation() -> Bytes {
    Bytes::copy_from_slice(&rand::random::<[u8; GENERATION_BYTES]>())
}

/// A key at one generation of its scope.
pub(crate) struct Place {
    key: String,
    generation_key: String,
    generation: Bytes,
    /// What was found beside the generation.
    entry: Option<Bytes>,
}

impl Place {
    /// Reads the scope's generation and the entry under `key`, a key of the scope written out, or makes the generation. This comes before
    /// any load.
    pub(crate) async fn find(backend: &dyn Backend, scope: Scope, key: String) -> Result<Self, BackendError> {
        let generation_key = scope.generation_key();
        let found = backend.find(&generation_key, &key).await?;
        if let Some(generation) = found.generation {
            return Ok(Self { key, generation_key, generation, entry: found.entry });
        }
        let generation =
            backend.begin_generation(&generation_key, fresh_generation(), GENERATION_TTL).await?;
        Ok(Self { key, generation_key, generation, entry: None })
    }

    /// The key, written out.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The value that was found, unless it belongs to another generation or a format that isn't understood.
    pub(crate) fn value<T: DeserializeOwned>(&self) -> Option<T> {
        let value = self.entry.as_deref()?.strip_prefix(self.generation.as_ref())?;
        serde_json::from_slice(value).ok()
    }

    /// Loads belong together only within one generation.
    pub(crate) fn flight(&self) -> String {
        format!("{}@{:x}", self.key, self.generation)
    }

    /// Looks for the entry once more. It counts only under the generation that this place was found at.
    pub(crate) async fn look_again(&mut self, backend: &dyn Backend) {
        self.entry = backend.find(&self.generation_key, &self.key).await.ok().and_then(|found| found.entry);
    }

    /// Loads, keeps and shares the value.
    pub(crate) async fn load<T, E, F, L>(
        &self,
        backend: &dyn Backend,
        lead: Lead,
        ttl: Duration,
        load: F,
    ) -> Result<T, E>
    where
        T: Serialize + Send,
        F: FnOnce() -> L + Send,
        L: Future<Output = Result<T, E>> + Send,
    {
        let result = load().await;
        let landing = Landing::of(&result, &self.key);
        if let Landing::Loaded(bytes) = &landing {
            self.keep(backend, bytes, ttl).await;
        }
        lead.land(landing);
        result
    }

    async fn keep(&self, backend: &dyn Backend, value: &[u8], ttl: Duration) {
        let entry = Bytes::from([self.generation.as_ref(), value].concat());
        if let Err(error) = backend.put(&self.key, entry, jittered(ttl, rand::random())).await {
            tracing::debug!(%error, "a loaded value is not cached");
        }
    }
}

/// `ttl` give or take a tenth; `fraction` in 0..1 says where in that range.
fn jittered(ttl: Duration, fraction: f64) -> Duration {
    ttl.mul_f64(1.0 - JITTER + 2.0 * JITTER * fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_is_stretched_or_cut_by_a_tenth_at_most() {
        let check = |fraction: f64, expect_ms: u128| {
            assert_eq!(jittered(Duration::from_secs(10), fraction).as_millis(), expect_ms, "{fraction}");
        };
        check(0.0, 9_000);
        check(0.5, 10_000);
        check(0.75, 10_500);
        check(1.0, 11_000);
    }
}
