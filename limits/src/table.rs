//! A table of fixed size, of what keys owe.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Key;

/// What a table keeps of a key.
pub trait Debt: Copy + Default {
    /// From when on it is as if nothing were known of the key.
    fn until(&self) -> u64;

    /// A newcomer's, that owes until then.
    fn inherited(until: u64) -> Self;
}

/// Shards of so many places each. A key belongs to one shard, is looked for place by place, and only its shard's lock is
/// taken: with some dozens of places that is cheaper than hashing, and finds who owes least in the same pass.
pub struct Table<D> {
    shards: Box<[Mutex<Vec<Place<D>>>]>,
    places: usize,
}

#[derive(Clone, Copy)]
struct Place<D> {
    key: Key,
    debt: D,
}

impl<D: Debt> Table<D> {
    /// An empty one, of at least one shard and one place.
    #[must_use]
    pub fn new(shards: usize, places: usize) -> Self {
        let shards = (0..shards.max(1)).map(|_| Mutex::new(Vec::new())).collect();
        Self { shards, places: places.max(1) }
    }

    /// Does something with what the key owes at `now`. An unknown key gets a place of its own: an empty one, that of a key
    /// that owes nothing any more, or that of the key that owes least, with its debt, of which no more is inherited than
    /// until `most`.
    pub fn of<T>(&self, key: &Key, now: u64, most: u64, work: impl FnOnce(&mut D) -> T) -> T {
        let mut shard = self.shard(key);
        let mut least: Option<(usize, u64)> = None;
        for (at, place) in shard.iter_mut().enumerate() {
            if place.key == *key {
                return work(&mut place.debt);
            }
            let until = place.debt.until();
            if least.is_none_or(|(_, least)| until < least) {
                least = Some((at, until));
            }
        }
        let mut place = Place { key: *key, debt: D::default() };
        let full = shard.len() >= self.places;
        match least {
            Some((at, until)) if full || until <= now => {
                if until > now {
                    place.debt = D::inherited(until.min(most));
                }
                let done = work(&mut place.debt);
                if let Some(taken) = shard.get_mut(at) {
                    *taken = place;
                }
                done
            }
            Some(_) | None => {
                let done = work(&mut place.debt);
                shard.push(place);
                done
            }
        }
    }

    /// Does something with what a known key owes.
    pub fn known<T>(&self, key: &Key, work: impl FnOnce(&mut D) -> T) -> Option<T> {
        let mut shard = self.shard(key);
        shard.iter_mut().find(|place| place.key == *key).map(|place| work(&mut place.debt))
    }

    /// How many keys it holds now, those included that owe nothing any more.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Whether it has never held any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Vec<Place<D>>> {
        lock(&self.shards[key.shard(self.shards.len())])
    }
}

/// Places are whole after every statement, so a panic elsewhere can't have left one half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
