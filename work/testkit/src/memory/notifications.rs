//! Notifications in memory.

use std::sync::Mutex;

use async_trait::async_trait;
use ecs_domain::notification::Notification;
use ecs_domain::{NotificationId, Timestamp, UserId};
use ecs_store::{MarkedRead, NotificationPage, Notifications, PageRequest, StoreError, StoredNotification};

/// Notifications of all users. It knows no users, so it keeps what is for anybody.
#[derive(Default)]
pub struct MemoryNotifications {
    /// What was kept, oldest first.
    pub kept: Mutex<Vec<StoredNotification>>,
    /// How many of the next reads fail.
    pub failures: Mutex<u32>,
    /// How many pages were asked for by those who follow.
    pub pages: Mutex<u32>,
    /// How many users each question for last numbers was about, oldest first.
    pub polls: Mutex<Vec<usize>>,
}

impl MemoryNotifications {
    fn fail(&self) -> Result<(), StoreError> {
        let mut failures = self.failures.lock().unwrap();
        if *failures == 0 {
            return Ok(());
        }
        *failures -= 1;
        Err(StoreError::Unavailable("a test's refusal".to_owned()))
    }

    fn of(&self, user: UserId) -> Vec<StoredNotification> {
        let kept = self.kept.lock().unwrap();
        kept.iter().filter(|item| item.notification.user == user).cloned().collect()
    }

    /// Marks those of `user` that `which` says.
    fn mark(
        &self,
        user: UserId,
        now: Timestamp,
        which: impl Fn(&StoredNotification) -> bool,
    ) -> Vec<StoredNotification> {
        let mut kept = self.kept.lock().unwrap();
        let items = kept.iter_mut().filter(|item| item.notification.user == user && which(item));
        items
            .map(|item| {
                item.read_at.get_or_insert(now);
                item.clone()
            })
            .collect()
    }
}

#[async_trait]
impl Notifications for MemoryNotifications {
    async fn add_notifications(
        &self,
        notifications: &[Notification],
        _: Timestamp,
    ) -> Result<Vec<bool>, StoreError> {
        let mut kept = self.kept.lock().unwrap();
        let mut add = |notification: &Notification| {
            let of_user = kept.iter().filter(|item| item.notification.user == notification.user);
            let sequence = of_user.count() as u64 + 1;
            if kept.iter().any(|item| item.notification.id == notification.id) {
                return false;
            }
            kept.push(StoredNotification { sequence, read_at: None, notification: notification.clone() });
            true
        };
        Ok(notifications.iter().map(&mut add).collect())
    }

    async fn notifications(&self, user: UserId, page: PageRequest) -> Result<NotificationPage, StoreError> {
        self.fail()?;
        let all = self.of(user);
        let unread = all.iter().filter(|item| item.read_at.is_none()).count() as u64;
        let (size, skip) = (page.page_size as usize, (page.page as usize - 1) * page.page_size as usize);
        let items = all.iter().rev().skip(skip).take(size).cloned().collect();
        Ok(NotificationPage { total: all.len() as u64, unread, items })
    }

    async fn notifications_after(
        &self,
        user: UserId,
        sequence: u64,
        limit: usize,
    ) -> Result<Vec<StoredNotification>, StoreError> {
        self.fail()?;
        *self.pages.lock().unwrap() += 1;
        let all = self.of(user).into_iter();
        Ok(all.filter(|item| item.sequence > sequence).take(limit).collect())
    }

    async fn last_sequences(&self, users: &[UserId]) -> Result<Vec<u64>, StoreError> {
        self.fail()?;
        self.polls.lock().unwrap().push(users.len());
        Ok(users.iter().map(|user| self.of(*user).len() as u64).collect())
    }

    async fn mark_notification_read(
        &self,
        user: UserId,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<Option<StoredNotification>, StoreError> {
        Ok(self.mark(user, now, |item| item.notification.id == id).pop())
    }

    async fn mark_notifications_read(
        &self,
        user: UserId,
        up_to: u64,
        now: Timestamp,
    ) -> Result<MarkedRead, StoreError> {
        let marked = self.mark(user, now, |item| item.read_at.is_none() && item.sequence <= up_to);
        let unread = self.of(user).iter().filter(|item| item.read_at.is_none()).count() as u64;
        Ok(MarkedRead { marked: marked.len() as u64, unread })
    }
}
