//! The backend: lookups over two levels, behind the breaker.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ecs_breaker::Breaker;
use ecs_cache::{Backend, BackendError, Found, GENERATION_TTL, InProcess, fresh_generation};
use ecs_metrics::Metrics;
use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::address::client;
use crate::commands;
use crate::link::{Failure, Link};
use crate::options::{OpenError, Options};

/// The breaker's name in metrics.
pub const BREAKER: &str = "cache-redis";

/// The cache's bytes in Redis, and those that this process has seen lately in its own memory.
pub struct RedisBackend {
    link: Arc<Link>,
    level: InProcess,
    breaker: Breaker,
    metrics: Metrics,
    connecting: JoinHandle<()>,
}

impl RedisBackend {
    /// Opens the backend, and begins to connect in the background. It never waits for Redis: until Redis is there, and
    /// whenever it is away, lookups fail at once.
    ///
    /// # Errors
    /// The address isn't one of Redis, or there is no tokio runtime.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let client = client(&options.url, options.root_certificates.as_deref())?;
        let runtime = Handle::try_current().map_err(|_| OpenError::NoRuntime)?;
        let breaker = Breaker::new(BREAKER, options.breaker, &options.metrics);
        let link = Arc::new(Link::new(client, &options, breaker.clone()));
        let connecting = runtime.spawn(Arc::clone(&link).keep_up());
        let level = InProcess::new(ecs_cache::Options { max_bytes: options.level_bytes });
        Ok(Self { link, level, breaker, metrics: options.metrics, connecting })
    }

    /// Whether Redis can be asked now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link.connection().is_some()
    }

    /// Does a command unless Redis is away. Having no connection is no failure to count: it was counted when it was lost,
    /// and whoever connects counts its own.
    async fn ask<T, C>(&self, command: impl FnOnce(MultiplexedConnection) -> C) -> Result<T, BackendError>
    where
        C: Future<Output = RedisResult<T>>,
    {
        let permit = self.breaker.admit().map_err(|_| away("the breaker is open"))?;
        let connection = self.link.connection().ok_or_else(|| away("not connected"))?;
        match self.link.within(command(connection.commands.clone())).await {
            Ok(done) => {
                permit.succeeded();
                Ok(done)
            }
            Err(Failure::Refused(error)) => {
                permit.succeeded();
                Err(BackendError(error))
            }
            Err(Failure::Broken(error)) => {
                permit.failed();
                self.link.lose(&connection);
                Err(BackendError(error))
            }
        }
    }

    /// Looks for an entry that the level has not.
    async fn find_far(&self, generation_key: &str, key: &str) -> Result<Found, BackendError> {
        let look = |mut redis| async move {
            let offered = fresh_generation();
            commands::generation_and_entry(&mut redis, generation_key, key, &offered, GENERATION_TTL).await
        };
        let (generation, entry) = self.ask(look).await?;
        Ok(Found { generation: Some(generation), entry: self.come_nearer(key, entry).await })
    }

    /// Looks whether the level's entry still counts, and for another when it doesn't.
    async fn find_near(&self, generation_key: &str, key: &str, near: Bytes) -> Result<Found, BackendError> {
        let look = |mut redis| async move { commands::generation(&mut redis, generation_key).await };
        let generation = self.ask(look).await?;
        let entry = match &generation {
            Some(generation) if !near.starts_with(generation) => {
                let look = |mut redis| async move { commands::entry(&mut redis, key).await };
                let entry = self.ask(look).await?;
                self.come_nearer(key, entry).await
            }
            // Without a generation no entry counts, so it doesn't matter which.
            Some(_) | None => Some(near),
        };
        Ok(Found { generation, entry })
    }

    /// Keeps an entry of Redis in the level, for as long as Redis does.
    async fn come_nearer(&self, key: &str, entry: commands::Entry) -> Option<Bytes> {
        let (entry, ttl) = entry?;
        self.level.insert(key, entry.clone(), ttl).await;
        Some(entry)
    }

    fn count(&self, near: Option<&Bytes>, found: &Found) {
        let counts = |entry: Option<&Bytes>| match (&found.generation, entry) {
            (Some(generation), Some(entry)) => entry.starts_with(generation),
            (Some(_) | None, Some(_) | None) => false,
        };
        let near_counts = counts(near);
        self.metrics.cache_lookup("process", near_counts);
        if !near_counts {
            self.metrics.cache_lookup("redis", counts(found.entry.as_ref()));
        }
    }
}

#[async_trait]
impl Backend for RedisBackend {
    async fn find(&self, generation_key: &str, key: &str) -> Result<Found, BackendError> {
        let near = self.level.get(key).await;
        let found = match near.clone() {
            Some(near) => self.find_near(generation_key, key, near).await?,
            None => self.find_far(generation_key, key).await?,
        };
        self.count(near.as_ref(), &found);
        Ok(found)
    }

    async fn begin_generation(
        &self,
        generation_key: &str,
        offered: Bytes,
        ttl: Duration,
    ) -> Result<Bytes, BackendError> {
        let begin = |mut redis| async move {
            commands::begin_generation(&mut redis, generation_key, &offered, ttl).await
        };
        self.ask(begin).await
    }

    async fn put(&self, key: &str, entry: Bytes, ttl: Duration) -> Result<(), BackendError> {
        self.level.insert(key, entry.clone(), ttl).await;
        self.ask(|mut redis| async move { commands::put(&mut redis, key, &entry, ttl).await }).await
    }

    /// Past the breaker: without a connection it costs nothing, and with one it is the one command that must get through.
    async fn end_generations(&self, generation_keys: &[String]) -> Result<(), BackendError> {
        let Some(mut connection) = self.link.connection_or_owe(generation_keys) else {
            return Err(away("not connected, the invalidation is owed"));
        };
        let (link, keys) = (Arc::clone(&self.link), generation_keys.to_vec());
        // In a task of its own: a caller that goes away half way must not take the invalidation with it.
        let ending = tokio::spawn(async move {
            let ended = link.within(commands::end(&mut connection.commands, &keys)).await;
            ended.map_err(|failure| {
                link.owe(&keys);
                match failure {
                    Failure::Refused(error) | Failure::Broken(error) => BackendError(error),
                }
            })
        });
        ending.await.unwrap_or_else(|_| Err(away("the invalidation was cut short")))
    }
}

impl Drop for RedisBackend {
    fn drop(&mut self) {
        self.connecting.abort();
    }
}

fn away(why: &str) -> BackendError {
    BackendError(why.to_owned())
}
