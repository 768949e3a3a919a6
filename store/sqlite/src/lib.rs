//! The embedded engine of the store: SQLite in WAL mode, synchronous=FULL.
