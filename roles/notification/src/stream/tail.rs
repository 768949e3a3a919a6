//! Looks for new rows, once for all streams of this instance.

use std::sync::Arc;
use std::time::Duration;

use ecs_domain::UserId;
use ecs_store::{Notifications, StoreError};
use ecs_work::BackOff;
use tokio_util::sync::CancellationToken;

use super::Seats;

/// Asks the store for the last number of everybody who is followed, and tells their streams.
pub(crate) struct Tail {
    store: Arc<dyn Notifications>,
    seats: Arc<Seats>,
    poll: Duration,
}

impl Tail {
    pub(crate) fn new(store: Arc<dyn Notifications>, seats: Arc<Seats>, poll: Duration) -> Self {
        Self { store, seats, poll }
    }

    /// Looks until `token` is cancelled. It has nothing in hand that could be lost.
    pub(crate) async fn run(self, token: CancellationToken) {
        tokio::select! {
            biased;
            () = token.cancelled() => {}
            () = self.follow() => {}
        }
    }

    /// Every so often while anybody is followed, at once when woken, and not at all while nobody is. While the store is away
    /// it is asked ever less often, and the streams wait.
    async fn follow(&self) {
        let mut troubles = 0;
        loop {
            let users = self.seats.followed();
            if users.is_empty() {
                self.seats.woken().await;
                continue;
            }
            match self.look(&users).await {
                Ok(()) => {
                    troubles = 0;
                    // Running out of time is as good a reason to look as being woken.
                    let _ = tokio::time::timeout(self.poll, self.seats.woken()).await;
                }
                Err(error) => {
                    troubles += 1;
                    tracing::warn!(troubles, users = users.len(), %error, "streams of notifications wait");
                    tokio::time::sleep(BackOff::OUTAGE.delay(troubles, 0)).await;
                }
            }
        }
    }

    async fn look(&self, users: &[UserId]) -> Result<(), StoreError> {
        let last = self.store.last_sequences(users).await?;
        for (user, last) in users.iter().zip(last) {
            self.seats.tell(*user, last);
        }
        Ok(())
    }
}
