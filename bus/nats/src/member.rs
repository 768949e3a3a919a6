//! What a subscription and its task share: what was fetched, and what was handed out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_nats::Subject as ReplySubject;
use ecs_bus::{Delivery, Event, Failures, SubscribeOptions, Tag};
use ecs_bus_outgoing::locked;
use ecs_domain::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long fetched events wait for a member that is busy with others before they go back to the group. Fetching ahead is for
/// members that come back soon; one that hangs shall not keep events from those that don't.
const PATIENCE: Duration = Duration::from_secs(2);

/// An event that was fetched and not handed out yet.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) event: Event,
    pub(crate) sequence: u64,
    pub(crate) published_at: Timestamp,
    /// Where the server wants to hear what became of it.
    pub(crate) reply: ReplySubject,
    pub(crate) failures: Failures,
    pub(crate) at: Instant,
}

/// A delivery in the member's hands.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) sequence: u64,
    pub(crate) event: ecs_domain::EventId,
    pub(crate) reply: ReplySubject,
    pub(crate) failures: Failures,
    /// The end of its lease.
    until: Instant,
}

/// Whether the subscription goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It does.
    Joined,
    /// Its owner has dropped it.
    Left,
    /// The bus has closed.
    Closed,
}

pub(crate) struct Member {
    pub(crate) options: SubscribeOptions,
    state: Mutex<State>,
    /// Something was fetched, or the phase has changed: the owner should look.
    pub(crate) arrived: Notify,
    /// The owner has taken or settled something, or left: the task should look.
    pub(crate) moved: Notify,
}

struct State {
    fetched: VecDeque<Fetched>,
    /// By tag. Tags and leases both rise, so the first entry ends first.
    held: BTreeMap<u64, Held>,
    next_tag: u64,
    /// Whether the owner waits right now, and since when it doesn't.
    waiting: bool,
    idle_since: Instant,
    /// What the owner had was taken from it, because it did not come. Nothing is fetched for it until it does.
    missed: bool,
    phase: Phase,
}

/// What the task has to do next about what the member has.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// Deliveries whose lease is over. They count as failed.
    pub(crate) expired: Vec<Held>,
    /// Fetched events whose member doesn't come for them.
    pub(crate) unclaimed: Vec<Fetched>,
    /// When to look again at the latest.
    pub(crate) next: Option<Instant>,
}

impl Member {
    pub(crate) fn new(options: SubscribeOptions) -> Self {
        let state = State {
            fetched: VecDeque::new(),
            held: BTreeMap::new(),
            next_tag: 1,
            waiting: false,
            idle_since: Instant::now(),
            missed: false,
            phase: Phase::Joined,
        };
        Self { options, state: Mutex::new(state), arrived: Notify::new(), moved: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    pub(crate) fn max_batch(&self) -> usize {
        self.options.max_batch.max(1)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Ends the subscription. The first reason counts.
    pub(crate) fn end(&self, phase: Phase) {
        let mut state = self.lock();
        if state.phase == Phase::Joined {
            state.phase = phase;
        }
        drop(state);
        self.arrived.notify_one();
        self.moved.notify_one();
    }

    /// Adds what was fetched.
    pub(crate) fn add(&self, fetched: impl IntoIterator<Item = Fetched>) {
        self.lock().fetched.extend(fetched);
        self.arrived.notify_one();
    }

    /// How many events are fetched; `None` while the member doesn't come for what it has, so that nothing should be
    /// fetched for it.
    pub(crate) fn appetite(&self) -> Option<usize> {
        let state = self.lock();
        let comes = state.waiting || (!state.missed && state.idle_since.elapsed() < self.patience());
        comes.then(|| state.fetched.len())
    }

    fn patience(&self) -> Duration {
        PATIENCE.min(self.options.lease)
    }

    /// Tells that the owner waits, or no longer does.
    pub(crate) fn set_waiting(&self, waiting: bool) {
        let mut state = self.lock();
        state.waiting = waiting;
        state.missed &= !waiting;
        state.idle_since = Instant::now();
        drop(state);
        if waiting {
            self.moved.notify_one();
        }
    }

    /// A batch, if there is one to be handed out: a full one, or one whose first event has lingered. Else when to look again.
    pub(crate) fn take(&self) -> Result<Vec<Delivery>, Option<Instant>> {
        let now = Instant::now();
        let mut state = self.lock();
        let Some(first) = state.fetched.front() else { return Err(None) };
        let lingers_until = first.at + self.options.linger;
        if state.fetched.len() < self.max_batch() && now < lingers_until {
            return Err(Some(lingers_until));
        }
        let count = state.fetched.len().min(self.max_batch());
        let batch: Vec<Fetched> = state.fetched.drain(..count).collect();
        let until = now + self.options.lease;
        Ok(batch.into_iter().map(|fetched| state.hand_out(fetched, until)).collect())
    }

    /// Takes a delivery back that its owner has settled. `None` for a tag that was settled before, or whose lease is over.
    pub(crate) fn settle(&self, tag: Tag) -> Option<Held> {
        let now = Instant::now();
        let mut state = self.lock();
        if state.held.get(&tag.0)?.until <= now {
            return None;
        }
        state.held.remove(&tag.0)
    }

    /// What is due now.
    pub(crate) fn due(&self) -> Due {
        let now = Instant::now();
        let mut state = self.lock();
        let mut due = Due::default();
        while state.held.first_key_value().is_some_and(|(_, held)| held.until <= now) {
            due.expired.extend(state.held.pop_first().map(|(_, held)| held));
        }
        due.next = state.held.first_key_value().map(|(_, held)| held.until);
        if !state.waiting && !state.fetched.is_empty() {
            let claim_until = state.idle_since + self.patience();
            if !due.expired.is_empty() || claim_until <= now {
                due.unclaimed.extend(state.fetched.drain(..));
            } else {
                due.next = Some(due.next.map_or(claim_until, |next| next.min(claim_until)));
            }
        }
        let took = !due.expired.is_empty() || !due.unclaimed.is_empty();
        state.missed |= took && !state.waiting;
        due
    }

    /// Everything that the member has, in order to give it back.
    pub(crate) fn give_up(&self) -> Vec<ReplySubject> {
        let mut state = self.lock();
        let held = std::mem::take(&mut state.held).into_values().map(|held| held.reply);
        let mut replies: Vec<ReplySubject> = held.collect();
        replies.extend(state.fetched.drain(..).map(|fetched| fetched.reply));
        replies
    }
}

impl State {
    fn hand_out(&mut self, fetched: Fetched, until: Instant) -> Delivery {
        let Fetched { event, sequence, published_at, reply, failures, .. } = fetched;
        let tag = self.next_tag;
        self.next_tag += 1;
        let delivery = Delivery {
            tag: Tag(tag),
            attempt: failures.count.saturating_add(1),
            history: failures.history.clone(),
            event,
            published_at,
        };
        self.held.insert(tag, Held { sequence, event: delivery.event.id, reply, failures, until });
        delivery
    }
}
