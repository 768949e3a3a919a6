//! The cache as the roles see it.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::flight::{Flights, Part, Shared};
use crate::in_process::{InProcess, Options};
use crate::place::Place;
use crate::{Backend, Key, Scope, away};

/// A cache of serialisable values. Clones share everything.
#[derive(Clone)]
pub struct Cache {
    backend: Option<Arc<dyn Backend>>,
    flights: Flights,
    observer: Arc<dyn Fn(Lookup) + Send + Sync>,
}

/// How a lookup got its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lookup {
    /// It was cached.
    Hit,
    /// It was loaded, or the load failed.
    Loaded,
    /// Somebody else in this process loaded it.
    Shared,
}

impl Cache {
    /// One that keeps nothing: every load happens.
    #[must_use]
    pub fn none() -> Self {
        Self::with(None)
    }

    /// One in this process's memory.
    #[must_use]
    pub fn in_process(options: Options) -> Self {
        Self::over(Arc::new(InProcess::new(options)))
    }

    /// One over any backend.
    #[must_use]
    pub fn over(backend: Arc<dyn Backend>) -> Self {
        Self::with(Some(backend))
    }

    fn with(backend: Option<Arc<dyn Backend>>) -> Self {
        Self { backend, flights: Flights::default(), observer: Arc::new(|_| {}) }
    }

    /// The same cache, which tells `observer` how each lookup ends. Metrics are counted with it.
    #[must_use]
    pub fn observed(self, observer: impl Fn(Lookup) + Send + Sync + 'static) -> Self {
        Self { observer: Arc::new(observer), ..self }
    }

    /// The value under `key`, loaded by `load` when it isn't cached, and then kept for `ttl` give or take a tenth.
    ///
    /// Concurrent callers share one load within this process. Each of them may get a value that was loaded at any time
    /// since the last invalidation of the scope, but none from before it. An error of `load` goes to its own caller and
    /// is never kept; those who waited then load for themselves. When the backend fails, `load` answers, and callers
    /// share only loads that began after they came.
    pub async fn get_or_load<T, E, F, L>(&self, key: Key, ttl: Duration, load: F) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned + Send,
        F: FnOnce() -> L + Send,
        L: Future<Output = Result<T, E>> + Send,
    {
        let (lookup, result) = self.look_up(key, ttl, load).await;
        (self.observer)(lookup);
        result
    }

    async fn look_up<T, E, F, L>(&self, key: Key, ttl: Duration, load: F) -> (Lookup, Result<T, E>)
    where
        T: Serialize + DeserializeOwned + Send,
        F: FnOnce() -> L + Send,
        L: Future<Output = Result<T, E>> + Send,
    {
        let Some(backend) = &self.backend else { return (Lookup::Loaded, load().await) };
        let name = key.to_string();
        let landed = self.flights.landed(&name);
        let mut place = match Place::find(backend.as_ref(), key.scope, name).await {
            Ok(place) => place,
            Err(error) => {
                tracing::debug!(%error, "answering without the cache");
                return away::load(&self.flights, &key.to_string(), load).await;
            }
        };
        loop {
            if let Some(value) = place.value() {
                return (Lookup::Hit, Ok(value));
            }
            match self.flights.join(place.flight()) {
                Part::Lead(lead) => {
                    // Between our look and our turn to lead, the last leader may have landed.
                    if self.flights.landed(place.key()) != landed {
                        place.look_again(backend.as_ref()).await;
                        if let Some(value) = place.value() {
                            return (Lookup::Hit, Ok(value));
                        }
                    }
                    return (Lookup::Loaded, place.load(backend.as_ref(), lead, ttl, load).await);
                }
                Part::Follow(follow) => match follow.landing().await.shared() {
                    Shared::Value(value) => return (Lookup::Shared, Ok(value)),
                    // Taking turns at a failing load would add up every caller's wait.
                    Shared::Nothing => return (Lookup::Loaded, load().await),
                    Shared::TryAgain => {}
                },
            }
        }
    }

    /// Forgets everything that is cached within `scopes`. Call it after the change is committed.
    ///
    /// When the backend can't be reached, this process reads past it until the invalidation has got through, which the
    /// backend repeats by itself. The failure is logged.
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
            if let Err(error) = backend.end_generations(&keys).await {
                tracing::debug!(%error, scopes = keys.len(), "an invalidation is put off");
            }
        }
    }
}
