//! The cache's backend in Redis, with a level in the process before it.
