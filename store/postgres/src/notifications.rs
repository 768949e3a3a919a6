//! What customers were told.

use std::collections::HashSet;

use async_trait::async_trait;
use ecs_domain::notification::{About, Notification, NotificationKind};
use ecs_domain::{DecisionId, NotificationId, OfferId, Timestamp, UserId};
use ecs_store::{MarkedRead, NotificationPage, Notifications, PageRequest, StoreError, StoredNotification};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::column::{count, get, limit as at_most, micros, signed, unsigned};
use crate::engine::{Call, Fault, Param, Session};
use crate::users;

/// Numbers what is new behind each user's last, in the order in which it came. The users are locked by now, so nobody else
/// takes numbers of theirs, and what earlier holders of the locks committed is seen. No `ON CONFLICT`: it would leave a
/// gap; whatever is in the way is an error after which all of it is done again. What is new gets a delivery for each enabled webhook
/// of its user, which for most users is one step down an index.
pub(crate) const INSERT: &str = "WITH new AS (
     INSERT INTO notifications (id, user_id, sequence, type, title, message, offer_id, decision_id, created_at, stored_at)
     SELECT f.id, f.user_id,
        coalesce((SELECT max(n.sequence) FROM notifications n WHERE n.user_id = f.user_id),
            (SELECT u.notifications_gone FROM users u WHERE u.id = f.user_id))
            + row_number() OVER (PARTITION BY f.user_id ORDER BY f.place),
        f.type, f.title, f.message, f.offer_id, f.decision_id, f.created_at, $9::timestamptz
     FROM (SELECT DISTINCT ON (i.id) i.*
           FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::uuid[],
                $8::timestamptz[]) WITH ORDINALITY
                AS i (id, user_id, type, title, message, offer_id, decision_id, created_at, place)
           WHERE EXISTS (SELECT FROM users u WHERE u.id = i.user_id)
                AND NOT EXISTS (SELECT FROM notifications n WHERE n.id = i.id)
           ORDER BY i.id, i.place) f
     RETURNING id, user_id),
     deliveries AS (
     INSERT INTO webhook_deliveries (webhook_id, notification_id, host, next_attempt_at, created_at)
     SELECT w.id, n.id, w.host, $9::timestamptz, $9::timestamptz
     FROM new n JOIN webhooks w ON w.user_id = n.user_id WHERE w.disabled_at IS NULL)
     SELECT id FROM new";
/// Total, unread and page of one moment. Behind the last page the counts stand alone.
pub(crate) const PAGE: &str = "SELECT c.total, c.unread, p.* FROM
        (SELECT (SELECT count(*) FROM notifications WHERE user_id = $1) AS total,
            (SELECT count(*) FROM notifications WHERE user_id = $1 AND read_at IS NULL) AS unread) c
        LEFT JOIN LATERAL
        (SELECT id, user_id, sequence, read_at, type, title, message, offer_id, decision_id, created_at
         FROM notifications WHERE user_id = $1 ORDER BY sequence DESC LIMIT $2 OFFSET $3) p ON true
     ORDER BY p.sequence DESC";
pub(crate) const AFTER: &str =
    "SELECT id, user_id, sequence, read_at, type, title, message, offer_id, decision_id, created_at
     FROM notifications WHERE user_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";
pub(crate) const BY_IDS: &str =
    "SELECT id, user_id, sequence, read_at, type, title, message, offer_id, decision_id, created_at
     FROM notifications WHERE id = ANY ($1)";
/// One step down the index for each user.
pub(crate) const LAST: &str =
    "SELECT coalesce((SELECT max(sequence) FROM notifications n WHERE n.user_id = i.user_id),
        (SELECT u.notifications_gone FROM users u WHERE u.id = i.user_id), 0) AS last
     FROM unnest($1::uuid[]) WITH ORDINALITY AS i (user_id, place) ORDER BY i.place";
pub(crate) const MARK_ONE: &str = "UPDATE notifications SET read_at = coalesce(read_at, $3)
     WHERE id = $1 AND user_id = $2
     RETURNING id, user_id, sequence, read_at, type, title, message, offer_id, decision_id, created_at";
pub(crate) const MARK_UP_TO: &str = "UPDATE notifications SET read_at = $3
     WHERE user_id = $1 AND sequence <= $2 AND read_at IS NULL";
pub(crate) const UNREAD: &str = "SELECT count(*) FROM notifications WHERE user_id = $1 AND read_at IS NULL";

#[async_trait]
impl Notifications for PostgresStore {
    async fn add_notifications(
        &self,
        notifications: &[Notification],
        now: Timestamp,
    ) -> Result<Vec<bool>, StoreError> {
        if notifications.is_empty() {
            return Ok(Vec::new());
        }
        let columns = &Columns::new(notifications, now);
        let about: Vec<_> = notifications.iter().map(|one| one.user).collect();
        let mut new = self
            .primary
            .run(Call::quick("notifications.add").about(&about), |session| async move {
                add(&session, columns).await
            })
            .await?;
        // The first of several with one id is the one that was kept.
        Ok(columns.ids.iter().map(|id| new.remove(id)).collect())
    }

    async fn notifications(&self, user: UserId, page: PageRequest) -> Result<NotificationPage, StoreError> {
        self.read_about(user, "notifications.page", |session| async move {
            self::page(&session, user, page).await
        })
        .await
    }

    async fn notifications_after(
        &self,
        user: UserId,
        sequence: u64,
        limit: usize,
    ) -> Result<Vec<StoredNotification>, StoreError> {
        let (user, after, most) = (&user.uuid(), &signed(sequence), &at_most(limit));
        self.primary
            .run(Call::quick("notifications.after"), |session| async move {
                session.query(AFTER, &[user, after, most]).await?.rows.iter().map(read).collect()
            })
            .await
    }

    async fn last_sequences(&self, users: &[UserId]) -> Result<Vec<u64>, StoreError> {
        let users: &Vec<Uuid> = &users.iter().map(|user| user.uuid()).collect();
        self.primary
            .run(Call::quick("notifications.last"), |session| async move {
                session.query(LAST, &[users]).await?.rows.iter().map(|row| count(row, "last")).collect()
            })
            .await
    }

    async fn mark_notification_read(
        &self,
        user: UserId,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<Option<StoredNotification>, StoreError> {
        let (about, user, id, now) = ([user], &user.uuid(), &id.uuid(), &micros(now));
        self.primary
            .run(Call::quick("notifications.mark_one").about(&about), |session| async move {
                session.query(MARK_ONE, &[id, user, now]).await?.first().map(read).transpose()
            })
            .await
    }

    async fn mark_notifications_read(
        &self,
        user: UserId,
        up_to: u64,
        now: Timestamp,
    ) -> Result<MarkedRead, StoreError> {
        let (about, user, up_to, now) = ([user], &user.uuid(), &signed(up_to), &micros(now));
        self.primary
            .run(Call::quick("notifications.mark_up_to").about(&about), |session| async move {
                let mut flight = session.flight();
                flight.begin();
                let mark = flight.add(MARK_UP_TO, &[user, up_to, now]);
                let unread = flight.add(UNREAD, &[user]);
                flight.commit();
                let mut answers = flight.send().await?;
                let unread = answers.take(unread).only().map(unsigned)?;
                Ok(MarkedRead { marked: answers.take(mark).changed, unread })
            })
            .await
    }
}

/// Notifications as the columns of new rows.
struct Columns {
    ids: Vec<Uuid>,
    users: Vec<Uuid>,
    kinds: Vec<&'static str>,
    titles: Vec<String>,
    messages: Vec<String>,
    offers: Vec<Option<Uuid>>,
    decisions: Vec<Option<Uuid>>,
    created: Vec<Timestamp>,
    now: Timestamp,
}

impl Columns {
    fn new(all: &[Notification], now: Timestamp) -> Self {
        Self {
            ids: all.iter().map(|one| one.id.uuid()).collect(),
            users: all.iter().map(|one| one.user.uuid()).collect(),
            kinds: all.iter().map(|one| one.about.kind().as_str()).collect(),
            titles: all.iter().map(|one| one.title.clone()).collect(),
            messages: all.iter().map(|one| one.message.clone()).collect(),
            offers: all.iter().map(|one| one.about.offer().map(OfferId::uuid)).collect(),
            decisions: all.iter().map(|one| one.about.decision().map(DecisionId::uuid)).collect(),
            created: all.iter().map(|one| micros(one.created_at)).collect(),
            now: micros(now),
        }
    }
}

/// Keeps what is new, and returns the ids of that. The locks are taken in the order of the users' ids, so two batches don't
/// wait for each other, and held until the numbers are visible.
async fn add(session: &Session, new: &Columns) -> Result<HashSet<Uuid>, Fault> {
    let mut flight = session.flight();
    flight.begin();
    flight.add(users::LOCK_ALL, &[&new.users]);
    let columns: [Param<'_>; 9] = [
        &new.ids,
        &new.users,
        &new.kinds,
        &new.titles,
        &new.messages,
        &new.offers,
        &new.decisions,
        &new.created,
        &new.now,
    ];
    let insert = flight.add(INSERT, &columns);
    flight.commit();
    let kept = flight.send().await.map(|mut answers| answers.take(insert));
    match kept {
        Ok(kept) => kept.rows.iter().map(|row| get(row, "id")).collect(),
        // The same notification, kept for another user while we looked.
        Err(fault) if fault.unique_rule().is_some() => Err(Fault::Conflict),
        Err(fault) => Err(fault),
    }
}

async fn page(session: &Session, user: UserId, page: PageRequest) -> Result<NotificationPage, Fault> {
    let skip = i64::from(page.page.saturating_sub(1)) * i64::from(page.page_size);
    let (user, size) = (user.uuid(), i64::from(page.page_size));
    let found = session.query(PAGE, &[&user, &size, &skip]).await?;
    let counted = |column| found.first().map_or(Ok(0), |row| count(row, column));
    let (total, unread) = (counted("total")?, counted("unread")?);
    let mut items = Vec::with_capacity(found.rows.len());
    for row in &found.rows {
        if get::<_, Option<Uuid>>(row, "id")?.is_some() {
            items.push(read(row)?);
        }
    }
    Ok(NotificationPage { total, unread, items })
}

/// A notification without its place.
pub(crate) fn read_one(row: &Row) -> Result<Notification, Fault> {
    read(row).map(|stored| stored.notification)
}

fn read(row: &Row) -> Result<StoredNotification, Fault> {
    let kind = NotificationKind::parse(get(row, "type")?);
    let offer = get::<_, Option<Uuid>>(row, "offer_id")?.map(OfferId::new);
    let decision = get::<_, Option<Uuid>>(row, "decision_id")?.map(DecisionId::new);
    let about = kind.and_then(|kind| About::of(kind, offer, decision));
    let unknown = || StoreError::Corrupt("a notification's type is unknown, or what it speaks of".to_owned());
    Ok(StoredNotification {
        sequence: count(row, "sequence")?,
        read_at: get(row, "read_at")?,
        notification: Notification {
            id: NotificationId::new(get(row, "id")?),
            user: UserId::new(get(row, "user_id")?),
            about: about.ok_or_else(unknown)?,
            title: get(row, "title")?,
            message: get(row, "message")?,
            created_at: get(row, "created_at")?,
        },
    })
}
