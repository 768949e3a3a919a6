//! What customers were told.

use async_trait::async_trait;
use ecs_domain::notification::{Notification, NotificationKind};
use ecs_domain::{NotificationId, OfferId, Timestamp, UserId};
use ecs_store::{NotificationPage, Notifications, PageRequest, StoreError, StoredNotification};
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, Row, params};

use crate::SqliteStore;
use crate::column::{At, Id, IdText, count};
use crate::engine::Fault;

/// Takes the user's next number, and nothing at all for an unknown user or a notification that is there already.
pub(crate) const INSERT: &str =
    "INSERT INTO notifications (id, user_id, sequence, type, title, message, offer_id,
        created_at, stored_at)
     SELECT ?1, u.id, (SELECT coalesce(max(n.sequence), 0) + 1 FROM notifications n WHERE n.user_id = u.id),
        ?3, ?4, ?5, ?6, ?7, ?8
     FROM users u WHERE u.id = ?2
     ON CONFLICT (id) DO NOTHING";
pub(crate) const COUNT: &str = "SELECT count(*) FROM notifications WHERE user_id = ?1";
pub(crate) const PAGE: &str = "SELECT id, user_id, sequence, type, title, message, offer_id, created_at
     FROM notifications WHERE user_id = ?1 ORDER BY sequence DESC LIMIT ?2 OFFSET ?3";

#[async_trait]
impl Notifications for SqliteStore {
    async fn add_notifications(
        &self,
        notifications: &[Notification],
        now: Timestamp,
    ) -> Result<Vec<bool>, StoreError> {
        let owned = notifications.to_vec();
        self.write(move |connection| owned.iter().map(|one| add(connection, one, now)).collect()).await
    }

    async fn notifications(&self, user: UserId, page: PageRequest) -> Result<NotificationPage, StoreError> {
        self.read(move |connection| {
            let user = IdText::new(user.uuid());
            let total = connection.prepare_cached(COUNT)?.query_row([&user], |row| row.get(0))?;
            let skip = i64::from(page.page.saturating_sub(1)) * i64::from(page.page_size);
            let mut statement = connection.prepare_cached(PAGE)?;
            let items = statement.query_map(params![user, page.page_size, skip], read)?;
            Ok(NotificationPage { total: count(total), items: items.collect::<Result<_, _>>()? })
        })
        .await
    }
}

fn add(connection: &Connection, notification: &Notification, now: Timestamp) -> Result<bool, Fault> {
    let inserted = connection.prepare_cached(INSERT)?.execute(params![
        IdText::new(notification.id.uuid()),
        IdText::new(notification.user.uuid()),
        notification.kind.as_str(),
        notification.title,
        notification.message,
        IdText::new(notification.offer.uuid()),
        At(notification.created_at),
        At(now),
    ])?;
    Ok(inserted == 1)
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredNotification> {
    let kind: String = row.get("type")?;
    Ok(StoredNotification {
        sequence: count(row.get("sequence")?),
        notification: Notification {
            id: NotificationId::new(row.get::<_, Id>("id")?.0),
            user: UserId::new(row.get::<_, Id>("user_id")?.0),
            kind: NotificationKind::parse(&kind).ok_or(FromSqlError::InvalidType)?,
            title: row.get("title")?,
            message: row.get("message")?,
            offer: OfferId::new(row.get::<_, Id>("offer_id")?.0),
            created_at: row.get::<_, At>("created_at")?.0,
        },
    })
}
