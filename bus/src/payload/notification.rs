//! `user.notifications`.

//!
//! Version 1 tells of offers. Version 2 is the same with `decisionId` in the place of `offerId`, and tells of decisions: whoever knows
//! version 1 alone never meets a notification without an offer.

use ecs_domain::notification::{About, Notification, NotificationKind};
use ecs_domain::{DecisionId, EventId, NotificationId, OfferId, UserId};
use serde::{Deserialize, Serialize};

use super::{PayloadError, WireTime, malformed, read_version, write};
use crate::{Event, Headers, Subject};

const OF_OFFERS: u16 = 1;
const OF_DECISIONS: u16 = 2;

/// `{notificationId, userId, type, title, message, offerId, createdAt}`, or with `decisionId`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotificationPayload {
    notification_id: NotificationId,
    user_id: UserId,
    #[serde(rename = "type")]
    kind: String,
    title: String,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offer_id: Option<OfferId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decision_id: Option<DecisionId>,
    created_at: WireTime,
}

impl NotificationPayload {
    /// The bus event that carries a notification; the notification's id serves as the event's.
    #[must_use]
    pub fn event(notification: &Notification, headers: Headers) -> Event {
        let about = notification.about;
        let payload = write(&Self {
            notification_id: notification.id,
            user_id: notification.user,
            kind: about.kind().as_str().to_owned(),
            title: notification.title.clone(),
            message: notification.message.clone(),
            offer_id: about.offer(),
            decision_id: about.decision(),
            created_at: notification.created_at,
        });
        let id = EventId::new(notification.id.uuid());
        let headers = Headers { schema_version: version(about), ..headers };
        Event { id, subject: Subject::Notifications, key: notification.user, payload, headers }
    }

    /// The notification that a bus event carries.
    pub fn decode(event: &Event) -> Result<Notification, PayloadError> {
        let payload: Self = read_version(event, &[OF_OFFERS, OF_DECISIONS])?;
        let kind = NotificationKind::parse(&payload.kind).ok_or_else(malformed("type is not known"))?;
        let about = About::of(kind, payload.offer_id, payload.decision_id);
        let about = about.filter(|about| version(*about) == event.headers.schema_version);
        Ok(Notification {
            id: payload.notification_id,
            user: payload.user_id,
            about: about.ok_or_else(malformed("it speaks of nothing that this type does in this version"))?,
            title: payload.title,
            message: payload.message,
            created_at: payload.created_at,
        })
    }
}

fn version(about: About) -> u16 {
    match about {
        About::Offer(_) | About::PreApproval(_) => OF_OFFERS,
        About::Decision(_) => OF_DECISIONS,
    }
}
