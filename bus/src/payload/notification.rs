//! `user.notifications`.

use ecs_domain::notification::{Notification, NotificationKind};
use ecs_domain::{EventId, NotificationId, OfferId, UserId};
use serde::{Deserialize, Serialize};

use super::{PayloadError, WireTime, malformed, read, write};
use crate::{Event, Headers, Subject};

/// `{notificationId, userId, type, title, message, offerId, createdAt}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotificationPayload {
    notification_id: NotificationId,
    user_id: UserId,
    #[serde(rename = "type")]
    kind: String,
    title: String,
    message: String,
    offer_id: OfferId,
    created_at: WireTime,
}

impl NotificationPayload {
    /// The bus event that carries a notification; the notification's id serves as the event's.
    #[must_use]
    pub fn event(notification: &Notification, headers: Headers) -> Event {
        let payload = write(&Self {
            notification_id: notification.id,
            user_id: notification.user,
            kind: notification.kind.as_str().to_owned(),
            title: notification.title.clone(),
            message: notification.message.clone(),
            offer_id: notification.offer,
            created_at: notification.created_at,
        });
        let id = EventId::new(notification.id.uuid());
        Event { id, subject: Subject::Notifications, key: notification.user, payload, headers }
    }

    /// The notification that a bus event carries.
    pub fn decode(event: &Event) -> Result<Notification, PayloadError> {
        let payload: Self = read(event)?;
        Ok(Notification {
            id: payload.notification_id,
            user: payload.user_id,
            kind: NotificationKind::parse(&payload.kind).ok_or_else(malformed("type is not known"))?,
            title: payload.title,
            message: payload.message,
            offer: payload.offer_id,
            created_at: payload.created_at,
        })
    }
}
