//! Single flight: of many callers who want the same value, one loads and the others wait for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

/// The loads that are under way, by name.
#[derive(Clone, Default)]
pub(crate) struct Flights {
    under_way: Arc<Mutex<HashMap<String, watch::Receiver<Landing>>>>,
}

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
    flights: Flights,
    sender: watch::Sender<Landing>,
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
        Part::Lead(Lead { name, flights: self.clone(), sender })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Receiver<Landing>>> {
        // The map is whole after every statement, so a panic elsewhere can't have left it half changed.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lead {
    /// Tells the waiters how it ended.
    pub(crate) fn land(self, landing: Landing) {
        self.sender.send_replace(landing);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.name);
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
