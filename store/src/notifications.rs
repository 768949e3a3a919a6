//! What customers were told.

use async_trait::async_trait;
use ecs_domain::notification::Notification;
use ecs_domain::{NotificationId, Timestamp, UserId};

use crate::{PageRequest, StoreError};

/// Notifications, each kept once.
///
/// **A user's numbers are a log that can be followed.** They start at 1, have no gaps behind those that went for their age
/// ([`Aged::Notifications`](crate::Aged)), and become visible in order: whoever
/// has seen number N of a user MUST never afterwards meet a smaller one that was not there before. So a reader needs to
/// remember nothing but the last number it has seen, and misses nothing, whichever instance it asks next.
///
/// An engine with one writer has this for nothing. One whose transactions commit in another order than they took their
/// numbers MUST hold a lock of the user from before the number is taken until its commit (in PostgreSQL `SELECT … FROM
/// users … ORDER BY id FOR NO KEY UPDATE` in the same transaction; sorted, so that two batches can't wait for each other).
/// A sequence of the database won't do: its numbers commit out of order, and a rollback leaves a gap. Reads for a
/// follower MUST go to the primary, or to a replica that has what this follower was told of.
#[async_trait]
pub trait Notifications: Send + Sync + 'static {
    /// Keeps notifications; `result[i]` tells whether `notifications[i]` is new. Each gets the next number of its user.
    /// A notification for an unknown user is kept by nobody and reported as not new. What is new gets a delivery for each enabled
    /// webhook of its user in the same transaction, see [`Webhooks`](crate::Webhooks).
    async fn add_notifications(
        &self,
        notifications: &[Notification],
        now: Timestamp,
    ) -> Result<Vec<bool>, StoreError>;

    /// The user's notifications, newest first.
    async fn notifications(&self, user: UserId, page: PageRequest) -> Result<NotificationPage, StoreError>;

    /// The user's notifications with a number above `sequence`, in rising order and without a gap, at most `limit`.
    async fn notifications_after(
        &self,
        user: UserId,
        sequence: u64,
        limit: usize,
    ) -> Result<Vec<StoredNotification>, StoreError>;

    /// The last number of each user, in one go for all of them: `result[i]` belongs to `users[i]`, and is 0 for a user
    /// who never had notifications and for one that nobody knows.
    async fn last_sequences(&self, users: &[UserId]) -> Result<Vec<u64>, StoreError>;

    /// Marks one notification as read at `now`. What was read before keeps its time. `None` when it isn't this user's.
    async fn mark_notification_read(
        &self,
        user: UserId,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<Option<StoredNotification>, StoreError>;

    /// Marks everything up to and including number `up_to` as read at `now`. What was read before keeps its time.
    async fn mark_notifications_read(
        &self,
        user: UserId,
        up_to: u64,
        now: Timestamp,
    ) -> Result<MarkedRead, StoreError>;
}

/// A notification with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredNotification {
    /// Counts from 1 for each user.
    pub sequence: u64,
    /// When the user read it; `None` until then.
    pub read_at: Option<Timestamp>,
    /// The notification.
    pub notification: Notification,
}

/// A page of notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationPage {
    /// How many there are in all.
    pub total: u64,
    /// How many of them all are unread.
    pub unread: u64,
    /// The page's notifications.
    pub items: Vec<StoredNotification>,
}

/// What marking several as read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkedRead {
    /// How many were unread until now.
    pub marked: u64,
    /// How many of the user's notifications are still unread.
    pub unread: u64,
}
