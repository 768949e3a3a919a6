//! What is done with a batch of notifications.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use ecs_bus::payload::NotificationPayload;
use ecs_bus::{Delivery, Outcome};
use ecs_domain::notification::Notification;
use ecs_domain::{Clock, UserId};
use ecs_store::{Notifications, StoreError, Users};
use ecs_work::{Decoded, Failure, Handler, Wake, decoded};

use crate::Deps;
use crate::stream::Seats;

/// Decodes and keeps.
pub(crate) struct Keep {
    seats: Arc<Seats>,
    notifications: Arc<dyn Notifications>,
    users: Arc<dyn Users>,
    clock: Arc<dyn Clock>,
    /// Wakes whoever sends to webhooks.
    webhooks: Wake,
}

impl Keep {
    pub(crate) fn new(deps: &Deps, seats: Arc<Seats>, webhooks: Wake) -> Self {
        Self {
            seats,
            notifications: Arc::clone(&deps.store) as Arc<dyn Notifications>,
            users: Arc::clone(&deps.store) as Arc<dyn Users>,
            clock: Arc::clone(&deps.clock),
            webhooks,
        }
    }

    /// What isn't new is a repetition, or its user is unknown; which of the two is looked up, for it is rare.
    async fn strangers(&self, items: &[Notification], new: &[bool]) -> Result<BTreeSet<UserId>, StoreError> {
        let not_new = items.iter().zip(new).filter(|(_, new)| !**new);
        let mut strangers: BTreeSet<UserId> = not_new.map(|(notification, _)| notification.user).collect();
        for user in strangers.clone() {
            if self.users.user(user).await?.is_some() {
                strangers.remove(&user);
            }
        }
        Ok(strangers)
    }
}

#[async_trait]
impl Handler for Keep {
    async fn handle(&self, batch: &[Delivery]) -> Result<Vec<Outcome>, Failure> {
        let decoded = Decoded::of(batch, NotificationPayload::decode);
        if decoded.items().is_empty() {
            return Ok(decoded.outcomes([]));
        }
        let new = self.notifications.add_notifications(decoded.items(), self.clock.now()).await?;
        let told = decoded.items().iter().zip(&new).filter(|(_, new)| **new);
        self.seats.kept(told.map(|(notification, _)| notification.user));
        self.webhooks.wake();
        let strangers = self.strangers(decoded.items(), &new).await?;
        let outcome = |notification: &Notification| {
            if strangers.contains(&notification.user) { decoded::unknown_user() } else { Outcome::Ack }
        };
        let outcomes: Vec<Outcome> = decoded.items().iter().map(outcome).collect();
        Ok(decoded.outcomes(outcomes))
    }
}
