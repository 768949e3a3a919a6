//! The cache's backend in Redis 7, with a level in this process before it.
//!
//! **Which level may answer.** Generations decide what counts, so they are read in Redis, at every lookup. Entries carry the
//! generation they belong to, so an entry that this process has seen before is as good as one from Redis while the
//! generation is the same. A lookup is one round trip: it asks for the epoch, the generation, and, when the level has no
//! entry, for that too.
//!
//! **What may be found at all.** Every generation is bound to an *epoch*, random bytes under one key for all of Redis, and
//! counts only while that epoch is current. A new epoch ends everything at once. A process begins one before it reads
//! anything:
//! - when it has just started: the process before it may have died between a commit and its invalidation;
//! - when it meets another run of the server than before: what a restart read from disk, or a fail-over from a replica,
//!   may be older than the last invalidations;
//! - when it owes more invalidations than it remembers one by one.
//!
//! **An invalidation that fails is owed.** The connection is given up with it, and there is no other before everything that is
//! owed has got through. Until then this process reads past the cache.
//!
//! **Redis away.** One task connects, for as long as it takes. Who looks meanwhile is refused at once. Each command has a
//! short time to answer; after five failures in a row a breaker named `cache-redis` refuses for thirty seconds.

mod address;
mod backend;
mod commands;
mod link;
mod options;
mod owed;

pub use address::client;
pub use backend::{BREAKER, RedisBackend};
pub use options::{OpenError, Options};
