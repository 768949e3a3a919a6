//! What every cache must show, one test per behaviour, stamped over each kind by [`crate::conformance_tests`].

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ecs_domain::UserId;
use tokio::sync::{Barrier, Notify};

use crate::{Backend, Cache, Key, Scope};

/// Long enough that nothing expires on its own.
const LONG: Duration = Duration::from_secs(3600);

/// How long a test waits for what should happen at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// The kind of cache under test.
pub struct Kind {
    /// The cache.
    pub cache: Cache,
    /// What it keeps its bytes in; `None` for the one that keeps nothing.
    pub backend: Option<Arc<dyn Backend>>,
}

impl Kind {
    fn keeps(&self) -> bool {
        self.backend.is_some()
    }

    /// How many loads two reads in a row take.
    fn loads_of_two_reads(&self) -> u32 {
        if self.keeps() { 1 } else { 2 }
    }
}

/// A value that says which load it came from.
async fn read(cache: &Cache, key: Key, loads: &AtomicU32) -> u32 {
    let load = || async { Ok::<_, Infallible>(loads.fetch_add(1, Ordering::SeqCst) + 1) };
    match cache.get_or_load(key, LONG, load).await {
        Ok(load) => load,
        Err(never) => match never {},
    }
}

fn key(user: UserId, name: &'static str) -> Key {
    Key { scope: Scope::User(user), name }
}

/// A value is loaded once, and names within a scope don't meet.
pub async fn a_value_is_loaded_once(kind: Kind, user: UserId) {
    let (first, second) = (AtomicU32::new(0), AtomicU32::new(100));
    for _ in 0..2 {
        read(&kind.cache, key(user, "one"), &first).await;
        read(&kind.cache, key(user, "two"), &second).await;
    }
    assert_eq!(first.load(Ordering::SeqCst), kind.loads_of_two_reads());
    assert_eq!(second.load(Ordering::SeqCst), 100 + kind.loads_of_two_reads());
}

/// Invalidating a scope forgets all of it and nothing else.
pub async fn a_scope_is_invalidated_as_a_whole(kind: Kind, user: UserId, other: UserId) {
    let loads = AtomicU32::new(0);
    for name in ["one", "two"] {
        read(&kind.cache, key(user, name), &loads).await;
    }
    let of_other = read(&kind.cache, key(other, "one"), &loads).await;

    kind.cache.invalidate([Scope::User(user)]).await;

    assert_eq!(read(&kind.cache, key(user, "one"), &loads).await, 4);
    assert_eq!(read(&kind.cache, key(user, "two"), &loads).await, 5);
    assert_eq!(read(&kind.cache, key(other, "one"), &loads).await == of_other, kind.keeps());
}

/// A hundred callers at once are one load.
pub async fn concurrent_loads_are_one(kind: Kind, user: UserId) {
    const CALLERS: usize = 100;
    let (loads, barrier) = (Arc::new(AtomicU32::new(0)), Arc::new(Barrier::new(CALLERS)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (cache, loads, barrier) = (kind.cache.clone(), Arc::clone(&loads), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                read(&cache, key(user, "one"), &loads).await
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("no caller panics");
    }
    let expect = if kind.keeps() { 1 } else { 100 };
    assert_eq!(loads.load(Ordering::SeqCst), expect);
}

/// A value whose load began before an invalidation is never served after it, to those who wait for it neither.
pub async fn a_load_begun_before_an_invalidation_is_not_served_after_it(kind: Kind, user: UserId) {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = tokio::spawn({
        let (cache, begun, go_on) = (kind.cache.clone(), Arc::clone(&begun), Arc::clone(&go_on));
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
    kind.cache.invalidate([Scope::User(user)]).await;

    let fresh = || async { Ok::<_, Infallible>("fresh".to_owned()) };
    // The slow load is still under way: who joined it would wait for ever, and be served its stale value.
    let during = kind.cache.get_or_load(key(user, "one"), LONG, fresh);
    let during = tokio::time::timeout(PATIENCE, during).await.expect("nobody joins a load begun before");
    go_on.notify_one();
    let slow = slow.await.expect("the slow load doesn't panic");
    let after = kind.cache.get_or_load(key(user, "one"), LONG, fresh).await;

    assert_eq!(slow.as_deref(), Ok("stale"), "its own caller asked before the invalidation");
    assert_eq!(during.as_deref(), Ok("fresh"));
    assert_eq!(after.as_deref(), Ok("fresh"));
}

/// A generation that was evicted comes back as another one, so what it named stays dead.
pub async fn an_evicted_generation_brings_nothing_back(kind: Kind, user: UserId) {
    let loads = AtomicU32::new(0);
    read(&kind.cache, key(user, "one"), &loads).await;
    if let Some(backend) = &kind.backend {
        let generation = Scope::User(user).generation_key();
        backend.end_generations(std::slice::from_ref(&generation)).await.expect("the backend answers");
        let place = key(user, "one").to_string();
        let entry = backend.find(&generation, &place).await.expect("the backend answers").entry;
        assert!(entry.is_some(), "the entry itself is still there, or this test shows nothing");
    }
    assert_eq!(read(&kind.cache, key(user, "one"), &loads).await, 2);
}

/// An error goes to its caller and is not kept.
pub async fn a_failing_load_is_not_cached(kind: Kind, user: UserId) {
    let failing = || async { Err::<u32, _>("no") };
    assert_eq!(kind.cache.get_or_load(key(user, "one"), LONG, failing).await, Err("no"));
    let loads = AtomicU32::new(0);
    assert_eq!(read(&kind.cache, key(user, "one"), &loads).await, 1);
}

/// A load whose caller goes away leaves nobody waiting for it.
pub async fn an_abandoned_load_is_taken_over(kind: Kind, user: UserId) {
    let begun = Arc::new(Notify::new());
    let abandoned = tokio::spawn({
        let (cache, begun) = (kind.cache.clone(), Arc::clone(&begun));
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
        let (cache, loads) = (kind.cache.clone(), Arc::clone(&loads));
        async move { read(&cache, key(user, "one"), &loads).await }
    });
    abandoned.abort();
    assert_eq!(waiter.await.expect("the waiter doesn't panic"), 1);
}

/// Bytes in a format that isn't understood are as good as none.
pub async fn an_entry_that_is_not_understood_is_loaded_anew(kind: Kind, user: UserId) {
    let loads = AtomicU32::new(0);
    read(&kind.cache, key(user, "one"), &loads).await;
    if let Some(backend) = &kind.backend {
        let place = key(user, "one").to_string();
        backend.put(&place, Bytes::from_static(b"?"), LONG).await.expect("the backend answers");
    }
    assert_eq!(read(&kind.cache, key(user, "one"), &loads).await, 2);
}

/// Stamps the conformance tests over one kind: `$make` is an expression that makes a fresh [`Kind`].
#[macro_export]
macro_rules! conformance_tests {
    ($make:expr) => {
        $crate::conformance_tests!(@ $make;
            a_value_is_loaded_once(user);
            a_scope_is_invalidated_as_a_whole(user, other);
            concurrent_loads_are_one(user);
            a_load_begun_before_an_invalidation_is_not_served_after_it(user);
            an_evicted_generation_brings_nothing_back(user);
            a_failing_load_is_not_cached(user);
            an_abandoned_load_is_taken_over(user);
            an_entry_that_is_not_understood_is_loaded_anew(user);
        );
    };
    (@ $make:expr; $($name:ident($($user:ident),+);)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $(let $user = ecs_domain::UserId::new(uuid::Uuid::now_v7());)+
                $crate::conformance::$name($make, $($user),+).await;
            }
        )+
    };
}

#[cfg(test)]
mod none {
    use super::Kind;
    use crate::Cache;

    crate::conformance_tests!(Kind { cache: Cache::none(), backend: None });
}

#[cfg(test)]
mod in_process {
    use std::sync::Arc;

    use super::Kind;
    use crate::in_process::{InProcess, Options};
    use crate::{Backend, Cache};

    fn kind() -> Kind {
        let backend: Arc<dyn Backend> = Arc::new(InProcess::new(Options::default()));
        Kind { cache: Cache::over(Arc::clone(&backend)), backend: Some(backend) }
    }

    crate::conformance_tests!(kind());
}
