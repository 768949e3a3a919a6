//! What is forgotten, and what must not come back.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use ecs_cache::Scope;
use ecs_conformance::NotClaimed;
use tokio::sync::Notify;

use crate::{Harness, KEEPING, LONG, PATIENCE, key, read, somebody};

/// Invalidating a scope forgets all of it and nothing else.
pub async fn a_scope_is_invalidated_as_a_whole<H: Harness>() {
    let harness = H::start().await;
    let (user, other) = (somebody(), somebody());
    let cache = harness.cache();
    let loads = AtomicU32::new(0);
    for name in ["one", "two"] {
        read(cache, key(user, name), &loads).await;
    }
    let of_other = read(cache, key(other, "one"), &loads).await;

    cache.invalidate([Scope::User(user)]).await;

    assert_eq!(read(cache, key(user, "one"), &loads).await, 4);
    assert_eq!(read(cache, key(user, "two"), &loads).await, 5);
    assert_eq!(read(cache, key(other, "one"), &loads).await == of_other, harness.backend().is_some());
}

/// A value whose load began before an invalidation is never served after it, to those who wait for it neither.
pub async fn a_load_begun_before_an_invalidation_is_not_served_after_it<H: Harness>() {
    let harness = H::start().await;
    let user = somebody();
    let cache = harness.cache();
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = tokio::spawn({
        let (cache, begun, go_on) = (cache.clone(), Arc::clone(&begun), Arc::clone(&go_on));
        async move {
            let load = || async {
                begun.notify_one();
                go_on.notified().await;
                Ok::<_, Infallible>("stale".to_owned())
            };
            cache.get_or_load(key(user, "one"), LONG, load).await
        }
    });
    begun.notified().await;
    cache.invalidate([Scope::User(user)]).await;

    let fresh = || async { Ok::<_, Infallible>("fresh".to_owned()) };
    // The slow load is still under way: who joined it would wait for ever, and be served its stale value.
    let during = cache.get_or_load(key(user, "one"), LONG, fresh);
    let during = tokio::time::timeout(PATIENCE, during).await.expect("nobody joins a load begun before");
    go_on.notify_one();
    let slow = slow.await.expect("the slow load doesn't panic");
    let after = cache.get_or_load(key(user, "one"), LONG, fresh).await;

    assert_eq!(slow.as_deref(), Ok("stale"), "its own caller asked before the invalidation");
    assert_eq!(during.as_deref(), Ok("fresh"));
    assert_eq!(after.as_deref(), Ok("fresh"));
}

/// A generation that was evicted comes back as another one, so what it named stays dead.
pub async fn an_evicted_generation_brings_nothing_back<H: Harness>() -> Result<(), NotClaimed> {
    let harness = H::start().await;
    let backend = harness.backend().ok_or(KEEPING)?;
    let user = somebody();
    let cache = harness.cache();
    let loads = AtomicU32::new(0);
    read(cache, key(user, "one"), &loads).await;
    let generation = Scope::User(user).generation_key();
    backend.end_generations(std::slice::from_ref(&generation)).await.expect("the backend answers");
    let place = key(user, "one").to_string();
    let entry = backend.find(&generation, &place).await.expect("the backend answers").entry;
    assert!(entry.is_some(), "the entry itself is still there, or this test shows nothing");
    assert_eq!(read(cache, key(user, "one"), &loads).await, 2);
    Ok(())
}
