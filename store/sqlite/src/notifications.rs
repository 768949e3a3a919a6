//! What customers were told.

use async_trait::async_trait;
use ecs_domain::notification::{About, Notification, NotificationKind};
use ecs_domain::{DecisionId, NotificationId, OfferId, Timestamp, UserId};
use ecs_store::{MarkedRead, NotificationPage, Notifications, PageRequest, StoreError, StoredNotification};
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::SqliteStore;
use crate::column::{At, Id, IdText, count, limit as at_most};
use crate::engine::Fault;
use crate::webhooks;

/// Takes the user's next number, and nothing at all for an unknown user or a notification that is there already.
pub(crate) const INSERT: &str =
    "INSERT INTO notifications (id, user_id, sequence, type, title, message, offer_id,
        decision_id, created_at, stored_at)
     SELECT ?1, u.id, (SELECT coalesce(max(n.sequence), u.notifications_gone) + 1 FROM notifications n WHERE n.user_id = u.id),
        ?3, ?4, ?5, ?6, ?7, ?8, ?9
     FROM users u WHERE u.id = ?2
     ON CONFLICT (id) DO NOTHING";
pub(crate) const COUNT: &str = "SELECT count(*) FROM notifications WHERE user_id = ?1";
pub(crate) const UNREAD: &str = "SELECT count(*) FROM notifications WHERE user_id = ?1 AND read_at IS NULL";
pub(crate) const PAGE: &str =
    "SELECT id, user_id, sequence, read_at, type, title, message, offer_id, decision_id, created_at
     FROM notifications WHERE user_id = ?1 ORDER BY sequence DESC LIMIT ?2 OFFSET ?3";
pub(crate) const AFTER: &str =
    "SELECT id, user_id, sequence, read_at, type, title, message, offer_id, decision_id, created_at
     FROM notifications WHERE user_id = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3";
pub(crate) const BY_ID: &str =
    "SELECT id, user_id, sequence, read_at, type, title, message, offer_id, decision_id, created_at
     FROM notifications WHERE id = ?1";
pub(crate) const LAST: &str = "SELECT coalesce((SELECT max(sequence) FROM notifications WHERE user_id = ?1),
        (SELECT notifications_gone FROM users WHERE id = ?1), 0)";
pub(crate) const MARK_ONE: &str = "UPDATE notifications SET read_at = coalesce(read_at, ?3)
     WHERE id = ?1 AND user_id = ?2
     RETURNING id, user_id, sequence, read_at, type, title, message, offer_id, decision_id, created_at";
pub(crate) const MARK_UP_TO: &str = "UPDATE notifications SET read_at = ?3
     WHERE user_id = ?1 AND sequence <= ?2 AND read_at IS NULL";

#[async_trait]
impl Notifications for SqliteStore {
    async fn add_notifications(
        &self,
        notifications: &[Notification],
        now: Timestamp,
    ) -> Result<Vec<bool>, StoreError> {
        let owned = notifications.to_vec();
        self.write("notifications.add", move |connection| {
            owned.iter().map(|one| add(connection, one, now)).collect()
        })
        .await
    }

    async fn notifications(&self, user: UserId, page: PageRequest) -> Result<NotificationPage, StoreError> {
        self.read("notifications.page", move |connection| {
            let user = IdText::new(user.uuid());
            let total = connection.prepare_cached(COUNT)?.query_row([&user], |row| row.get(0))?;
            let unread = unread(connection, &user)?;
            let skip = i64::from(page.page.saturating_sub(1)) * i64::from(page.page_size);
            let mut statement = connection.prepare_cached(PAGE)?;
            let items = statement.query_map(params![user, page.page_size, skip], read)?;
            Ok(NotificationPage { total: count(total), unread, items: items.collect::<Result<_, _>>()? })
        })
        .await
    }

    async fn notifications_after(
        &self,
        user: UserId,
        sequence: u64,
        limit: usize,
    ) -> Result<Vec<StoredNotification>, StoreError> {
        self.read("notifications.after", move |connection| {
            let mut statement = connection.prepare_cached(AFTER)?;
            let after = column(sequence);
            let items =
                statement.query_map(params![IdText::new(user.uuid()), after, at_most(limit)], read)?;
            Ok(items.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// One snapshot and one statement, run once per user: each run is one step down the index.
    async fn last_sequences(&self, users: &[UserId]) -> Result<Vec<u64>, StoreError> {
        let users = users.to_vec();
        self.read("notifications.last", move |connection| {
            let mut statement = connection.prepare_cached(LAST)?;
            let mut last = |user: &UserId| statement.query_row([IdText::new(user.uuid())], |row| row.get(0));
            let found = users.iter().map(|user| Ok(count(last(user)?)));
            found.collect()
        })
        .await
    }

    async fn mark_notification_read(
        &self,
        user: UserId,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<Option<StoredNotification>, StoreError> {
        self.write("notifications.mark_one", move |connection| {
            let mut statement = connection.prepare_cached(MARK_ONE)?;
            let keys = params![IdText::new(id.uuid()), IdText::new(user.uuid()), At(now)];
            Ok(statement.query_row(keys, read).optional()?)
        })
        .await
    }

    async fn mark_notifications_read(
        &self,
        user: UserId,
        up_to: u64,
        now: Timestamp,
    ) -> Result<MarkedRead, StoreError> {
        self.write("notifications.mark_up_to", move |connection| {
            let user = IdText::new(user.uuid());
            let marked =
                connection.prepare_cached(MARK_UP_TO)?.execute(params![user, column(up_to), At(now)])?;
            Ok(MarkedRead { marked: marked as u64, unread: unread(connection, &user)? })
        })
        .await
    }
}

fn unread(connection: &Connection, user: &IdText) -> rusqlite::Result<u64> {
    connection.prepare_cached(UNREAD)?.query_row([user], |row| row.get(0)).map(count)
}

/// A number that a client made up may be larger than any column's.
fn column(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}

fn add(connection: &Connection, notification: &Notification, now: Timestamp) -> Result<bool, Fault> {
    let about = notification.about;
    let inserted = connection.prepare_cached(INSERT)?.execute(params![
        IdText::new(notification.id.uuid()),
        IdText::new(notification.user.uuid()),
        about.kind().as_str(),
        notification.title,
        notification.message,
        about.offer().map(|offer| IdText::new(offer.uuid())),
        about.decision().map(|decision| IdText::new(decision.uuid())),
        At(notification.created_at),
        At(now),
    ])?;
    if inserted == 1 {
        webhooks::make(connection, notification.user, notification.id, now)?;
    }
    Ok(inserted == 1)
}

/// The notification with this id, whoever's it is.
pub(crate) fn by_id(connection: &Connection, id: &IdText) -> Result<Option<Notification>, Fault> {
    let found = connection.prepare_cached(BY_ID)?.query_row([id], read).optional()?;
    Ok(found.map(|stored| stored.notification))
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredNotification> {
    let kind: String = row.get("type")?;
    let kind = NotificationKind::parse(&kind).ok_or(FromSqlError::InvalidType)?;
    let offer = row.get::<_, Option<Id>>("offer_id")?.map(|id| OfferId::new(id.0));
    let decision = row.get::<_, Option<Id>>("decision_id")?.map(|id| DecisionId::new(id.0));
    Ok(StoredNotification {
        sequence: count(row.get("sequence")?),
        read_at: row.get::<_, Option<At>>("read_at")?.map(|at| at.0),
        notification: Notification {
            id: NotificationId::new(row.get::<_, Id>("id")?.0),
            user: UserId::new(row.get::<_, Id>("user_id")?.0),
            about: About::of(kind, offer, decision).ok_or(FromSqlError::InvalidType)?,
            title: row.get("title")?,
            message: row.get("message")?,
            created_at: row.get::<_, At>("created_at")?.0,
        },
    })
}
