//! What waits for the writer: publish requests within a bounded window, and commands.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ecs_bus::{BusError, Event, PublishError, RETRY_AFTER, Subject};
use ecs_domain::Timestamp;
use tokio::sync::oneshot;

use crate::Options;

/// Takes the lock; a holder that panicked left nothing half done, since every change under these locks is small.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Events that become durable together, and whom to tell.
pub(crate) struct Request {
    pub(crate) events: Vec<Event>,
    pub(crate) reply: oneshot::Sender<Result<(), PublishError>>,
}

/// What the writer does besides publishing.
pub(crate) enum Command {
    /// Writes the groups' progress down now.
    Flush(oneshot::Sender<Result<(), BusError>>),
    /// Says whether writing works.
    Ping(oneshot::Sender<Result<(), BusError>>),
    /// Forgets old events.
    Prune { subject: Subject, before: Timestamp, reply: oneshot::Sender<Result<u64, BusError>> },
}

/// Whether the bus takes work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It does.
    Open,
    /// It finishes what it took, keeps the groups' progress, and ends.
    Draining,
    /// Its owner is gone without a word: it finishes what it took, and ends.
    Abandoned,
}

/// What the writer takes from the queue at once.
pub(crate) struct Work {
    pub(crate) requests: Vec<Request>,
    pub(crate) commands: Vec<Command>,
    pub(crate) phase: Phase,
}

/// The receipt of a batch: what was refused at once, and where to wait for the rest.
pub(crate) struct Submitted {
    /// By index in the batch, rising.
    pub(crate) refused: Vec<(usize, PublishError)>,
    pub(crate) reply: Option<oneshot::Receiver<Result<(), PublishError>>>,
}

pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    window_events: usize,
    window_bytes: usize,
    max_payload: usize,
}

struct State {
    requests: Vec<Request>,
    commands: Vec<Command>,
    /// Events and bytes that were taken and not answered yet, those in the writer's hands included.
    events: usize,
    bytes: usize,
    /// The writer sleeps until so many requests are there; `usize::MAX` while it works, so that nobody wakes it.
    wake_at: usize,
    /// Somebody wants the writer to look around; kept here so that a call just before it falls asleep isn't lost.
    roused: bool,
    phase: Phase,
}

impl Queue {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            state: Mutex::new(State {
                requests: Vec::new(),
                commands: Vec::new(),
                events: 0,
                bytes: 0,
                wake_at: usize::MAX,
                roused: false,
                phase: Phase::Open,
            }),
            wake: Condvar::new(),
            window_events: options.window_events,
            window_bytes: options.window_bytes.max(options.max_payload),
            max_payload: options.max_payload,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        locked(&self.state).phase
    }

    /// Takes as much of the batch as the window holds.
    pub(crate) fn submit(&self, batch: Vec<Event>) -> Submitted {
        let (sender, receiver) = oneshot::channel();
        let mut refused = Vec::new();
        let mut state = locked(&self.state);
        if state.phase != Phase::Open {
            let refused = (0..batch.len()).map(|index| (index, PublishError::Closed)).collect();
            return Submitted { refused, reply: None };
        }
        let mut events = batch;
        let mut index = 0;
        events.retain(|event| {
            let verdict = self.admit(&mut state, event.payload.len());
            let admitted = verdict.is_ok();
            refused.extend(verdict.err().map(|error| (index, error)));
            index += 1;
            admitted
        });
        if events.is_empty() {
            return Submitted { refused, reply: None };
        }
        state.requests.push(Request { events, reply: sender });
        if state.requests.len() >= state.wake_at {
            state.wake_at = usize::MAX;
            drop(state);
            self.wake.notify_one();
        }
        Submitted { refused, reply: Some(receiver) }
    }

    fn admit(&self, state: &mut State, bytes: usize) -> Result<(), PublishError> {
        if bytes > self.max_payload {
            return Err(PublishError::TooLarge { bytes, limit: self.max_payload });
        }
        if state.events >= self.window_events || state.bytes + bytes > self.window_bytes {
            return Err(PublishError::WindowFull { retry_after: RETRY_AFTER });
        }
        state.events += 1;
        state.bytes += bytes;
        Ok(())
    }

    /// Gives room in the window back.
    pub(crate) fn release(&self, events: usize, bytes: usize) {
        let mut state = locked(&self.state);
        state.events = state.events.saturating_sub(events);
        state.bytes = state.bytes.saturating_sub(bytes);
    }

    /// Hands the writer a command.
    pub(crate) fn command(&self, command: Command) -> Result<(), BusError> {
        let mut state = locked(&self.state);
        if state.phase != Phase::Open {
            return Err(BusError::Closed);
        }
        state.commands.push(command);
        self.rouse(&mut state);
        Ok(())
    }

    /// Makes the writer look around, so that it notices progress to write down and takes a shorter sleep.
    pub(crate) fn nudge(&self) {
        self.rouse(&mut locked(&self.state));
    }

    /// Takes no more work. The first to end the bus decides how.
    pub(crate) fn end(&self, phase: Phase) {
        let mut state = locked(&self.state);
        if state.phase == Phase::Open {
            state.phase = phase;
        }
        self.rouse(&mut state);
    }

    fn rouse(&self, state: &mut State) {
        state.roused = true;
        state.wake_at = usize::MAX;
        self.wake.notify_one();
    }

    /// Sleeps until there is work, or for `at_most`, or until somebody calls [`Queue::nudge`].
    ///
    /// Publishers that were answered together come back one by one within microseconds, and each commit costs a flush
    /// to disk: so when fewer than `expected` requests are there, it gives the others `gather` to arrive.
    pub(crate) fn take(&self, at_most: Option<Duration>, expected: usize, gather: Duration) -> Work {
        let mut state = locked(&self.state);
        if state.is_idle() {
            state = self.sleep(state, 1, at_most);
        }
        let arrived = state.requests.len();
        if (1..expected).contains(&arrived) && state.commands.is_empty() && state.phase == Phase::Open {
            state = self.sleep(state, expected, Some(gather));
        }
        state.roused = false;
        Work {
            requests: mem::take(&mut state.requests),
            commands: mem::take(&mut state.commands),
            phase: state.phase,
        }
    }

    /// Sleeps until `wake_at` requests are there or somebody resets it.
    fn sleep<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        wake_at: usize,
        at_most: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        let deadline = at_most.map(|time| Instant::now() + time);
        state.wake_at = wake_at;
        while state.wake_at != usize::MAX {
            let Some(deadline) = deadline else {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.wake_at = usize::MAX;
                break;
            }
            state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.requests.is_empty() && self.commands.is_empty() && !self.roused && self.phase == Phase::Open
    }
}
