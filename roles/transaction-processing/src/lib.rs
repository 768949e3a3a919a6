//! Records transactions, each exactly once.
