//! Events that were given up.

use async_trait::async_trait;
use bytes::Bytes;
use ecs_domain::{EventId, Timestamp, UserId};

use crate::StoreError;

/// The table `dead_letters`.
#[async_trait]
pub trait DeadLetters: Send + Sync + 'static {
    /// Keeps dead letters. The same event of the same subject and group with the same bytes is kept once.
    async fn add_dead_letters(&self, letters: &[DeadLetterRow]) -> Result<(), StoreError>;

    /// Dead letters, newest first, at most `limit`.
    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetterRow>, StoreError>;

    /// How many there are.
    async fn dead_letter_count(&self) -> Result<u64, StoreError>;
}

/// A dead letter as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterRow {
    /// The subject's name.
    pub subject: String,
    /// The group that gave it up.
    pub group: String,
    /// The event's id.
    pub id: EventId,
    /// The event's key.
    pub key: UserId,
    /// Why, in words.
    pub reason: String,
    /// The failed attempts, oldest first: when, and why.
    pub history: Vec<(Timestamp, String)>,
    /// The original bytes.
    pub payload: Bytes,
    /// The payload's schema version.
    pub schema_version: u16,
    /// The request it came from.
    pub request_id: Option<String>,
    /// The trace it belongs to.
    pub traceparent: Option<String>,
    /// When it was given up.
    pub at: Timestamp,
}
