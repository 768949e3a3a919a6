//! What waits to be published: requests of one subject, within a window that all subjects share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ecs_bus::{Event, PublishError};
use tokio::sync::{Notify, oneshot};

/// When a publisher that found the window full should come back. The window empties within milliseconds; a whole
/// second keeps a crowd of them from coming back all at once.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Takes the lock; a holder that panicked left nothing half done, since every change under these locks is small.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How much may wait at once, all subjects together. What waits for its confirmation waits.
pub(crate) struct Window {
    most_events: usize,
    most_bytes: usize,
    max_payload: usize,
    events: AtomicUsize,
    bytes: AtomicUsize,
}

impl Window {
    pub(crate) fn new(most_events: usize, most_bytes: usize, max_payload: usize) -> Self {
        Self {
            most_events,
            most_bytes: most_bytes.max(max_payload),
            max_payload,
            events: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    /// Takes a place for an event.
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

    fn release(&self, events: usize, bytes: usize) {
        self.events.fetch_sub(events, Ordering::AcqRel);
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}

/// What became of the events of a request, in their order.
pub(crate) type Results = Vec<Result<(), PublishError>>;

/// Events of one `publish`, and whom to tell.
pub(crate) struct Request {
    pub(crate) events: Vec<Event>,
    reply: oneshot::Sender<Results>,
}

/// What waits for one subject.
pub(crate) struct Queue {
    window: Arc<Window>,
    state: Mutex<State>,
    wake: Notify,
}

struct State {
    requests: Vec<Request>,
    draining: bool,
}

impl Queue {
    pub(crate) fn new(window: Arc<Window>) -> Self {
        let state = State { requests: Vec::new(), draining: false };
        Self { window, state: Mutex::new(state), wake: Notify::new() }
    }

    /// Queues events that the window has admitted. `None` when the bus is draining.
    pub(crate) fn submit(&self, events: Vec<Event>) -> Option<oneshot::Receiver<Results>> {
        let (reply, receiver) = oneshot::channel();
        let mut state = locked(&self.state);
        if state.draining {
            drop(state);
            self.release(&events);
            return None;
        }
        state.requests.push(Request { events, reply });
        drop(state);
        self.wake.notify_one();
        Some(receiver)
    }

    /// Takes nothing more; the publisher finishes what is there.
    pub(crate) fn drain(&self) {
        locked(&self.state).draining = true;
        self.wake.notify_one();
    }

    /// Waits until something is there. False when the queue is empty and stays so.
    pub(crate) async fn filled(&self) -> bool {
        loop {
            {
                let state = locked(&self.state);
                if !state.requests.is_empty() || state.draining {
                    return !state.requests.is_empty();
                }
            }
            self.wake.notified().await;
        }
    }

    /// Takes everything.
    pub(crate) fn take(&self) -> Vec<Request> {
        std::mem::take(&mut locked(&self.state).requests)
    }

    /// Answers a request and gives its room in the window back.
    pub(crate) fn answer(&self, request: Request, results: Results) {
        self.release(&request.events);
        // Who asked may have gone away; the events are durable all the same.
        let _ = request.reply.send(results);
    }

    fn release(&self, events: &[Event]) {
        self.window.release(events.len(), events.iter().map(|event| event.payload.len()).sum());
    }
}
