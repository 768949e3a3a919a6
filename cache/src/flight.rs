//! Single flight: of many callers who want the same value, one loads and the others wait for it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

/// The loads that are under way, by name.
#[derive(Clone, Default)]
pub(crate) struct Flights {
    shared: Arc<Airport>,
}

struct Airport {
    under_way: Mutex<HashMap<String, watch::Receiver<Landing>>>,
    /// How many flights have ended, of the keys that share a place here.
    landed: Box<[AtomicU64]>,
    hashes: RandomState,
}

/// Keys share places, so that there are so many however many keys there are. Sharing one costs a look in vain.
const PLACES: usize = 4096;

impl Default for Airport {
    fn default() -> Self {
        let landed = (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        Self { under_way: Mutex::default(), landed, hashes: RandomState::new() }
    }
}

impl Airport {
    /// The count of the key that the name of a flight begins with.
    fn landed(&self, name: &str) -> Option<&AtomicU64> {
        let key = name.split_once(OF).map_or(name, |(key, _)| key);
        let hash = self.hashes.hash_one(key);
        self.landed.get(usize::try_from(hash % PLACES as u64).unwrap_or(0))
    }
}

/// What separates a key from the rest of a flight's name.
const OF: char = '@';

/// How a load ended, as its waiters learn it.
#[derive(Debug, Clone)]
pub(crate) enum Landing {
    /// Not yet.
    Pending,
    /// With these bytes.
    Loaded(Bytes),
    /// With an error that can't be shared.
    Failed,
    /// Its loader was dropped or panicked before it knew.
    Abandoned,
}

/// Which part a caller plays.
pub(crate) enum Part {
    /// It loads, and tells the others.
    Lead(Lead),
    /// It waits.
    Follow(Follow),
}

/// The right to load. Dropped without [`Lead::land`], say by a cancelled request, it sets its waiters free to try anew.
pub(crate) struct Lead {
    name: String,
    /// Whether nobody can join any more: the name is free for the next flight.
    closed: bool,
    flights: Flights,
    sender: watch::Sender<Landing>,
}

/// What a landing holds for a follower.
pub(crate) enum Shared<T> {
    /// The value.
    Value(T),
    /// No value that could be shared.
    Nothing,
    /// The loader went away before it knew.
    TryAgain,
}

/// The wait for another's load.
pub(crate) struct Follow(watch::Receiver<Landing>);

impl Flights {
    /// Joins the flight called `name`, or starts it.
    pub(crate) fn join(&self, name: String) -> Part {
        let mut under_way = self.lock();
        if let Some(receiver) = under_way.get(&name) {
            return Part::Follow(Follow(receiver.clone()));
        }
        let (sender, receiver) = watch::channel(Landing::Pending);
        under_way.insert(name.clone(), receiver);
        Part::Lead(Lead { name, closed: false, flights: self.clone(), sender })
    }

    /// How many flights have ended so far, of this key among others. While this stays the same, nobody can have loaded what wasn't found.
    pub(crate) fn landed(&self, key: &str) -> u64 {
        self.shared.landed(key).map_or(0, |landed| landed.load(Ordering::Acquire))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Receiver<Landing>>> {
        // The map is whole after every statement, so a panic elsewhere can't have left it half changed.
        self.shared.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lead {
    /// Lets nobody join from now on. Who comes later starts or joins another flight of this name.
    pub(crate) fn close(&mut self) {
        self.flights.lock().remove(&self.name);
        self.closed = true;
    }

    /// Tells the waiters how it ended.
    pub(crate) fn land(self, landing: Landing) {
        self.sender.send_replace(landing);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        // Counted before the name is free: who leads the next flight of this name sees that one has landed.
        if let Some(landed) = self.flights.shared.landed(&self.name) {
            landed.fetch_add(1, Ordering::AcqRel);
        }
        if !self.closed {
            self.flights.lock().remove(&self.name);
        }
    }
}

impl Landing {
    /// What a load came to. `key` names the value where it can't be cached.
    pub(crate) fn of<T: Serialize, E>(result: &Result<T, E>, key: &str) -> Self {
        let Ok(value) = result else { return Self::Failed };
        match serde_json::to_vec(value) {
            Ok(bytes) => Self::Loaded(Bytes::from(bytes)),
            Err(error) => {
                tracing::debug!(%error, key, "a value can't be cached");
                Self::Failed
            }
        }
    }

    /// What is in it for a follower.
    pub(crate) fn shared<T: DeserializeOwned>(self) -> Shared<T> {
        match self {
            Self::Loaded(bytes) => serde_json::from_slice(&bytes).map_or(Shared::Nothing, Shared::Value),
            Self::Failed => Shared::Nothing,
            Self::Pending | Self::Abandoned => Shared::TryAgain,
        }
    }
}

impl Follow {
    /// Waits for the load to end.
    pub(crate) async fn landing(mut self) -> Landing {
        match self.0.wait_for(|landing| !matches!(landing, Landing::Pending)).await {
            Ok(landing) => landing.clone(),
            Err(_) => Landing::Abandoned,
        }
    }
}
