//! Events as Kafka's records, and back.

use bytes::Bytes;
use ecs_bus::{Event, FailedAttempt, Failures, Headers, Subject};
use ecs_domain::{EventId, Timestamp, UserId};
use rdkafka::Message;
use rdkafka::message::{Header, Headers as _, OwnedHeaders};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The header that carries an event's id.
const EVENT_ID: &str = "event-id";
/// The header of a record that waits for a retry: what is known of its failures, in JSON.
const RETRY: &str = "ecs-retry";
/// The longest text that somebody else chose, in bytes.
const LONGEST_HEADER: usize = 512;

/// What a record says besides its event, when it waits for a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Again {
    /// Partition and place of the event in its subject's topic.
    pub(crate) origin: (i32, i64),
    /// When the event became durable.
    pub(crate) published_at: Timestamp,
    /// Not to be delivered before.
    pub(crate) not_before: Timestamp,
    pub(crate) failures: Failures,
}

/// The header's form of it.
#[derive(Serialize, Deserialize)]
struct Written {
    partition: i32,
    offset: i64,
    published_at: Timestamp,
    not_before: Timestamp,
    failures: u32,
    history: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    at: Timestamp,
    reason: String,
}

/// The headers that an event travels with.
pub(crate) fn headers(event: &Event) -> OwnedHeaders {
    let version = event.headers.schema_version.to_string();
    let mut headers = OwnedHeaders::new_with_capacity(5)
        .insert(Header { key: EVENT_ID, value: Some(&event.id.to_string()) })
        .insert(Header { key: Headers::SCHEMA_VERSION, value: Some(&version) });
    let told = [
        (Headers::REQUEST_ID, &event.headers.request_id),
        (Headers::TRACEPARENT, &event.headers.traceparent),
    ];
    for (key, text) in told {
        if let Some(text) = text.as_ref().filter(|text| text.len() <= LONGEST_HEADER) {
            headers = headers.insert(Header { key, value: Some(text) });
        }
    }
    headers
}

/// The headers of a record that waits for a retry.
pub(crate) fn retry_headers(event: &Event, again: &Again) -> OwnedHeaders {
    let history = again.failures.history.iter();
    let written = Written {
        partition: again.origin.0,
        offset: again.origin.1,
        published_at: again.published_at,
        not_before: again.not_before,
        failures: again.failures.count,
        history: history.map(|line| Line { at: line.at, reason: line.reason.clone() }).collect(),
    };
    // Nothing of this can fail to be written.
    let text = serde_json::to_string(&written).unwrap_or_default();
    headers(event).insert(Header { key: RETRY, value: Some(&text) })
}

/// The value of a header; the last one counts.
fn header<'a, M: Message>(message: &'a M, name: &str) -> Option<&'a str> {
    let headers = message.headers()?;
    let found = (0..headers.count()).rev().filter_map(|at| headers.try_get(at)).find(|it| it.key == name)?;
    std::str::from_utf8(found.value?).ok()
}

/// What a record of a retry topic says of its failures.
pub(crate) fn again<M: Message>(message: &M) -> Option<Again> {
    let written: Written = serde_json::from_str(header(message, RETRY)?).ok()?;
    let history = written.history.into_iter();
    let history = history.map(|line| FailedAttempt { at: line.at, reason: line.reason }).collect();
    Some(Again {
        origin: (written.partition, written.offset),
        published_at: written.published_at,
        not_before: written.not_before,
        failures: Failures { count: written.failures, history },
    })
}

/// The event of a record. One that somebody else published without our headers is an event, too: its id comes from where it
/// stands, and it ends as a dead letter rather than in nothing.
pub(crate) fn event<M: Message>(subject: Subject, message: &M) -> Event {
    let id = header(message, EVENT_ID).and_then(|id| Uuid::try_parse(id).ok());
    let place = || format!("{subject}/{}/{}", message.partition(), message.offset());
    let key = message.key().and_then(|key| Uuid::try_parse_ascii(key).ok());
    Event {
        id: EventId::new(id.unwrap_or_else(|| Uuid::new_v5(&Uuid::NAMESPACE_URL, place().as_bytes()))),
        subject,
        key: UserId::new(key.unwrap_or(Uuid::nil())),
        payload: Bytes::copy_from_slice(message.payload().unwrap_or_default()),
        headers: Headers {
            schema_version: header(message, Headers::SCHEMA_VERSION)
                .and_then(|version| version.parse().ok())
                .unwrap_or(1),
            request_id: header(message, Headers::REQUEST_ID).map(str::to_owned),
            traceparent: header(message, Headers::TRACEPARENT).map(str::to_owned),
        },
    }
}

/// When the broker took a record.
pub(crate) fn published_at<M: Message>(message: &M) -> Timestamp {
    let millis = message.timestamp().to_millis().unwrap_or_default();
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use rdkafka::Timestamp as Stamp;
    use rdkafka::message::OwnedMessage;

    use super::*;

    fn an_event() -> Event {
        Event {
            id: EventId::new(Uuid::from_u128(1)),
            subject: Subject::Emotions,
            key: UserId::new(Uuid::from_u128(2)),
            payload: Bytes::from_static(b"{}"),
            headers: Headers {
                schema_version: 3,
                request_id: Some("r-1".into()),
                traceparent: Some("00-1".into()),
            },
        }
    }

    fn record(sent: &Event, headers: Option<OwnedHeaders>, offset: i64) -> OwnedMessage {
        let key = headers.as_ref().map(|_| sent.key.to_string().into_bytes());
        let stamp = Stamp::LogAppendTime(1_700_000_000_123);
        OwnedMessage::new(Some(sent.payload.to_vec()), key, "t".into(), stamp, 3, offset, headers)
    }

    #[test]
    fn an_event_comes_back_as_it_went() {
        let bare = Event { headers: Headers::current(), ..an_event() };
        for sent in [an_event(), bare] {
            let record = record(&sent, Some(headers(&sent)), 9);
            assert_eq!(event(Subject::Emotions, &record), sent);
            assert_eq!(again(&record), None);
            assert_eq!(published_at(&record).as_millisecond(), 1_700_000_000_123);
        }
    }

    #[test]
    fn a_retry_carries_all_that_is_known_of_its_event() {
        let mut failures = Failures::default();
        failures.add(Timestamp::UNIX_EPOCH, "the store was away");
        let told = Again {
            origin: (4, 17),
            published_at: Timestamp::from_millisecond(5).unwrap(),
            not_before: Timestamp::from_millisecond(6).unwrap(),
            failures,
        };
        let record = record(&an_event(), Some(retry_headers(&an_event(), &told)), 2);
        assert_eq!(again(&record), Some(told));
        assert_eq!(event(Subject::Emotions, &record), an_event());
    }

    #[test]
    fn a_foreign_record_is_an_event_with_an_id_of_its_own() {
        let of = |offset| event(Subject::Emotions, &record(&an_event(), None, offset));
        assert_eq!(of(1), of(1));
        assert_ne!(of(1).id, of(2).id);
    }

    #[test]
    fn all_failures_are_counted_and_the_last_ones_remembered() {
        let mut failures = Failures::default();
        for number in 0..100 {
            failures.add(Timestamp::UNIX_EPOCH, &format!("failure {number}"));
        }
        assert_eq!((failures.count, failures.history.len()), (100, Failures::REASONS));
        failures.add(Timestamp::UNIX_EPOCH, &"ü".repeat(1_000));
        assert_eq!(
            failures.history.last().map(|line| line.reason.chars().count()),
            Some(Failures::LONGEST_REASON)
        );
    }
}
