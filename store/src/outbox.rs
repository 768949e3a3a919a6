//! What is to be published because of a write, kept in the same transaction as the write.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ecs_domain::{EventId, Timestamp, UserId};

use crate::StoreError;

/// The outbox. Rows are claimed, published, and then removed; a claim that isn't finished runs out, so a row is published
/// at least once. Rows become visible when their transaction commits, in no order that a reader could rely on.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Claims up to `limit` rows that nobody holds, for `lease`. Two claimers MUST never hold the same row. A claim that
    /// lasts longer than two leases from `now` is none: the clock was set back since it was made.
    async fn claim_outbox(
        &self,
        limit: usize,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<OutboxRow>, StoreError>;

    /// Removes rows that were published.
    async fn finish_outbox(&self, rows: &[OutboxRow]) -> Result<(), StoreError>;

    /// How many rows wait or are claimed.
    async fn outbox_depth(&self) -> Result<u64, StoreError>;
}

/// An event to be published. The store doesn't look into it.
#[derive(Clone, PartialEq, Eq)]
pub struct OutboxMessage {
    /// The event's id.
    pub id: EventId,
    /// The subject's name.
    pub subject: &'static str,
    /// The event's key.
    pub key: UserId,
    /// The event's payload.
    pub payload: Bytes,
    /// The payload's schema version.
    pub schema_version: u16,
    /// The request it came from.
    pub request_id: Option<String>,
    /// The trace it belongs to.
    pub traceparent: Option<String>,
}

/// A claimed row.
#[derive(Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// The row's number.
    pub row: i64,
    /// The event's id.
    pub id: EventId,
    /// The subject's name.
    pub subject: String,
    /// The event's key.
    pub key: UserId,
    /// The event's payload.
    pub payload: Bytes,
    /// The payload's schema version.
    pub schema_version: u16,
    /// The request it came from.
    pub request_id: Option<String>,
    /// The trace it belongs to.
    pub traceparent: Option<String>,
}

/// Of the payload only its size is told.
macro_rules! without_payload {
    ($($type:ident)+) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut told = f.debug_struct(stringify!($type));
                told.field("id", &self.id).field("subject", &self.subject).field("key", &self.key);
                told.field("bytes", &self.payload.len()).finish_non_exhaustive()
            }
        }
    )+};
}

without_payload!(OutboxMessage OutboxRow);
