//! One group on one subject: what was handed out, to whom, until when, and what comes round again.
//!
//! Positions below `next` were handed out. Those of them that are not settled are in `open`, either leased to a member
//! or waiting to be handed out again. Nothing here waits or touches the disk; [`crate::progress`] writes it down.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ecs_bus::{FailedAttempt, Settlement, Tag, Verdict};
use ecs_domain::Timestamp;

use crate::progress::{Changes, Row};

/// The most failures that are remembered of one event; the oldest go first.
const MAX_HISTORY: usize = 64;

/// How far a clock may seem to go back without having been set: members read it one after the other.
const CLOCK_SLACK: Duration = Duration::from_secs(1);

/// Names a member of a group within its process.
pub(crate) type Member = u64;

/// The state of a group.
#[derive(Default)]
pub(crate) struct Group {
    /// The next position that was never handed out.
    next: u64,
    open: BTreeMap<u64, Entry>,
    /// What was settled at or after `next`: after a restart a retry may be settled before the new events that stand in
    /// front of it are handed out.
    settled_ahead: BTreeSet<u64>,
    /// The waiting ones of `open` by the time at which they come round again.
    due: BTreeSet<(Timestamp, u64)>,
    /// No lease runs out before this; the true first may be later.
    first_lease: Option<Timestamp>,
    /// What the clock said last.
    seen: Option<Timestamp>,
    /// Positions whose row in the table of retries is out of date.
    changed: BTreeSet<u64>,
    /// The cursor that is written down.
    written_cursor: u64,
}

/// An event that was handed out and isn't settled.
struct Entry {
    state: State,
    /// How often it was delivered.
    attempt: u32,
    history: Vec<FailedAttempt>,
    /// It has a row among the retries, so the cursor may pass it.
    kept: bool,
}

enum State {
    Leased { member: Member, until: Timestamp },
    Waiting { due: Timestamp },
}

/// Whether a delivery that comes back counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Made,
    Unmade,
}

/// What a member was given to deliver: events that come round again, and a run of new ones.
pub(crate) struct Reserved {
    pub(crate) again: Vec<Again>,
    pub(crate) fresh: std::ops::Range<u64>,
}

/// An event that was delivered before.
pub(crate) struct Again {
    pub(crate) position: u64,
    pub(crate) attempt: u32,
    pub(crate) history: Vec<FailedAttempt>,
}

impl Reserved {
    pub(crate) fn positions(&self) -> impl Iterator<Item = u64> {
        self.again.iter().map(|again| again.position).chain(self.fresh.clone())
    }
}

/// The tag says which attempt it names, so that settling an earlier attempt of the same event does nothing.
pub(crate) fn tag(position: u64, attempt: u32) -> Tag {
    Tag(position << 8 | u64::from(attempt & 0xff))
}

impl Group {
    /// A group that has settled everything up to `cursor` but `rows`.
    pub(crate) fn resume(cursor: u64, rows: Vec<(u64, Row)>) -> Self {
        let mut group = Self { next: cursor + 1, written_cursor: cursor, ..Self::default() };
        for (position, Row { attempt, due, history }) in rows {
            group.due.insert((due, position));
            group
                .open
                .insert(position, Entry { state: State::Waiting { due }, attempt, history, kept: true });
        }
        group
    }

    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// How many events could be handed out at `now`, counted up to `limit`.
    pub(crate) fn ready(&self, now: Timestamp, head: u64, limit: usize) -> usize {
        let due = self.due.range(..=(now, u64::MAX)).take(limit).count();
        let fresh = usize::try_from((head + 1).saturating_sub(self.next)).unwrap_or(usize::MAX);
        due.saturating_add(fresh).min(limit)
    }

    /// When something comes round again or a lease may run out.
    pub(crate) fn next_change(&self) -> Option<Timestamp> {
        let due = self.due.first().map(|(due, _)| *due);
        due.into_iter().chain(self.first_lease).min()
    }

    /// Leases at most `max` events to `member`: first those that come round again, then new ones up to `head`.
    pub(crate) fn reserve(
        &mut self,
        member: Member,
        max: usize,
        now: Timestamp,
        until: Timestamp,
        head: u64,
    ) -> Reserved {
        let again = self.reserve_again(member, max, now, until);
        self.skip_known();
        let room = (max - again.len()) as u64;
        let open = self.open.range(self.next..).next().map(|(position, _)| *position);
        let known = open.into_iter().chain(self.settled_ahead.first().copied()).min();
        let in_the_way = known.unwrap_or(u64::MAX);
        let end = (head + 1).min(self.next + room).min(in_the_way).max(self.next);
        let fresh = self.next..end;
        self.next = end;
        for position in fresh.clone() {
            let entry = Entry {
                state: State::Leased { member, until },
                attempt: 1,
                history: Vec::new(),
                kept: false,
            };
            self.open.insert(position, entry);
        }
        self.skip_known();
        if !again.is_empty() || !fresh.is_empty() {
            self.first_lease = Some(self.first_lease.map_or(until, |first| first.min(until)));
        }
        Reserved { again, fresh }
    }

    /// Only after a restart, retries may stand among positions that were never handed out since.
    fn skip_known(&mut self) {
        while self.open.contains_key(&self.next) || self.settled_ahead.remove(&self.next) {
            self.next += 1;
        }
    }

    fn reserve_again(&mut self, member: Member, max: usize, now: Timestamp, until: Timestamp) -> Vec<Again> {
        let mut again = Vec::new();
        while again.len() < max && self.due.first().is_some_and(|(due, _)| *due <= now) {
            let Some((_, position)) = self.due.pop_first() else { break };
            let Some(entry) = self.open.get_mut(&position) else { continue };
            entry.attempt += 1;
            entry.state = State::Leased { member, until };
            again.push(Again { position, attempt: entry.attempt, history: entry.history.clone() });
        }
        again
    }

    /// Settles what `member` still holds. Returns whether there was a retry among it.
    pub(crate) fn settle(&mut self, member: Member, settlements: Vec<Settlement>, now: Timestamp) -> bool {
        let mut retried = false;
        for Settlement { tag: settled, verdict } in settlements {
            let position = settled.0 >> 8;
            let Some(entry) = self.open.get_mut(&position) else { continue };
            let held = matches!(entry.state, State::Leased { member: holder, .. } if holder == member);
            if !held || tag(position, entry.attempt) != settled {
                continue;
            }
            match verdict {
                Verdict::Ack => {
                    if entry.kept {
                        self.changed.insert(position);
                    }
                    self.open.remove(&position);
                    if position >= self.next {
                        self.settled_ahead.insert(position);
                    }
                }
                Verdict::Retry { after, reason } => {
                    let due = now.saturating_add(after).unwrap_or(Timestamp::MAX);
                    entry.remember(FailedAttempt { at: now, reason });
                    entry.state = State::Waiting { due };
                    entry.kept = true;
                    self.due.insert((due, position));
                    self.changed.insert(position);
                    retried = true;
                }
            }
        }
        retried
    }

    /// Takes back what `member` never got to see, as if it had not been reserved.
    pub(crate) fn take_back(&mut self, member: Member, positions: impl Iterator<Item = u64>, now: Timestamp) {
        for position in positions {
            if let Some(entry) = self.open.get_mut(&position)
                && matches!(entry.state, State::Leased { member: holder, .. } if holder == member)
            {
                entry.attempt = entry.attempt.saturating_sub(1);
                entry.state = State::Waiting { due: now };
                self.due.insert((now, position));
            }
        }
    }

    /// Takes back all that `member` holds. It leaves because it stops, or because what it needs is away: that is no
    /// attempt. Its tags can't be mistaken for those of the next delivery, which goes to another member.
    pub(crate) fn leave(&mut self, member: Member, now: Timestamp) {
        self.release(now, Attempt::Unmade, |holder, _| holder == member);
    }

    /// Takes back what is held longer than its lease.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        self.follow_clock(now);
        if self.first_lease.is_some_and(|first| first <= now) {
            self.release(now, Attempt::Made, |_, until| until <= now);
        }
    }

    /// When the clock was set back, what waits for a time goes back with it, and nothing waits longer than it was told to.
    /// Comes before whatever counts a time from `now` on.
    pub(crate) fn follow_clock(&mut self, now: Timestamp) {
        let Some(seen) = self.seen.replace(now) else { return };
        // A time that went forward is negative here, which no such duration is.
        let Ok(back) = Duration::try_from(seen.duration_since(now)) else { return };
        if back <= CLOCK_SLACK {
            return;
        }
        let earlier = |time: Timestamp| time.saturating_sub(back).unwrap_or(Timestamp::MIN);
        for entry in self.open.values_mut() {
            match &mut entry.state {
                State::Leased { until: time, .. } | State::Waiting { due: time } => *time = earlier(*time),
            }
        }
        self.due = self.due.iter().map(|(due, position)| (earlier(*due), *position)).collect();
        self.first_lease = self.first_lease.map(earlier);
    }

    fn release(&mut self, now: Timestamp, attempt: Attempt, matching: impl Fn(Member, Timestamp) -> bool) {
        self.first_lease = None;
        for (position, entry) in &mut self.open {
            let State::Leased { member, until } = entry.state else { continue };
            if matching(member, until) {
                entry.attempt -= u32::from(attempt == Attempt::Unmade && entry.attempt > 0);
                entry.state = State::Waiting { due: now };
                self.due.insert((now, *position));
            } else {
                self.first_lease = Some(self.first_lease.map_or(until, |first| first.min(until)));
            }
        }
    }

    /// Drops what waits among `positions`, or is held by `member`: the log no longer has it.
    pub(crate) fn forget(&mut self, positions: impl Iterator<Item = u64>) {
        for position in positions {
            let Some(entry) = self.open.remove(&position) else { continue };
            if let State::Waiting { due } = entry.state {
                self.due.remove(&(due, position));
            }
            if entry.kept {
                self.changed.insert(position);
            }
        }
    }

    /// Drops what waits at or below `position`, for the log no longer has it. What a member holds it may still settle.
    pub(crate) fn forget_through(&mut self, position: u64) {
        let waiting =
            self.open.range(..=position).filter(|(_, entry)| matches!(entry.state, State::Waiting { .. }));
        let waiting: Vec<u64> = waiting.map(|(position, _)| *position).collect();
        self.forget(waiting.into_iter());
        self.next = self.next.max(position + 1);
        self.settled_ahead = self.settled_ahead.split_off(&self.next);
    }

    /// Every event at or before this position is settled for good.
    pub(crate) fn settled_through(&self) -> u64 {
        self.oldest_open().map_or(self.next, |open| open.min(self.next)).saturating_sub(1)
    }

    /// The oldest event that was handed out and isn't settled.
    pub(crate) fn oldest_open(&self) -> Option<u64> {
        self.open.first_key_value().map(|(position, _)| *position)
    }

    /// How many events up to `head` are not settled.
    pub(crate) fn pending(&self, head: u64) -> u64 {
        // Retries that were kept over a restart may stand at or after `next`; they count once, and not when settled.
        let ahead = (self.open.range(self.next..).count() + self.settled_ahead.len()) as u64;
        (head + 1).saturating_sub(self.next) + self.open.len() as u64 - ahead
    }

    /// What has to be written down, if anything. Whoever takes it calls [`Group::written`] or [`Group::unwritten`].
    pub(crate) fn changes(&mut self) -> Option<Changes> {
        let unprotected = self.open.iter().find(|(_, entry)| !entry.kept).map(|(position, _)| *position);
        let cursor = unprotected.unwrap_or(self.next).min(self.next).saturating_sub(1);
        if cursor == self.written_cursor && self.changed.is_empty() {
            return None;
        }
        let rows = std::mem::take(&mut self.changed).into_iter();
        let rows = rows.map(|position| (position, self.open.get(&position).and_then(Entry::row))).collect();
        Some(Changes { cursor, rows })
    }

    pub(crate) fn written(&mut self, changes: &Changes) {
        self.written_cursor = changes.cursor;
    }

    pub(crate) fn unwritten(&mut self, changes: Changes) {
        self.changed.extend(changes.rows.into_iter().map(|(position, _)| position));
    }
}

impl Entry {
    fn remember(&mut self, failure: FailedAttempt) {
        if self.history.len() >= MAX_HISTORY {
            self.history.remove(0);
        }
        self.history.push(failure);
    }

    /// The row that outlives a restart. What a member holds at that moment is due at once after it.
    fn row(&self) -> Option<Row> {
        let due = match self.state {
            State::Leased { .. } => Timestamp::MIN,
            State::Waiting { due } => due,
        };
        self.kept.then(|| Row { attempt: self.attempt, due, history: self.history.clone() })
    }
}

#[cfg(test)]
mod tests;
