//! What time and a failing backend do to a cache.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ecs_cache::{Backend, BackendError, Cache, Found, Key, Options, Scope};
use ecs_domain::UserId;
use tokio::sync::{Barrier, Notify};
use uuid::Uuid;

const TTL: Duration = Duration::from_secs(100);

fn key() -> Key {
    Key { scope: Scope::User(UserId::new(Uuid::from_u128(1))), name: "one" }
}

async fn read(cache: &Cache, loads: &AtomicU32) -> u32 {
    let load = || async { Ok::<_, Infallible>(loads.fetch_add(1, Ordering::SeqCst) + 1) };
    cache.get_or_load(key(), TTL, load).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_entry_lives_for_its_time_give_or_take_a_tenth() {
    let (cache, loads) = (Cache::in_process(Options::default()), AtomicU32::new(0));
    assert_eq!(read(&cache, &loads).await, 1);
    tokio::time::advance(TTL.mul_f64(0.89)).await;
    assert_eq!(read(&cache, &loads).await, 1, "it lives for nine tenths of its time at least");
    tokio::time::advance(TTL.mul_f64(0.22)).await;
    assert_eq!(read(&cache, &loads).await, 2, "and for eleven tenths at most");
}

/// A backend that is down.
struct Down;

fn down<T>() -> Result<T, BackendError> {
    Err(BackendError("connection refused".to_owned()))
}

#[async_trait]
impl Backend for Down {
    async fn find(&self, _: &str, _: &str) -> Result<Found, BackendError> {
        down()
    }
    async fn put(&self, _: &str, _: Bytes, _: Duration) -> Result<(), BackendError> {
        down()
    }
    async fn begin_generation(&self, _: &str, _: Bytes, _: Duration) -> Result<Bytes, BackendError> {
        down()
    }
    async fn end_generations(&self, _: &[String]) -> Result<(), BackendError> {
        down()
    }
}

#[tokio::test]
async fn without_its_backend_a_cache_still_answers() {
    let (cache, loads) = (Cache::over(Arc::new(Down)), AtomicU32::new(0));
    assert_eq!(read(&cache, &loads).await, 1);
    cache.invalidate([key().scope]).await;
    assert_eq!(read(&cache, &loads).await, 2);
}

/// A backend that keeps generations, and nothing else.
struct GenerationsOnly;

#[async_trait]
impl Backend for GenerationsOnly {
    async fn find(&self, _: &str, _: &str) -> Result<Found, BackendError> {
        Ok(Found { generation: Some(Bytes::from_static(b"0123456789abcdef")), entry: None })
    }

    async fn put(&self, _: &str, _: Bytes, _: Duration) -> Result<(), BackendError> {
        down()
    }
    async fn begin_generation(&self, _: &str, value: Bytes, _: Duration) -> Result<Bytes, BackendError> {
        Ok(value)
    }
    async fn end_generations(&self, _: &[String]) -> Result<(), BackendError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_backend_that_fails_half_way_costs_loads_and_no_answers() {
    let (cache, loads) = (Cache::over(Arc::new(GenerationsOnly)), AtomicU32::new(0));
    assert_eq!(read(&cache, &loads).await, 1);
    assert_eq!(read(&cache, &loads).await, 2);
}

#[tokio::test]
async fn those_who_waited_for_a_failing_load_do_not_take_turns_at_it() {
    let (cache, loads) = (Cache::in_process(Options::default()), AtomicU32::new(0));
    let (begun, go_on, together) = (Notify::new(), Notify::new(), Barrier::new(2));
    let caller = || {
        let load = || async {
            if loads.fetch_add(1, Ordering::SeqCst) == 0 {
                begun.notify_one();
                go_on.notified().await;
            } else {
                // Two loads meet here, or wait for each other for ever.
                together.wait().await;
            }
            Err::<u32, _>("no")
        };
        cache.get_or_load(key(), TTL, load)
    };
    let fail_once_all_wait = async {
        begun.notified().await;
        // The callers share this task and their backend never waits, so by the next turn the other two have joined.
        tokio::task::yield_now().await;
        go_on.notify_one();
    };
    let all = async { tokio::join!(caller(), caller(), caller(), fail_once_all_wait) };
    let (a, b, c, ()) = tokio::time::timeout(Duration::from_secs(10), all).await.unwrap();
    assert_eq!([a, b, c], [Err("no"); 3]);
}
