//! A vault that is gone with its process, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use ecs_domain::{Timestamp, UserId};

use crate::{Kept, Tombstone, Vault, VaultError};

/// Keys and tombstones in memory.
#[derive(Default)]
pub struct Memory(Mutex<State>);

#[derive(Default)]
struct State {
    keys: BTreeMap<UserId, Vec<u8>>,
    tombstones: Vec<Tombstone>,
    named: BTreeMap<String, Vec<u8>>,
}

impl State {
    fn of(&self, user: UserId) -> Kept {
        if self.tombstones.iter().any(|tombstone| tombstone.user == user) {
            return Kept::Tombstone;
        }
        self.keys.get(&user).cloned().map_or(Kept::Nothing, Kept::Key)
    }
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Vault for Memory {
    async fn kept(&self, users: &[UserId]) -> Result<Vec<Kept>, VaultError> {
        let state = self.state();
        Ok(users.iter().map(|user| state.of(*user)).collect())
    }

    async fn keep(&self, user: UserId, wrapped: &[u8]) -> Result<Kept, VaultError> {
        let mut state = self.state();
        if state.of(user) == Kept::Nothing {
            state.keys.insert(user, wrapped.to_vec());
        }
        Ok(state.of(user))
    }

    async fn destroy(&self, user: UserId, now: Timestamp) -> Result<Tombstone, VaultError> {
        let mut state = self.state();
        state.keys.remove(&user);
        if let Some(there) = state.tombstones.iter().find(|tombstone| tombstone.user == user) {
            return Ok(*there);
        }
        let at = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        let tombstone = Tombstone { number: state.tombstones.len() as u64 + 1, user, at };
        state.tombstones.push(tombstone);
        Ok(tombstone)
    }

    async fn tombstones(&self, after: u64, most: usize) -> Result<Vec<Tombstone>, VaultError> {
        let later = |tombstone: &&Tombstone| tombstone.number > after;
        Ok(self.state().tombstones.iter().filter(later).take(most).copied().collect())
    }

    async fn keys(&self, after: Option<UserId>, most: usize) -> Result<Vec<(UserId, Vec<u8>)>, VaultError> {
        let state = self.state();
        let later = state.keys.iter().filter(|(user, _)| after.is_none_or(|after| **user > after));
        Ok(later.take(most).map(|(user, key)| (*user, key.clone())).collect())
    }

    async fn rewrap(&self, user: UserId, from: &[u8], to: &[u8]) -> Result<bool, VaultError> {
        match self.state().keys.get_mut(&user).filter(|kept| *kept == from) {
            Some(kept) => {
                *kept = to.to_vec();
                Ok(true)
            }
            None => Ok(false),
        }
    }

    async fn named(&self, name: &str) -> Result<Option<Vec<u8>>, VaultError> {
        Ok(self.state().named.get(name).cloned())
    }

    async fn keep_named(
        &self,
        name: &str,
        from: Option<&[u8]>,
        wrapped: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let mut state = self.state();
        if state.named.get(name).map(Vec::as_slice) == from {
            state.named.insert(name.to_owned(), wrapped.to_vec());
        }
        Ok(state.named.get(name).cloned().unwrap_or_default())
    }

    async fn all_named(&self) -> Result<Vec<(String, Vec<u8>)>, VaultError> {
        Ok(self.state().named.iter().map(|(name, key)| (name.clone(), key.clone())).collect())
    }

    async fn destroy_named(&self, prefix: &str, before: &str) -> Result<u64, VaultError> {
        let mut state = self.state();
        let there = state.named.len();
        state.named.retain(|name, _| !(name.starts_with(prefix) && name.as_str() < before));
        Ok((there - state.named.len()) as u64)
    }

    async fn ping(&self) -> Result<(), VaultError> {
        Ok(())
    }

    async fn close(&self) -> Result<(), VaultError> {
        Ok(())
    }
}
