//! What one group may see: the model that the real bus is held against. Times are seconds.

use std::collections::{BTreeMap, BTreeSet};

/// For how long a member holds a delivery.
pub(crate) const LEASE: i64 = 30;
/// A clock that goes back by no more than this was not set.
const SLACK: i64 = 1;

/// One group.
#[derive(Debug, Clone, Default)]
pub(crate) struct Group {
    /// Every event at or below was handed out or forgotten, as far as the process remembers.
    handed_out: u64,
    /// What was handed out and is not settled.
    open: BTreeMap<u64, Open>,
    /// What a crash leaves.
    written: Written,
    /// What the clock said last.
    seen: Option<i64>,
    /// What was acknowledged since the process started.
    settled: BTreeSet<u64>,
    /// What was acknowledged at some time.
    pub(crate) acked: BTreeSet<u64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Open {
    pub(crate) state: State,
    pub(crate) attempt: u32,
    /// It was retried once, so it is among what is written.
    retried: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Held { member: usize, until: i64 },
    Waits { due: i64 },
}

/// A cursor, and what below or above it waits for another attempt.
#[derive(Debug, Clone, Default)]
struct Written {
    cursor: u64,
    retries: BTreeMap<u64, (u32, i64)>,
}

impl Group {
    /// Whether this event may be handed to somebody at `now`, and as which attempt.
    fn due(&self, position: u64, now: i64) -> Option<u32> {
        match self.open.get(&position) {
            Some(Open { state: State::Waits { due }, attempt, .. }) if *due <= now => Some(attempt + 1),
            Some(_) => None,
            None => self.is_new(position).then_some(1),
        }
    }

    fn is_new(&self, position: u64) -> bool {
        position > self.handed_out && !self.settled.contains(&position) && !self.open.contains_key(&position)
    }

    /// How many of `positions` may be handed out at `now`.
    pub(crate) fn ready(&self, positions: impl Iterator<Item = u64>, now: i64) -> usize {
        positions.filter(|position| self.due(*position, now).is_some()).count()
    }

    /// A member was given a batch. Whatever it got, it had to be there for it.
    pub(crate) fn took(&mut self, member: usize, batch: &[(u64, u32)], now: i64) {
        for (position, attempt) in batch {
            let expect = self.due(*position, now);
            assert_eq!(expect, Some(*attempt), "attempt of {position} for {member} at {now}: {self:?}");
            if self.is_new(*position) {
                let skipped = (self.handed_out + 1..*position).find(|between| self.is_new(*between));
                assert_eq!(skipped, None, "new events come in order: {self:?}");
                self.handed_out = *position;
            }
            let retried = self.open.get(position).is_some_and(|open| open.retried);
            let state = State::Held { member, until: now + LEASE };
            self.open.insert(*position, Open { state, attempt: *attempt, retried });
        }
        // What was kept over a restart may stand among what is new.
        while self.open.contains_key(&(self.handed_out + 1)) || self.settled.contains(&(self.handed_out + 1))
        {
            self.handed_out += 1;
        }
    }

    /// What the member holds.
    pub(crate) fn held_by(&self, member: usize) -> Vec<(u64, u32)> {
        let holds =
            |open: &Open| matches!(open.state, State::Held { member: holder, .. } if holder == member);
        self.open
            .iter()
            .filter(|(_, open)| holds(open))
            .map(|(position, open)| (*position, open.attempt))
            .collect()
    }

    pub(crate) fn ack(&mut self, position: u64) {
        self.open.remove(&position);
        self.settled.insert(position);
        self.acked.insert(position);
    }

    /// A retry is written down before it returns, and with it all else.
    pub(crate) fn retry(&mut self, position: u64, due: i64) {
        let open = self.open.get_mut(&position).unwrap();
        open.state = State::Waits { due };
        open.retried = true;
        self.written.retries.insert(position, (open.attempt, due));
    }

    /// What a member that goes has held is free at once, and that was no attempt.
    pub(crate) fn leave(&mut self, member: usize, now: i64) {
        for open in self.open.values_mut() {
            if matches!(open.state, State::Held { member: holder, .. } if holder == member) {
                open.state = State::Waits { due: now };
                open.attempt -= 1;
            }
        }
    }

    /// The group looks at the clock. When it was set back, what waits for a time goes back with it.
    pub(crate) fn looks_at(&mut self, now: i64) {
        let back = self.seen.replace(now).map_or(0, |seen| seen - now);
        if back > SLACK {
            for open in self.open.values_mut() {
                match &mut open.state {
                    State::Held { until: time, .. } | State::Waits { due: time } => *time -= back,
                }
            }
        }
    }

    /// What is held for too long is free again; that was an attempt.
    pub(crate) fn expire(&mut self, now: i64) {
        for open in self.open.values_mut() {
            if matches!(open.state, State::Held { until, .. } if until <= now) {
                open.state = State::Waits { due: now };
            }
        }
    }

    /// Everything that is known now is written. The cursor stops before what a crash has to bring back as new.
    pub(crate) fn write(&mut self) {
        let unprotected = self.open.iter().find(|(_, open)| !open.retried).map(|(position, _)| *position - 1);
        self.written.cursor = unprotected.unwrap_or(self.handed_out).min(self.handed_out);
        let open = &self.open;
        self.written.retries.retain(|position, _| open.get(position).is_some_and(|open| open.retried));
    }

    /// The process died: what was written is all that is known.
    pub(crate) fn crash(&mut self) {
        let open = |(attempt, due): (u32, i64)| Open { state: State::Waits { due }, attempt, retried: true };
        self.open = self.written.retries.iter().map(|(position, row)| (*position, open(*row))).collect();
        self.handed_out = self.written.cursor;
        self.settled.clear();
        self.seen = None;
    }

    /// Everything at or below is forgotten, but what somebody holds he may still settle.
    pub(crate) fn forget(&mut self, through: u64) {
        self.open.retain(|position, open| *position > through || matches!(open.state, State::Held { .. }));
        self.handed_out = self.handed_out.max(through);
        self.written.cursor = self.written.cursor.max(through);
        self.written.retries.retain(|position, _| *position > through);
    }

    /// The events up to `head` that are not settled.
    pub(crate) fn unsettled(&self, head: u64) -> BTreeSet<u64> {
        (1..=head).filter(|position| self.is_new(*position) || self.open.contains_key(position)).collect()
    }
}
