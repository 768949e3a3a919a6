//! Logs that are chained, as whoever checks them reads them.

use ecs_domain::Timestamp;
use serde::Deserialize;

/// Entries that were sealed together, to the byte.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainBatch<E> {
    /// Its number.
    pub number: u64,
    /// Its digest, as hexadecimal digits.
    pub digest: String,
    /// When it was sealed.
    pub sealed_at: Timestamp,
    /// How many entries it had then.
    pub count: u64,
    /// Those that are there now.
    pub entries: Vec<E>,
}

/// A piece of a chain, and how much there was before it was read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainPiece<E> {
    /// None when there is nothing more.
    pub batches: Vec<ChainBatch<E>>,
    /// How many entries said that they are sealed.
    pub sealed: u64,
    /// How many waited for their seal.
    pub unsealed: u64,
    /// When the oldest of those was written, in microseconds since 1970.
    pub oldest_unsealed: Option<i64>,
    /// How many decisions no entry told of; of the decision log only.
    #[serde(default)]
    pub unlogged: u64,
    /// How many offers no decision and no review had made; of the decision log only.
    #[serde(default)]
    pub undecided: u64,
}
