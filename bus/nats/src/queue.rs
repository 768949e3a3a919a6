//! What waits to be published: requests of one stream, within a window that all streams share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ecs_bus::{Event, PublishError, Window};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// The most events that are taken at once: what one batch holds a few times over, so that a large upload keeps the server
/// busy and nobody waits for long behind it.
const LARGEST_GROUP: usize = 4_000;

/// Takes the lock; a holder that panicked left nothing half done, since every change under these locks is small.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What became of the events of a request, in their order.
pub(crate) type Results = Vec<Result<(), PublishError>>;

/// Events of one `publish`, and whom to tell.
pub(crate) struct Request {
    pub(crate) events: Vec<Event>,
    reply: oneshot::Sender<Results>,
}

/// What waits for one stream.
pub(crate) struct Queue {
    window: Arc<Window>,
    state: Mutex<State>,
    wake: Notify,
}

struct State {
    requests: Vec<Request>,
    /// The publisher sleeps until so many requests are there; `usize::MAX` while it works, so that nobody wakes it.
    wake_at: usize,
    draining: bool,
}

impl Queue {
    pub(crate) fn new(window: Arc<Window>) -> Self {
        let state = State { requests: Vec::new(), wake_at: usize::MAX, draining: false };
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
        if state.requests.len() >= state.wake_at {
            state.wake_at = usize::MAX;
            drop(state);
            self.wake.notify_one();
        }
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
                let mut state = locked(&self.state);
                if !state.requests.is_empty() || state.draining {
                    return !state.requests.is_empty();
                }
                state.wake_at = 1;
            }
            self.wake.notified().await;
        }
    }

    /// How many requests wait.
    pub(crate) fn waiting(&self) -> usize {
        locked(&self.state).requests.len()
    }

    /// Waits until so many requests are there, or until `end`.
    pub(crate) async fn filled_with(&self, requests: usize, end: Instant) {
        loop {
            {
                let mut state = locked(&self.state);
                if state.requests.len() >= requests || state.draining {
                    return;
                }
                state.wake_at = requests;
            }
            if tokio::time::timeout_at(end, self.wake.notified()).await.is_err() {
                return;
            }
        }
    }

    /// Takes the oldest requests, whole ones, as far as they make a group of reasonable size.
    pub(crate) fn take(&self) -> Vec<Request> {
        let mut state = locked(&self.state);
        state.wake_at = usize::MAX;
        let mut events = 0;
        let count = state
            .requests
            .iter()
            .take_while(|request| {
                let fits = events == 0 || events + request.events.len() <= LARGEST_GROUP;
                events += request.events.len();
                fits
            })
            .count();
        if count == state.requests.len() {
            return std::mem::take(&mut state.requests);
        }
        state.requests.drain(..count).collect()
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
