//! One test per behaviour of the cache's contract, stamped over every cache.
//!
//! A cache implements [`Harness`] in its tests and writes `ecs_cache_conformance::conformance!(ItsHarness);`.
pub mod invalidation;
pub mod loading;

use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ecs_cache::{Backend, Cache, Key, Scope};
use ecs_domain::UserId;
use uuid::Uuid;

#[doc(hidden)]
pub use ecs_conformance;
use ecs_conformance::NotClaimed;

/// Long enough that nothing expires on its own.
const LONG: Duration = Duration::from_secs(3600);

/// What a cache without a backend doesn't do.
const KEEPING: NotClaimed = NotClaimed("keeping values");

/// How long a test waits for what should happen at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cache under test.
#[async_trait]
pub trait Harness: Send + Sync + Sized {
    /// What the report calls it.
    const NAME: &'static str;

    /// Why this cache can't be had on this machine, for example because its server isn't installed. Every behaviour then says aloud
    /// that it did not run.
    fn unavailable() -> Option<String> {
        None
    }

    /// A cache with nothing in it.
    async fn start() -> Self;

    /// The cache.
    fn cache(&self) -> &Cache;

    /// What it keeps its bytes in; `None` for the one that keeps nothing.
    fn backend(&self) -> Option<&dyn Backend>;
}

/// Stamps every behaviour as a test of its own over the harness. The calling crate needs tokio with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! conformance {
    ($harness:ty) => {
        $crate::ecs_conformance::stamp! { $crate, "cache", $harness;
            loading: a_value_is_loaded_once, concurrent_loads_are_one, a_failing_load_is_not_cached,
                an_abandoned_load_is_taken_over, an_entry_that_is_not_understood_is_loaded_anew;
            invalidation: a_scope_is_invalidated_as_a_whole,
                a_load_begun_before_an_invalidation_is_not_served_after_it,
                an_evicted_generation_brings_nothing_back;
        }
    };
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

/// Somebody of whom nothing is cached.
fn somebody() -> UserId {
    UserId::new(Uuid::now_v7())
}
