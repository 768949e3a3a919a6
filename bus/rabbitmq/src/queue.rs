//! What waits to be published: requests of one subject, within a window that all subjects share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ecs_bus::{Event, PublishError, Window};
use tokio::sync::{Notify, oneshot};

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
