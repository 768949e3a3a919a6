//! The contract of the cache, and its in-process and absent implementations.
