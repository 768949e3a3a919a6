//! The embedded transport: an append-only log in a SQLite file of its own, with group commit.
