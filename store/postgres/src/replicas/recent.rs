//! Who wrote last, and where in the log: what makes a user find their own writes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use ecs_domain::UserId;

use super::Lsn;

/// Where the last write of each user is noted, so that other processes know of it too.
///
/// Each process keeps its own notes in any case. With these shared as well, a user who writes through one process and reads
/// through another finds the write; without them they may meet a list that is up to `max_replica_lag` old.
#[async_trait]
pub trait RecentWrites: Send + Sync + 'static {
    /// Notes that these users' last writes stand before `lsn`, unless a later place is noted already. May be forgotten
    /// after a minute or more: a replica that is further behind is not read at all.
    async fn note(&self, users: &[UserId], lsn: Lsn) -> Result<(), RecentWritesError>;

    /// What is noted for this user; `None` when nothing is. When it can't be told the read goes to the primary.
    async fn last(&self, user: UserId) -> Result<Option<Lsn>, RecentWritesError>;
}

/// Notes can't be read or written right now.
#[derive(Debug, thiserror::Error)]
#[error("the notes of recent writes are unavailable")]
pub struct RecentWritesError;

/// This process's notes, and the shared ones if there are any.
#[derive(Clone)]
pub(crate) struct Noted {
    own: Arc<Mutex<Notes>>,
    shared: Option<Arc<dyn RecentWrites>>,
}

/// A bounded map from users to places. `floor` speaks for everybody who isn't in it.
struct Notes {
    floor: Lsn,
    of_users: HashMap<UserId, Lsn>,
    most: usize,
}

/// How many users are remembered one by one: some megabytes.
const MOST: usize = 50_000;

impl Noted {
    pub(crate) fn new(shared: Option<Arc<dyn RecentWrites>>) -> Self {
        Self { own: Arc::new(Mutex::new(Notes::new(MOST))), shared }
    }

    /// Notes writes of these users that stand before `lsn`.
    pub(crate) async fn note(&self, users: &[UserId], lsn: Lsn) {
        self.with(|notes| users.iter().for_each(|user| notes.note(*user, lsn)));
        if let Some(shared) = &self.shared
            && let Err(error) = shared.note(users, lsn).await
        {
            tracing::warn!(%error, "other processes may read from replicas what these users wrote over");
        }
    }

    /// How far a replica must be for this user; `None` when that can't be told.
    pub(crate) async fn required(&self, user: UserId) -> Option<Lsn> {
        let own = self.with(|notes| notes.required(user));
        let Some(shared) = &self.shared else { return Some(own) };
        shared.last(user).await.ok().map(|noted| noted.unwrap_or_default().max(own))
    }

    /// Forgets the notes of writes that every replica in use has. Whatever replica is used later must have them too.
    pub(crate) fn passed(&self, lsn: Lsn) {
        self.with(|notes| notes.passed(lsn));
    }

    fn with<T>(&self, work: impl FnOnce(&mut Notes) -> T) -> T {
        work(&mut self.own.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Notes {
    fn new(most: usize) -> Self {
        Self { floor: Lsn::default(), of_users: HashMap::new(), most }
    }

    fn note(&mut self, user: UserId, lsn: Lsn) {
        if self.of_users.len() >= self.most && !self.of_users.contains_key(&user) {
            // Too many to tell apart: from now on everybody needs what the last of them needs.
            let highest = self.of_users.values().copied().max().unwrap_or_default();
            self.passed(highest);
        }
        let noted = self.of_users.entry(user).or_default();
        *noted = lsn.max(*noted);
    }

    fn required(&self, user: UserId) -> Lsn {
        self.of_users.get(&user).copied().unwrap_or_default().max(self.floor)
    }

    fn passed(&mut self, lsn: Lsn) {
        self.floor = self.floor.max(lsn);
        let floor = self.floor;
        self.of_users.retain(|_, noted| *noted > floor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Lsn {
        Lsn { timeline: 1, offset }
    }

    fn user(number: u128) -> UserId {
        UserId::new(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn the_latest_write_counts() {
        let mut notes = Notes::new(10);
        for lsn in [5, 9, 7] {
            notes.note(user(1), at(lsn));
        }
        assert_eq!((notes.required(user(1)), notes.required(user(2))), (at(9), Lsn::default()));
    }

    #[test]
    fn what_every_replica_has_is_forgotten_and_still_required() {
        let mut notes = Notes::new(10);
        notes.note(user(1), at(5));
        notes.note(user(2), at(9));
        notes.passed(at(7));
        assert_eq!(notes.of_users.len(), 1);
        assert_eq!((notes.required(user(1)), notes.required(user(2))), (at(7), at(9)));
        notes.passed(at(3));
        assert_eq!(notes.required(user(1)), at(7), "the floor never sinks");
    }

    #[test]
    fn a_full_map_never_promises_too_much() {
        let mut notes = Notes::new(3);
        for number in 1..=10 {
            notes.note(user(number), at(u64::try_from(number).unwrap()));
            assert!(notes.of_users.len() <= 3);
            for earlier in 1..=number {
                assert!(notes.required(user(earlier)) >= at(u64::try_from(earlier).unwrap()));
            }
        }
    }
}
