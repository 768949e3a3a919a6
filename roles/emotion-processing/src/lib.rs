//! Folds emotion events into per-user daily aggregates, each exactly once.
