//! Limits that processes share: cells are leased from Redis and spent in memory, so that no caller waits for a round trip.
//!
//! **Who counts.** Redis keeps one bucket per key and moves it by its own clock, in a script, so skewed clocks of processes
//! don't matter: they only ever measure how much time has passed for themselves. Each process keeps a copy of the bucket, as
//! it was last told, and what it has on lease.
//!
//! **A call** takes from the lease, if there is one. Else it is let in on credit when the copy has room for it, and Redis is told in
//! the background, with the same message that asks for the next lease. What was let in is always charged, whatever Redis
//! had left: a bucket may owe, and then nobody gets anything until it doesn't. So in the long run a key gets what its quota
//! says, and not more, however many processes it asks.
//!
//! **How far it can be off.** With a burst of B and R processes, a lease is at most B/8 and not more than a second brings, and the
//! credit at most a quarter of B, at least one cell. In any window a key gets at most its burst, its rate, and
//! `R * (2 * lease + credit)` cells. What a process has on lease and doesn't use for a second is lost to the key: at most
//! `2 * lease` per process and pause.
//!
//! **Redis away.** Each process goes on by itself with its share, the quota divided by the number of processes that it last
//! knew of, at least a cell at a time: the gates don't open, and nobody is shut out. When Redis is back, what each has let in
//! and what hasn't come back since is charged, and the copies are corrected by the answers.

mod account;
mod commands;
mod limiter;
mod link;
mod options;

pub use account::{credit, lease};
pub use limiter::{BREAKER, LeasedLimiter};
pub use options::{OpenError, Options};
