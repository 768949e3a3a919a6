//! What waits for one publisher, within a window that all of them share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ecs_bus::{Event, PublishError, Window};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// Takes the lock. A holder that panicked left nothing half done, since every change under these locks is small.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What became of the events of a request, in their order.
pub type Results = Vec<Result<(), PublishError>>;

/// Events of one `publish`, and whom to tell.
pub struct Request {
    /// What is to be published.
    pub events: Vec<Event>,
    reply: oneshot::Sender<Results>,
}

/// What waits for one publisher.
pub struct Queue {
    window: Arc<Window>,
    /// The most events that are taken at once.
    largest_group: usize,
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
    /// An empty queue. Of what waits, the publisher takes as many events at once, or a request that has more of them alone.
    #[must_use]
    pub fn new(window: Arc<Window>, largest_group: usize) -> Self {
        let state = State { requests: Vec::new(), wake_at: usize::MAX, draining: false };
        Self { window, largest_group, state: Mutex::new(state), wake: Notify::new() }
    }

    /// Queues events that the window has admitted. `None` when the bus is draining.
    pub fn submit(&self, events: Vec<Event>) -> Option<oneshot::Receiver<Results>> {
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
    pub fn drain(&self) {
        locked(&self.state).draining = true;
        self.wake.notify_one();
    }

    /// Waits until something is there. False when the queue is empty and stays so.
    pub async fn filled(&self) -> bool {
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
    #[must_use]
    pub fn waiting(&self) -> usize {
        locked(&self.state).requests.len()
    }

    /// Waits until so many requests are there, or until `end`.
    pub async fn filled_with(&self, requests: usize, end: Instant) {
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

    /// Takes the oldest requests, whole ones, as far as they make a group.
    #[must_use]
    pub fn take(&self) -> Vec<Request> {
        let mut state = locked(&self.state);
        state.wake_at = usize::MAX;
        let mut events = 0;
        let count = state
            .requests
            .iter()
            .take_while(|request| {
                let fits = events == 0 || events + request.events.len() <= self.largest_group;
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
    pub fn answer(&self, request: Request, results: Results) {
        self.release(&request.events);
        // Who asked may have gone away; the events are durable all the same.
        let _ = request.reply.send(results);
    }

    fn release(&self, events: &[Event]) {
        self.window.release(events.len(), events.iter().map(|event| event.payload.len()).sum());
    }
}
