//! What travels.

use std::fmt;

use bytes::Bytes;
use ecs_domain::{EventId, Timestamp, UserId};
use uuid::{NoContext, Uuid};

use crate::Subject;

/// An event on the bus.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id; publishing an id twice is allowed and has one effect.
    pub id: EventId,
    /// What it is about.
    pub subject: Subject,
    /// Whom it is about: events of one user go to the same partition, where a transport has partitions.
    pub key: UserId,
    /// JSON, in the shape that [`crate::payload`] documents for the subject.
    pub payload: Bytes,
    /// What travels beside the payload.
    pub headers: Headers,
}

/// What somebody felt, bought or was offered is in the payload, so only its size is told.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = f.debug_struct("Event");
        told.field("id", &self.id).field("subject", &self.subject).field("key", &self.key);
        told.field("bytes", &self.payload.len()).field("headers", &self.headers).finish()
    }
}

/// A new id for an event that its sender didn't name: a UUIDv7, which sorts by time. The same event sent again gets
/// another one, so a sender that wants to repeat safely has to name its events.
#[must_use]
pub fn unnamed_id(now: Timestamp) -> EventId {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
    EventId::new(Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanos)))
}

/// What travels beside the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headers {
    /// The payload's schema version; 1 for every subject so far.
    pub schema_version: u16,
    /// The `X-Request-ID` of the request that the event came with.
    pub request_id: Option<String>,
    /// The W3C `traceparent` of that request.
    pub traceparent: Option<String>,
}

impl Headers {
    /// The header names on transports that carry names.
    pub const SCHEMA_VERSION: &str = "schema-version";
    /// See [`Headers::request_id`].
    pub const REQUEST_ID: &str = "x-request-id";
    /// See [`Headers::traceparent`].
    pub const TRACEPARENT: &str = "traceparent";

    /// Headers of the current schema version for an event that came with a request.
    #[must_use]
    pub fn of_request(request_id: &str, traceparent: &str) -> Self {
        Self {
            request_id: Some(request_id.to_owned()),
            traceparent: Some(traceparent.to_owned()),
            ..Self::current()
        }
    }

    /// Headers of the current schema version without a request.
    #[must_use]
    pub fn current() -> Self {
        Self { schema_version: 1, request_id: None, traceparent: None }
    }
}

impl Default for Headers {
    fn default() -> Self {
        Self::current()
    }
}
