//! What a subscription and its task share: what was fetched, and what was handed out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use ecs_bus::{Delivery, Settlement, SubscribeOptions, Tag, Verdict};
use ecs_bus_outgoing::locked;
use ecs_domain::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::message::Carried;
use crate::unsettled::{Unsettled, Words};

/// How long fetched events wait for a member that is busy with others before they go back to the group. Fetching ahead is for
/// members that come back soon; one that hangs shall not keep events from those that don't.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a message is called by server and member: a number on one of the channels that the member has had, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) channel: u64,
    pub(crate) number: u64,
}

/// An event that was fetched and not handed out yet.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) carried: Carried,
    pub(crate) place: Place,
    pub(crate) at: Instant,
}

/// A delivery in the member's hands.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) carried: Carried,
    pub(crate) place: Place,
    /// The end of its lease.
    until: Instant,
    /// Its word was heard but couldn't be passed on: it goes back at the end, and that counts as no failure.
    pub(crate) excused: bool,
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

/// What a member has, for those who count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Holding {
    /// Over how many channels.
    pub(crate) channels: u64,
    /// How many events it has: fetched, handed out, or being settled.
    pub(crate) events: u64,
    /// How many it has ever been sent.
    pub(crate) received: u64,
    /// When the oldest of them was published.
    pub(crate) oldest: Option<Timestamp>,
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
    /// By tag. Tags rise, and leases too but for those that were excused.
    held: BTreeMap<u64, Held>,
    /// No lease ends before this.
    no_lease_ends_before: Option<Instant>,
    /// What was sent and not settled yet, by channel.
    open: BTreeMap<u64, Unsettled>,
    received: u64,
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
    /// Deliveries whose lease is over. They count as failed, unless they are excused.
    pub(crate) expired: Vec<Held>,
    /// Places of fetched events whose member doesn't come for them.
    pub(crate) unclaimed: Vec<Place>,
    /// When to look again at the latest.
    pub(crate) next: Option<Instant>,
}

impl Member {
    pub(crate) fn new(options: SubscribeOptions) -> Self {
        let state = State {
            fetched: VecDeque::new(),
            held: BTreeMap::new(),
            no_lease_ends_before: None,
            open: BTreeMap::new(),
            received: 0,
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

    /// Notes what has arrived over a channel: all of it by number and time of publication, and what of it may be handed out.
    pub(crate) fn receive(&self, channel: u64, arrived: &[(u64, Timestamp)], fetched: Vec<Fetched>) {
        let mut state = self.lock();
        let open = state.open.entry(channel).or_default();
        for (number, published_at) in arrived {
            open.add(*number, *published_at);
        }
        state.received += arrived.len() as u64;
        let was_empty = state.fetched.is_empty();
        state.fetched.extend(fetched);
        // Whoever waits for more looks when the batch is full or has lingered, and needs no word before.
        let is_news = was_empty || state.fetched.len() >= self.max_batch();
        drop(state);
        if is_news {
            self.arrived.notify_one();
        }
    }

    /// Whether a batch has begun that isn't full, and may linger for so long.
    pub(crate) fn is_filling(&self, linger: Duration) -> bool {
        let filled = self.lock().fetched.len();
        self.options.linger >= linger && (1..self.max_batch()).contains(&filled)
    }

    /// Whether it waits and has nothing left; `None` while it doesn't come for what it has, so that nothing should be sent to it.
    pub(crate) fn hunger(&self) -> Option<bool> {
        let state = self.lock();
        let comes = state.waiting || (!state.missed && state.idle_since.elapsed() < self.patience());
        comes.then_some(state.waiting && state.fetched.is_empty())
    }

    /// How many events were sent on a channel and are not settled.
    pub(crate) fn open_on(&self, channel: u64) -> usize {
        self.lock().open.get(&channel).map_or(0, Unsettled::len)
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
        state.lease_until(until);
        Ok(batch.into_iter().map(|fetched| state.hand_out(fetched, until)).collect())
    }

    /// Takes deliveries back that their owner has settled. Those that were settled before, or whose lease is over, are left out.
    pub(crate) fn settle(&self, settlements: Vec<Settlement>) -> Vec<(Held, Verdict)> {
        let now = Instant::now();
        let mut settled = Vec::with_capacity(settlements.len());
        let mut state = self.lock();
        for Settlement { tag, verdict } in settlements {
            let is_held = state.held.get(&tag.0).is_some_and(|held| held.until > now && !held.excused);
            let held = if is_held { state.held.remove(&tag.0) } else { None };
            settled.extend(held.map(|held| (held, verdict)));
        }
        settled
    }

    /// Keeps what couldn't be settled as it should, until it goes back to the group.
    pub(crate) fn excuse(&self, held: Held, until: Instant) {
        let mut state = self.lock();
        let tag = state.next_tag;
        state.next_tag += 1;
        state.lease_until(until);
        state.held.insert(tag, Held { until, excused: true, ..held });
        drop(state);
        self.moved.notify_one();
    }

    /// What is due now.
    pub(crate) fn due(&self) -> Due {
        let now = Instant::now();
        let mut state = self.lock();
        let mut due = Due::default();
        if state.no_lease_ends_before.is_some_and(|next| next <= now) {
            let over: Vec<u64> =
                state.held.iter().filter(|(_, held)| held.until <= now).map(|(tag, _)| *tag).collect();
            due.expired.extend(over.iter().filter_map(|tag| state.held.remove(tag)));
            state.no_lease_ends_before = state.held.values().map(|held| held.until).min();
        }
        due.next = state.no_lease_ends_before;
        if !state.waiting && !state.fetched.is_empty() {
            let claim_until = state.idle_since + self.patience();
            let missed = due.expired.iter().any(|held| !held.excused);
            if missed || claim_until <= now {
                due.unclaimed.extend(state.fetched.drain(..).map(|fetched| fetched.place));
            } else {
                due.next = Some(due.next.map_or(claim_until, |next| next.min(claim_until)));
            }
        }
        let took = due.expired.iter().any(|held| !held.excused) || !due.unclaimed.is_empty();
        state.missed |= took && !state.waiting;
        due
    }

    /// Takes out what was fetched, unless the owner waits for it.
    pub(crate) fn unclaimed(&self) -> Vec<Place> {
        let mut state = self.lock();
        if state.waiting {
            return Vec::new();
        }
        state.fetched.drain(..).map(|fetched| fetched.place).collect()
    }

    /// Takes out what was fetched and published before `floor`: it is forgotten.
    pub(crate) fn forget(&self, floor: Timestamp) -> Vec<Place> {
        let mut state = self.lock();
        let (old, kept): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut state.fetched).into_iter().partition(|it| it.carried.published_at < floor);
        state.fetched = kept;
        old.into_iter().map(|fetched| fetched.place).collect()
    }

    /// A channel is gone, and everything on it belongs to the group again.
    pub(crate) fn lose(&self, channel: u64) {
        let mut state = self.lock();
        state.fetched.retain(|fetched| fetched.place.channel != channel);
        state.held.retain(|_, held| held.place.channel != channel);
        state.open.remove(&channel);
    }

    /// How to tell the server that these are done.
    pub(crate) fn words(&self, channel: u64, done: Vec<u64>) -> Words {
        self.lock().open.get(&channel).map(|open| open.words(done)).unwrap_or_default()
    }

    /// Notes that the server was told what became of these.
    pub(crate) fn close(&self, channel: u64, numbers: &[u64]) {
        let mut state = self.lock();
        if let Some(open) = state.open.get_mut(&channel) {
            numbers.iter().for_each(|number| open.close(*number));
        }
    }

    /// What it has.
    pub(crate) fn holding(&self) -> Holding {
        let state = self.lock();
        let events = state.open.values().map(|open| open.len() as u64).sum();
        let oldest = state.open.values().filter_map(Unsettled::oldest).min();
        Holding { channels: 0, events, received: state.received, oldest }
    }
}

impl State {
    fn lease_until(&mut self, until: Instant) {
        self.no_lease_ends_before = Some(self.no_lease_ends_before.map_or(until, |first| first.min(until)));
    }

    fn hand_out(&mut self, fetched: Fetched, until: Instant) -> Delivery {
        let Fetched { carried, place, .. } = fetched;
        let tag = self.next_tag;
        self.next_tag += 1;
        let delivery = Delivery {
            tag: Tag(tag),
            attempt: carried.failures.count.saturating_add(1),
            history: carried.failures.history.clone(),
            event: carried.event.clone(),
            published_at: carried.published_at,
        };
        self.held.insert(tag, Held { carried, place, until, excused: false });
        delivery
    }
}
