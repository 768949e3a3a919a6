//! How much may wait to be made durable, counted alike by every transport that sends to a server.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::{Event, PublishError};

/// When a publisher that found the window full should come back. The window empties within milliseconds; a whole
/// second keeps a crowd of them from coming back all at once.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How much may wait, all subjects together. What waits for its acknowledgement waits.
#[derive(Debug)]
pub struct Window {
    most_events: usize,
    most_bytes: usize,
    max_payload: usize,
    events: AtomicUsize,
    bytes: AtomicUsize,
}

impl Window {
    /// A window of so many events and bytes. The largest payload always fits an empty one.
    #[must_use]
    pub fn new(most_events: usize, most_bytes: usize, max_payload: usize) -> Self {
        let (events, bytes) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { most_events, most_bytes: most_bytes.max(max_payload), max_payload, events, bytes }
    }

    /// Takes a place for an event, until it is released.
    ///
    /// # Errors
    /// The event is larger than the transport takes, or the window is full. No place was taken.
    pub fn admit(&self, event: &Event) -> Result<(), PublishError> {
        let bytes = event.payload.len();
        if bytes > self.max_payload {
            return Err(PublishError::TooLarge { bytes, limit: self.max_payload });
        }
        let events_before = self.events.fetch_add(1, Ordering::AcqRel);
        let bytes_before = self.bytes.fetch_add(bytes, Ordering::AcqRel);
        if events_before >= self.most_events || bytes_before + bytes > self.most_bytes {
            self.release(1, bytes);
            return Err(PublishError::WindowFull { retry_after: RETRY_AFTER });
        }
        Ok(())
    }

    /// Gives places back.
    pub fn release(&self, events: usize, bytes: usize) {
        self.events.fetch_sub(events, Ordering::AcqRel);
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}
