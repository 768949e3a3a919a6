//! The cache as the roles see it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::flight::{Flights, Landing, Lead, Part};
use crate::in_process::{InProcess, Options};
use crate::{Backend, BackendError, Key, Scope};

/// How long a generation is kept. When it goes, the entries that carry it go unfound, which costs a load each.
const GENERATION_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// How far a time to live is stretched or cut, either way, so that what was cached together doesn't expire together.
const JITTER: f64 = 0.1;

const GENERATION_BYTES: usize = 16;

/// A cache of serialisable values. Clones share everything.
#[derive(Clone)]
pub struct Cache {
    backend: Option<Arc<dyn Backend>>,
    flights: Flights,
}

impl Cache {
    /// One that keeps nothing: every load happens.
    #[must_use]
    pub fn none() -> Self {
        Self { backend: None, flights: Flights::default() }
    }

    /// One in this process's memory.
    #[must_use]
    pub fn in_process(options: Options) -> Self {
        Self::over(Arc::new(InProcess::new(options)))
    }

    /// One over any backend.
    #[must_use]
    pub fn over(backend: Arc<dyn Backend>) -> Self {
        Self { backend: Some(backend), flights: Flights::default() }
    }

    /// The value under `key`, loaded by `load` when it isn't cached, and then kept for `ttl` give or take a tenth.
    ///
    /// Concurrent callers share one load within this process. Each of them may get a value that was loaded at any time
    /// since the last invalidation of the scope, but none from before it. An error of `load` goes to its own caller and
    /// is never kept; those who waited then load for themselves. When the backend fails, `load` answers.
    pub async fn get_or_load<T, E, F, L>(&self, key: Key, ttl: Duration, load: F) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned + Send,
        F: FnOnce() -> L + Send,
        L: Future<Output = Result<T, E>> + Send,
    {
        let Some(backend) = &self.backend else { return load().await };
        let place = match Place::find(backend.as_ref(), key).await {
            Ok(place) => place,
            Err(error) => return load_without_cache(&error, load).await,
        };
        loop {
            if let Some(value) = place.read(backend.as_ref()).await {
                return Ok(value);
            }
            match self.flights.join(place.flight()) {
                Part::Lead(lead) => return place.lead(backend.as_ref(), lead, ttl, load).await,
                Part::Follow(follow) => match follow.landing().await {
                    Landing::Loaded(bytes) => match serde_json::from_slice(&bytes) {
                        Ok(value) => return Ok(value),
                        Err(_) => return load().await,
                    },
                    // Taking turns at a failing load would add up every caller's wait.
                    Landing::Failed => return load().await,
                    Landing::Pending | Landing::Abandoned => {}
                },
            }
        }
    }

    /// Forgets everything that is cached within `scopes`. Call it after the change is committed.
    ///
    /// When the backend can't be reached the entries live on until their time to live is over: that is as stale as this
    /// cache gets, so choose times to live that are bearable. The failure is logged.
    pub fn invalidate<I>(&self, scopes: I) -> impl Future<Output = ()> + Send + use<I>
    where
        I: IntoIterator<Item = Scope>,
    {
        let backend = self.backend.clone();
        let keys: Vec<String> = match backend {
            Some(_) => scopes.into_iter().map(Scope::generation_key).collect(),
            None => Vec::new(),
        };
        async move {
            let Some(backend) = backend else { return };
            if let Err(error) = backend.remove(&keys).await {
                tracing::warn!(%error, scopes = keys.len(), "cached entries could not be invalidated");
            }
        }
    }
}

async fn load_without_cache<T, E, F, L>(error: &BackendError, load: F) -> Result<T, E>
where
    F: FnOnce() -> L + Send,
    L: Future<Output = Result<T, E>> + Send,
{
    tracing::debug!(%error, "answering without the cache");
    load().await
}

/// A key at one generation of its scope.
struct Place {
    key: String,
    generation: Bytes,
}

impl Place {
    /// Reads the scope's generation, or makes it. This comes before any load.
    async fn find(backend: &dyn Backend, key: Key) -> Result<Self, BackendError> {
        let generation_key = key.scope.generation_key();
        let generation = match backend.get(&generation_key).await? {
            Some(generation) => generation,
            None => {
                let new = Bytes::copy_from_slice(&rand::random::<[u8; GENERATION_BYTES]>());
                backend.put_if_absent(&generation_key, new, GENERATION_TTL).await?
            }
        };
        Ok(Self { key: key.to_string(), generation })
    }

    /// Loads belong together only within one generation.
    fn flight(&self) -> String {
        format!("{}@{:x}", self.key, self.generation)
    }

    /// The cached value, unless it belongs to another generation or a format that isn't understood.
    async fn read<T: DeserializeOwned>(&self, backend: &dyn Backend) -> Option<T> {
        let entry = backend.get(&self.key).await.ok()??;
        let value = entry.strip_prefix(self.generation.as_ref())?;
        serde_json::from_slice(value).ok()
    }

    /// Loads, keeps and shares the value.
    async fn lead<T, E, F, L>(
        &self,
        backend: &dyn Backend,
        lead: Lead,
        ttl: Duration,
        load: F,
    ) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned + Send,
        F: FnOnce() -> L + Send,
        L: Future<Output = Result<T, E>> + Send,
    {
        // Between our look and our turn to lead, the last leader may have landed.
        if let Some(value) = self.read(backend).await {
            return Ok(value);
        }
        let value = match load().await {
            Ok(value) => value,
            Err(error) => {
                lead.land(Landing::Failed);
                return Err(error);
            }
        };
        match serde_json::to_vec(&value) {
            Ok(bytes) => {
                self.keep(backend, &bytes, ttl).await;
                lead.land(Landing::Loaded(Bytes::from(bytes)));
            }
            Err(error) => {
                tracing::debug!(%error, key = self.key, "a value can't be cached");
                lead.land(Landing::Failed);
            }
        }
        Ok(value)
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
