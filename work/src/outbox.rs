//! Bus events as rows of the store's outbox, and back.

use ecs_bus::{Event, Headers, Subject};
use ecs_store::{OutboxMessage, OutboxRow};

/// The outbox row from which the relay makes this very event again.
#[must_use]
pub fn outbox_message(event: &Event) -> OutboxMessage {
    OutboxMessage {
        id: event.id,
        subject: event.subject.as_str(),
        key: event.key,
        payload: event.payload.clone(),
        schema_version: event.headers.schema_version,
        request_id: event.headers.request_id.clone(),
        traceparent: event.headers.traceparent.clone(),
    }
}

/// The event that a row stands for; `None` when this version of the platform doesn't know its subject.
#[must_use]
pub fn event(row: &OutboxRow) -> Option<Event> {
    Some(Event {
        id: row.id,
        subject: Subject::parse(&row.subject)?,
        key: row.key,
        payload: row.payload.clone(),
        headers: Headers {
            schema_version: row.schema_version,
            request_id: row.request_id.clone(),
            traceparent: row.traceparent.clone(),
        },
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ecs_domain::{EventId, UserId};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_event_comes_out_of_the_outbox_as_it_went_in() {
        let before = Event {
            id: EventId::new(Uuid::from_u128(1)),
            subject: Subject::Notifications,
            key: UserId::new(Uuid::from_u128(2)),
            payload: Bytes::from_static(b"{}"),
            headers: Headers {
                schema_version: 7,
                request_id: Some("r-1".into()),
                traceparent: Some("00-1".into()),
            },
        };
        let OutboxMessage { id, subject, key, payload, schema_version, request_id, traceparent } =
            outbox_message(&before);
        let subject = subject.to_owned();
        let row = OutboxRow { row: 1, id, subject, key, payload, schema_version, request_id, traceparent };
        assert_eq!(event(&row), Some(before));
        assert_eq!(event(&OutboxRow { subject: "user.unheard-of".to_owned(), ..row }), None);
    }
}
