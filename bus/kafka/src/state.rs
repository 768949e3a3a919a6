//! What a group has in this process: what was fetched, what waits for its time, what is handed out, and what is settled.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use ecs_bus::{Delivery, Event, Failures, SubscribeOptions, Tag};
use ecs_domain::Timestamp;
use tokio::time::Instant;

use crate::track::{Progress, Track};

/// Which of a group's two topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Topic {
    /// The subject's.
    Subject,
    /// The one in which its events wait for their retry in this group.
    Retries,
}

/// A partition of one of them.
pub(crate) type Part = (Topic, i32);

/// An event that is here and not settled.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) event: Event,
    pub(crate) published_at: Timestamp,
    pub(crate) failures: Failures,
    /// Partition and place in the subject's topic.
    pub(crate) origin: (i32, i64),
    /// Where it was fetched from.
    pub(crate) part: Part,
    pub(crate) offset: i64,
    /// How often partitions had come and gone when it was.
    pub(crate) epoch: u64,
    /// Since when it could be handed out.
    pub(crate) at: Instant,
}

/// A delivery in a member's hands.
#[derive(Debug)]
struct Held {
    item: Item,
    member: u64,
    until: Instant,
}

/// A partition that is ours.
#[derive(Debug)]
struct Owned {
    track: Track,
    epoch: u64,
    /// Counts the changes, so that a commit knows which of them it has made durable.
    changes: u64,
    committed: u64,
}

/// What is to be committed of a partition.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) part: Part,
    pub(crate) progress: Progress,
    epoch: u64,
    changes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    owned: HashMap<Part, Owned>,
    ready: VecDeque<Item>,
    /// By the time at which each is due, and a number that tells them apart.
    waiting: BTreeMap<(Instant, u64), Item>,
    held: HashMap<u64, Held>,
    /// The ends of leases, with their tags.
    leases: BTreeSet<(Instant, u64)>,
    numbers: u64,
    epoch: u64,
    pub(crate) members: usize,
    /// How many events the members want to be here, all together.
    pub(crate) appetite: usize,
    /// Whether the group ends in this process.
    pub(crate) closing: bool,
}

impl State {
    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// A partition becomes ours.
    pub(crate) fn own(&mut self, part: Part, progress: Option<Progress>) {
        self.epoch += 1;
        let owned = Owned { track: Track::new(progress), epoch: self.epoch, changes: 0, committed: 0 };
        self.owned.insert(part, owned);
    }

    /// Partitions are no longer ours. What of them is here is void.
    pub(crate) fn disown(&mut self, parts: &[Part]) {
        for part in parts {
            self.owned.remove(part);
        }
        self.drop_idle(parts);
        let void: Vec<u64> = self
            .held
            .iter()
            .filter(|(_, held)| parts.contains(&held.item.part))
            .map(|(tag, _)| *tag)
            .collect();
        for tag in void {
            self.release(tag);
        }
    }

    /// Drops what nobody holds of partitions that will be others'.
    pub(crate) fn drop_idle(&mut self, parts: &[Part]) {
        self.ready.retain(|item| !parts.contains(&item.part));
        self.waiting.retain(|_, item| !parts.contains(&item.part));
    }

    /// Whether somebody holds something of these partitions.
    pub(crate) fn is_held(&self, parts: &[Part]) -> bool {
        self.held.values().any(|held| parts.contains(&held.item.part))
    }

    pub(crate) fn parts(&self) -> Vec<Part> {
        self.owned.keys().copied().collect()
    }

    /// Notes that a record was fetched. The epoch of its partition when it has to be delivered.
    pub(crate) fn arrive(&mut self, part: Part, offset: i64) -> Option<u64> {
        let owned = self.owned.get_mut(&part)?;
        let is_new = owned.track.arrive(offset);
        if !is_new {
            owned.changes += 1;
        }
        is_new.then_some(owned.epoch)
    }

    /// Adds what can be handed out at once.
    pub(crate) fn add(&mut self, item: Item) {
        self.ready.push_back(item);
    }

    /// Adds what has to wait.
    pub(crate) fn add_later(&mut self, due: Instant, item: Item) {
        let number = self.number();
        self.waiting.insert((due, number), Item { at: due, ..item });
    }

    pub(crate) fn ready(&self) -> usize {
        self.ready.len()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// A batch for a member, if there is one to be handed out: a full one, or one whose first event has lingered. Else when to
    /// look again.
    pub(crate) fn take(
        &mut self,
        member: u64,
        options: SubscribeOptions,
        now: Instant,
    ) -> Result<Vec<Delivery>, Option<Instant>> {
        while let Some(entry) = self.waiting.first_entry()
            && entry.key().0 <= now
        {
            self.ready.push_back(entry.remove());
        }
        let due = self.waiting.first_key_value().map(|((due, _), _)| *due);
        let Some(first) = self.ready.front() else { return Err(due) };
        let most = options.max_batch.max(1);
        let lingers_until = first.at + options.linger;
        if self.ready.len() < most && now < lingers_until {
            return Err(Some(due.map_or(lingers_until, |due| due.min(lingers_until))));
        }
        let count = self.ready.len().min(most);
        let batch: Vec<Item> = self.ready.drain(..count).collect();
        let until = now + options.lease;
        Ok(batch.into_iter().map(|item| self.hand_out(item, member, until)).collect())
    }

    fn hand_out(&mut self, item: Item, member: u64, until: Instant) -> Delivery {
        let tag = self.number();
        let delivery = Delivery {
            tag: Tag(tag),
            event: item.event.clone(),
            attempt: item.failures.count.saturating_add(1),
            history: item.failures.history.clone(),
            published_at: item.published_at,
        };
        self.leases.insert((until, tag));
        self.held.insert(tag, Held { item, member, until });
        delivery
    }

    fn release(&mut self, tag: u64) -> Option<Item> {
        let held = self.held.remove(&tag)?;
        self.leases.remove(&(held.until, tag));
        Some(held.item)
    }

    /// Takes a delivery back that its owner has settled. `None` for a tag that was settled before, whose lease is over, or whose
    /// partition is another's.
    pub(crate) fn take_back(&mut self, tag: Tag, member: u64, now: Instant) -> Option<Item> {
        let held = self.held.get(&tag.0)?;
        if held.member != member || held.until <= now {
            return None;
        }
        self.release(tag.0)
    }

    /// Notes that an event is settled where it was fetched from.
    pub(crate) fn settle(&mut self, item: &Item) {
        if let Some(owned) = self.owned.get_mut(&item.part).filter(|owned| owned.epoch == item.epoch) {
            owned.track.settle(item.offset);
            owned.changes += 1;
        }
    }

    /// Whether an event still comes from a partition of ours.
    pub(crate) fn is_ours(&self, item: &Item) -> bool {
        self.owned.get(&item.part).is_some_and(|owned| owned.epoch == item.epoch)
    }

    /// Takes what a member holds back into the group: it comes first, and as if it had never been delivered.
    pub(crate) fn hand_back(&mut self, member: u64) {
        let tags = self.held.iter().filter(|(_, held)| held.member == member).map(|(tag, _)| *tag);
        let mut tags: Vec<u64> = tags.collect();
        tags.sort_unstable_by(|one, other| other.cmp(one));
        for tag in tags {
            if let Some(item) = self.release(tag) {
                self.ready.push_front(item);
            }
        }
    }

    /// Takes what was not settled in time.
    pub(crate) fn expired(&mut self, now: Instant) -> Vec<Item> {
        let mut expired = Vec::new();
        while let Some((until, tag)) = self.leases.first().copied()
            && until <= now
        {
            self.leases.pop_first();
            expired.extend(self.held.remove(&tag).map(|held| held.item));
        }
        expired
    }

    /// When the next lease ends.
    pub(crate) fn next_lease(&self) -> Option<Instant> {
        self.leases.first().map(|(until, _)| *until)
    }

    /// What has to be committed.
    pub(crate) fn due(&self) -> Vec<Due> {
        let changed = self.owned.iter().filter(|(_, owned)| owned.changes > owned.committed);
        changed
            .filter_map(|(part, owned)| {
                let (epoch, changes) = (owned.epoch, owned.changes);
                Some(Due { part: *part, progress: owned.track.progress()?, epoch, changes })
            })
            .collect()
    }

    /// Notes what was committed.
    pub(crate) fn committed(&mut self, due: &[Due]) {
        for Due { part, epoch, changes, .. } in due {
            if let Some(owned) = self.owned.get_mut(part).filter(|owned| owned.epoch == *epoch) {
                owned.committed = owned.committed.max(*changes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use ecs_bus::{Headers, Subject};
    use ecs_domain::{EventId, UserId};
    use uuid::Uuid;

    use super::*;

    const PART: Part = (Topic::Subject, 0);

    fn state(events: i64) -> State {
        let mut state = State::default();
        state.own(PART, None);
        for offset in 0..events {
            fetch(&mut state, offset);
        }
        state
    }

    fn fetch(state: &mut State, offset: i64) {
        let epoch = state.arrive(PART, offset).unwrap();
        let event = Event {
            id: EventId::new(Uuid::from_u128(u128::try_from(offset).unwrap())),
            subject: Subject::Emotions,
            key: UserId::new(Uuid::nil()),
            payload: Bytes::new(),
            headers: Headers::current(),
        };
        let published_at = Timestamp::UNIX_EPOCH;
        let (failures, origin, at) = (Failures::default(), (0, offset), Instant::now());
        state.add(Item { event, published_at, failures, origin, part: PART, offset, epoch, at });
    }

    fn options(max_batch: usize) -> SubscribeOptions {
        SubscribeOptions { max_batch, linger: Duration::ZERO, lease: Duration::from_secs(1) }
    }

    fn next(state: &State) -> i64 {
        state.owned[&PART].track.progress().unwrap().next
    }

    #[test]
    fn what_a_member_hands_back_comes_first_and_as_new() {
        let mut state = state(4);
        let now = Instant::now();
        let first = state.take(1, options(3), now).unwrap();
        state.hand_back(1);
        let again = state.take(2, options(9), now).unwrap();
        let ids = |batch: &[Delivery]| batch.iter().map(|delivery| delivery.event.id).collect::<Vec<_>>();
        assert_eq!(ids(&first), ids(&again)[..3]);
        assert!(again.iter().all(|delivery| delivery.attempt == 1));
        assert!(state.take_back(first[0].tag, 1, now).is_none(), "an old tag is void");
        assert!(state.take_back(again[0].tag, 1, now).is_none(), "so is another member's");
        assert!(state.take_back(again[0].tag, 2, now).is_some());
    }

    #[test]
    fn a_lease_ends_on_time() {
        let mut state = state(2);
        let now = Instant::now();
        let batch = state.take(1, options(2), now).unwrap();
        let end = now + Duration::from_secs(1);
        assert_eq!(state.next_lease(), Some(end));
        assert!(state.take_back(batch[0].tag, 1, end).is_none());
        assert!(state.expired(now).is_empty());
        assert_eq!(state.expired(end).len(), 2);
        assert_eq!(state.next_lease(), None);
    }

    #[test]
    fn what_changed_is_committed_once_and_what_changes_meanwhile_again() {
        let mut state = state(3);
        assert!(state.due().is_empty());
        let now = Instant::now();
        let batch = state.take(1, options(3), now).unwrap();
        let settle = |state: &mut State, at: usize| {
            let item = state.take_back(batch[at].tag, 1, now).unwrap();
            state.settle(&item);
        };
        settle(&mut state, 0);
        let due = state.due();
        assert_eq!(due[0].progress.next, 1);
        settle(&mut state, 1);
        state.committed(&due);
        let due = state.due();
        assert_eq!(due[0].progress.next, 2);
        state.committed(&due);
        assert!(state.due().is_empty());
    }

    #[test]
    fn a_partition_that_went_and_came_back_knows_nothing_of_its_former_deliveries() {
        let mut state = state(2);
        let now = Instant::now();
        let batch = state.take(1, options(1), now).unwrap();
        let item = state.take_back(batch[0].tag, 1, now).unwrap();
        state.disown(&[PART]);
        assert_eq!((state.ready(), state.due().len()), (0, 0));
        state.own(PART, Some(Progress::default()));
        fetch(&mut state, 0);
        state.settle(&item);
        assert_eq!(next(&state), 0, "the word about the former delivery doesn't count");
        assert!(!state.is_ours(&item));
    }
}
