//! The contract of the cache: hierarchical keys, invalidation by generation, single-flight loading.
//!
//! Nothing may depend on a cache: with [`Cache::none`] in its place the platform gives the same answers, only slower.
//! Consent is never cached, and neither is a password hash.
//!
//! How an entry is found and lost:
//! - A [`Scope`], such as one user, has a *generation*: 16 random bytes under a key of its own. Every entry carries the
//!   generation that was current **before** its value was loaded, and counts only while that generation is current.
//! - Invalidating a scope drops its generation. The next reader makes a new random one, so a value that was being loaded
//!   meanwhile, or an entry that outlived its evicted generation, can never be found again. A counter that restarts at 1
//!   could bring dead entries back to life; a random generation can't.
//! - Concurrent loads of one key within one generation are one load. Who comes after an invalidation never joins a load
//!   that began before it.
//! - While the backend is away no generation is known, so nobody may join a load that is under way. Callers wait for the
//!   *next* one instead, which began after each of them came: a key is loaded by one at a time, however many ask.

mod away;
mod backend;
mod cache;
mod flight;
mod in_process;
mod key;
mod place;

pub use backend::{Backend, BackendError, Found};
pub use cache::{Cache, Lookup};
pub use in_process::{InProcess, Options};
pub use key::{Key, Scope};
pub use place::{GENERATION_TTL, fresh_generation};
