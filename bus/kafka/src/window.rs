//! How much may wait to be made durable.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ecs_bus::{Event, PublishError};

/// When a publisher that found the window full should come back. The window empties within milliseconds; a whole
/// second keeps a crowd of them from coming back all at once.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// All subjects together.
pub(crate) struct Window {
    most_events: usize,
    most_bytes: usize,
    max_payload: usize,
    events: AtomicUsize,
    bytes: AtomicUsize,
}

impl Window {
    pub(crate) fn new(most_events: usize, most_bytes: usize, max_payload: usize) -> Self {
        let (events, bytes) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { most_events, most_bytes: most_bytes.max(max_payload), max_payload, events, bytes }
    }

    /// Takes a place for an event, until it is released.
    pub(crate) fn admit(&self, event: &Event) -> Result<(), PublishError> {
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
    pub(crate) fn release(&self, events: usize, bytes: usize) {
        self.events.fetch_sub(events, Ordering::AcqRel);
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}

/// Places in the window, which are given back however the publishing ends: whoever asked may go away in the middle of it.
pub(crate) struct Places<'a> {
    pub(crate) window: &'a Window,
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

impl Drop for Places<'_> {
    fn drop(&mut self) {
        self.window.release(self.events, self.bytes);
    }
}
