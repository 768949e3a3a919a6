//! What a receiver reads: an event as Standard Webhooks advises, around the payload that the bus carries.

use bytes::Bytes;
use ecs_bus::Headers;
use ecs_bus::payload::NotificationPayload;
use ecs_domain::Timestamp;
use ecs_domain::notification::{Notification, NotificationKind};
use serde::Serialize;
use serde_json::value::RawValue;

/// `{type, timestamp, data}`.
#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Timestamp,
    data: &'a RawValue,
}

/// The event's type: words between full stops, from the general to the particular.
pub(crate) fn kind(kind: NotificationKind) -> &'static str {
    match kind {
        NotificationKind::CreditLimitApplied => "credit.limit_applied",
        NotificationKind::CreditPreApproved => "credit.pre_approved",
        NotificationKind::ReviewConcluded => "credit.review_concluded",
    }
}

/// The body of every attempt at this notification. It is the same bytes each time.
pub(crate) fn body(notification: &Notification) -> Result<Bytes, serde_json::Error> {
    let payload = NotificationPayload::event(notification, Headers::current()).payload;
    let envelope = Envelope {
        kind: kind(notification.about.kind()),
        timestamp: notification.created_at,
        data: serde_json::from_slice(&payload)?,
    };
    Ok(serde_json::to_vec(&envelope)?.into())
}

#[cfg(test)]
mod tests {
    use ecs_domain::{Money, OfferId, Rate, UserId};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_event_has_a_type_a_time_and_the_contracts_payload() {
        let (user, offer) = (UserId::new(Uuid::from_u128(1)), OfferId::new(Uuid::from_u128(2)));
        let (limit, rate) = (Money::from_minor_units(500_000), Rate::from_basis_points(1_425));
        let at = "2026-11-20T14:30:00.123456Z".parse().unwrap();
        let notification = Notification::of_activation(user, offer, limit, rate, at);
        let text = String::from_utf8(body(&notification).unwrap().to_vec()).unwrap();
        let expect = format!(
            "{{\"type\":\"credit.limit_applied\",\"timestamp\":\"2026-11-20T14:30:00.123456Z\",\"data\":{{\
             \"notificationId\":\"{}\",\"userId\":\"{user}\",\"type\":\"CREDIT_LIMIT_APPLIED\",\
             \"title\":\"Your credit limit is active\",\
             \"message\":\"A credit limit of 5000.00 at 14.25 % per year is now available to you.\",\
             \"offerId\":\"{offer}\",\"createdAt\":\"2026-11-20T14:30:00.123456Z\"}}}}",
            notification.id
        );
        assert_eq!(text, expect);
    }
}
