//! What customers were told.

use async_trait::async_trait;
use ecs_domain::notification::Notification;
use ecs_domain::{Timestamp, UserId};

use crate::{PageRequest, StoreError};

/// Notifications, each kept once.
#[async_trait]
pub trait Notifications: Send + Sync + 'static {
    /// Keeps notifications; `result[i]` tells whether `notifications[i]` is new. Each gets the next number of its user.
    /// A notification for an unknown user is kept by nobody and reported as not new.
    async fn add_notifications(
        &self,
        notifications: &[Notification],
        now: Timestamp,
    ) -> Result<Vec<bool>, StoreError>;

    /// The user's notifications, newest first.
    async fn notifications(&self, user: UserId, page: PageRequest) -> Result<NotificationPage, StoreError>;
}

/// A notification with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredNotification {
    /// Counts from 1 for each user.
    pub sequence: u64,
    /// The notification.
    pub notification: Notification,
}

/// A page of notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationPage {
    /// How many there are in all.
    pub total: u64,
    /// The page's notifications.
    pub items: Vec<StoredNotification>,
}
