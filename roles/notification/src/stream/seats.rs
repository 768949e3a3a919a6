//! Who has a stream open at this instance, and up to which number each of their users has notifications.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ecs_domain::UserId;
use ecs_work::Wake;
use tokio::sync::watch;

use super::StreamOptions;

/// The streams of one instance. What the tail finds reaches them as one number per user, which a newer one replaces: however
/// slow a stream is, nothing piles up for it here.
pub(crate) struct Seats {
    max: usize,
    max_of_one: usize,
    state: Mutex<State>,
    wake: Wake,
}

#[derive(Default)]
struct State {
    open: usize,
    /// By the token's user, who holds the connections, and by the user who is followed with them. Customers follow only
    /// themselves; who may follow everybody takes nobody's seats, and isn't kept from the next customer by the last.
    held: HashMap<(UserId, UserId), usize>,
    /// By the user whose notifications are followed.
    followed: HashMap<UserId, Followed>,
}

struct Followed {
    seats: usize,
    last: watch::Sender<u64>,
}

/// Why there is no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// The instance has as many streams as it serves.
    Instance,
    /// The token's user has as many of this customer as one may have.
    Bearer,
}

impl Seats {
    pub(crate) fn new(options: &StreamOptions) -> Self {
        Self {
            max: options.max_streams,
            max_of_one: options.max_streams_of_one,
            state: Mutex::default(),
            wake: Wake::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for `bearer`, who wants to follow `user`. It is free again when it is dropped.
    pub(crate) fn take(self: &Arc<Self>, bearer: UserId, user: UserId) -> Result<Seat, Full> {
        let mut state = self.state();
        if state.open >= self.max {
            return Err(Full::Instance);
        }
        let held = state.held.entry((bearer, user)).or_insert(0);
        if *held >= self.max_of_one {
            return Err(Full::Bearer);
        }
        *held += 1;
        state.open += 1;
        let tail_sleeps = state.followed.is_empty();
        let followed = state.followed.entry(user);
        let followed = followed.or_insert_with(|| Followed { seats: 0, last: watch::Sender::new(0) });
        followed.seats += 1;
        let last = followed.last.subscribe();
        drop(state);
        if tail_sleeps {
            self.wake.wake();
        }
        Ok(Seat { seats: Arc::clone(self), bearer, user, last })
    }

    /// Everybody who is followed.
    pub(crate) fn followed(&self) -> Vec<UserId> {
        self.state().followed.keys().copied().collect()
    }

    /// Tells the streams of `user` that there are notifications up to number `last`.
    pub(crate) fn tell(&self, user: UserId, last: u64) {
        if let Some(followed) = self.state().followed.get(&user) {
            followed.last.send_if_modified(|known| {
                let news = last > *known;
                *known = last.max(*known);
                news
            });
        }
    }

    /// Something new was kept for these users: the tail shall look at once, if any of them is followed here.
    pub(crate) fn kept(&self, mut users: impl Iterator<Item = UserId>) {
        let state = self.state();
        if users.any(|user| state.followed.contains_key(&user)) {
            self.wake.wake();
        }
    }

    /// Waits until there is a reason to look. Cancel safe.
    pub(crate) async fn woken(&self) {
        self.wake.woken().await;
    }

    fn free(&self, bearer: UserId, user: UserId) {
        let mut state = self.state();
        state.open = state.open.saturating_sub(1);
        if let Entry::Occupied(mut held) = state.held.entry((bearer, user)) {
            *held.get_mut() -= 1;
            if *held.get() == 0 {
                held.remove();
            }
        }
        if let Entry::Occupied(mut followed) = state.followed.entry(user) {
            followed.get_mut().seats -= 1;
            if followed.get().seats == 0 {
                followed.remove();
            }
        }
    }
}

/// One open stream's place.
pub(crate) struct Seat {
    seats: Arc<Seats>,
    bearer: UserId,
    user: UserId,
    last: watch::Receiver<u64>,
}

impl Seat {
    /// Whose notifications it is for.
    pub(crate) fn user(&self) -> UserId {
        self.user
    }

    /// Waits until there is a notification behind number `seen`. Cancel safe.
    pub(crate) async fn beyond(&mut self, seen: u64) {
        if self.last.wait_for(|last| *last > seen).await.is_err() {
            // Can't be: the sender stays while the user has a seat.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.free(self.bearer, self.user);
    }
}
