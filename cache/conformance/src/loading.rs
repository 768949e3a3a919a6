//! Who loads, how often, and what is kept of it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use ecs_conformance::NotClaimed;
use tokio::sync::{Barrier, Notify};

use crate::{Harness, KEEPING, LONG, key, read, somebody};

/// A value is loaded once, and names within a scope don't meet.
pub async fn a_value_is_loaded_once<H: Harness>() -> Result<(), NotClaimed> {
    let harness = H::start().await;
    let user = somebody();
    let cache = harness.cache();
    let (first, second) = (AtomicU32::new(0), AtomicU32::new(100));
    for _ in 0..2 {
        read(cache, key(user, "one"), &first).await;
        read(cache, key(user, "two"), &second).await;
    }
    let expect = if keeps(&harness).is_ok() { 1 } else { 2 };
    assert_eq!(first.load(Ordering::SeqCst), expect);
    assert_eq!(second.load(Ordering::SeqCst), 100 + expect);
    keeps(&harness)
}

/// A hundred callers at once are one load.
pub async fn concurrent_loads_are_one<H: Harness>() -> Result<(), NotClaimed> {
    const CALLERS: usize = 100;
    let harness = H::start().await;
    let user = somebody();
    let cache = harness.cache();
    let (loads, barrier) = (Arc::new(AtomicU32::new(0)), Arc::new(Barrier::new(CALLERS)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (cache, loads, barrier) = (cache.clone(), Arc::clone(&loads), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                read(&cache, key(user, "one"), &loads).await
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("no caller panics");
    }
    let expect = if keeps(&harness).is_ok() { 1 } else { 100 };
    assert_eq!(loads.load(Ordering::SeqCst), expect);
    keeps(&harness)
}

/// An error goes to its caller and is not kept.
pub async fn a_failing_load_is_not_cached<H: Harness>() {
    let harness = H::start().await;
    let user = somebody();
    let cache = harness.cache();
    let failing = || async { Err::<u32, _>("no") };
    assert_eq!(cache.get_or_load(key(user, "one"), LONG, failing).await, Err("no"));
    let loads = AtomicU32::new(0);
    assert_eq!(read(cache, key(user, "one"), &loads).await, 1);
}

/// A load whose caller goes away leaves nobody waiting for it.
pub async fn an_abandoned_load_is_taken_over<H: Harness>() {
    let harness = H::start().await;
    let user = somebody();
    let cache = harness.cache();
    let begun = Arc::new(Notify::new());
    let abandoned = tokio::spawn({
        let (cache, begun) = (cache.clone(), Arc::clone(&begun));
        async move {
            let load = || async {
                begun.notify_one();
                std::future::pending::<Result<u32, Infallible>>().await
            };
            cache.get_or_load(key(user, "one"), LONG, load).await
        }
    });
    begun.notified().await;
    let loads = Arc::new(AtomicU32::new(0));
    let waiter = tokio::spawn({
        let (cache, loads) = (cache.clone(), Arc::clone(&loads));
        async move { read(&cache, key(user, "one"), &loads).await }
    });
    abandoned.abort();
    assert_eq!(waiter.await.expect("the waiter doesn't panic"), 1);
}

/// Bytes in a format that isn't understood are as good as none.
pub async fn an_entry_that_is_not_understood_is_loaded_anew<H: Harness>() -> Result<(), NotClaimed> {
    let harness = H::start().await;
    let backend = harness.backend().ok_or(KEEPING)?;
    let user = somebody();
    let cache = harness.cache();
    let loads = AtomicU32::new(0);
    read(cache, key(user, "one"), &loads).await;
    let place = key(user, "one").to_string();
    backend.put(&place, Bytes::from_static(b"?"), LONG).await.expect("the backend answers");
    assert_eq!(read(cache, key(user, "one"), &loads).await, 2);
    Ok(())
}

/// Whether there is anything to keep values in.
fn keeps<H: Harness>(harness: &H) -> Result<(), NotClaimed> {
    harness.backend().map(drop).ok_or(KEEPING)
}
