//! Clients that hang up in the middle of a write: what follows the write follows it all the same.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ecs_cache::{Backend, BackendError, Cache, Found, InProcess, Options, Scope};
use http::Method;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::support::{Actor, App, Setup};

const DEADLINE: Duration = Duration::from_secs(60);

/// A cache whose invalidations say that they have begun, and wait for leave.
struct Gated {
    inner: InProcess,
    begun: Semaphore,
    leave: Semaphore,
    done: Semaphore,
}

impl Gated {
    async fn wait_for(semaphore: &Semaphore) {
        timeout(DEADLINE, semaphore.acquire()).await.expect("in time").unwrap().forget();
    }
}

#[async_trait]
impl Backend for Gated {
    async fn find(&self, generation_key: &str, key: &str) -> Result<Found, BackendError> {
        self.inner.find(generation_key, key).await
    }

    async fn begin_generation(
        &self,
        key: &str,
        offered: Bytes,
        ttl: Duration,
    ) -> Result<Bytes, BackendError> {
        self.inner.begin_generation(key, offered, ttl).await
    }

    async fn put(&self, key: &str, entry: Bytes, ttl: Duration) -> Result<(), BackendError> {
        self.inner.put(key, entry, ttl).await
    }

    async fn end_generations(&self, keys: &[String]) -> Result<(), BackendError> {
        self.begun.add_permits(1);
        self.leave.acquire().await.unwrap().forget();
        self.inner.end_generations(keys).await?;
        self.done.add_permits(1);
        Ok(())
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_after_the_commit_leaves_nothing_stale() {
    let [begun, leave, done] = [0, Semaphore::MAX_PERMITS / 2, 0].map(Semaphore::new);
    let cache = Arc::new(Gated { inner: InProcess::new(Options::default()), begun, leave, done });
    let app = App::with(Setup { cache: Cache::over(Arc::clone(&cache) as _), ..Setup::default() });
    let ana = app.busy_and_calm("ana@example.com").await;
    let offer = app.offer_to(ana).await;
    let consent = format!("/v1/users/{ana}/consents/emotion-analysis");
    let accept = (Method::POST, format!("/v1/credit-offers/{offer}/accept"), Some(json!({"userId": ana})));
    for (method, path, body) in
        [(Method::DELETE, consent.clone(), None), (Method::PUT, consent, None), accept]
    {
        // Something is cached, and from now on invalidations wait.
        app.get(Actor::User(ana), &format!("/v1/users/{ana}")).await;
        for counter in [&cache.begun, &cache.leave, &cache.done] {
            counter.forget_permits(Semaphore::MAX_PERMITS);
        }
        let call = app.call(Actor::User(ana), method.clone(), &path, body);
        tokio::select! {
            reply = call => panic!("{method} {path} didn't wait: {reply:?}"),
            () = Gated::wait_for(&cache.begun) => {}
        }
        cache.leave.add_permits(Semaphore::MAX_PERMITS / 2);
        Gated::wait_for(&cache.done).await;
        let generation = cache.inner.get(&Scope::User(ana).generation_key()).await;
        assert_eq!(generation, None, "{method} {path}");
    }
    timeout(DEADLINE, app.wake.woken()).await.expect("the relay hears of the acceptance");
}
