//! Events as AMQP messages, and back.

use bytes::Bytes;
use ecs_bus::{Event, FailedAttempt, Failures, Headers, Subject};
use ecs_domain::{EventId, Timestamp, UserId};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The header that carries an event's key.
const KEY: &str = "key";
/// When the publisher sent the event, in microseconds: the protocol's own timestamp counts seconds.
const PUBLISHED_AT: &str = "published-at";
/// How often the event has failed in this group.
const FAILURES: &str = "failures";
/// Why, as JSON: streams keep no nested headers, and one form does for both.
const HISTORY: &str = "history";
/// Marks what stands in a log without being an event.
const MARK: &str = "mark";
/// Where a message stands in its stream; the server's.
const OFFSET: &str = "x-stream-offset";

/// Flushed before it is confirmed.
const PERSISTENT: u8 = 2;

#[derive(Serialize, Deserialize)]
struct Line {
    at: Timestamp,
    reason: String,
}

/// An event as a message carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) event: Event,
    pub(crate) published_at: Timestamp,
    pub(crate) failures: Failures,
}

/// The properties that an event travels with.
pub(crate) fn properties(event: &Event, published_at: Timestamp, failures: &Failures) -> BasicProperties {
    let mut headers = FieldTable::default();
    let mut set = |name: &'static str, value: AMQPValue| {
        headers.insert(ShortString::from(name), value);
    };
    set(KEY, text(&event.key.to_string()));
    set(PUBLISHED_AT, AMQPValue::LongLongInt(published_at.as_microsecond()));
    set(Headers::SCHEMA_VERSION, AMQPValue::LongInt(event.headers.schema_version.into()));
    if let Some(request_id) = &event.headers.request_id {
        set(Headers::REQUEST_ID, text(request_id));
    }
    if let Some(traceparent) = &event.headers.traceparent {
        set(Headers::TRACEPARENT, text(traceparent));
    }
    if failures.count > 0 {
        let line = |failure: &FailedAttempt| Line { at: failure.at, reason: failure.reason.clone() };
        let history: Vec<Line> = failures.history.iter().map(line).collect();
        set(FAILURES, AMQPValue::LongLongInt(failures.count.into()));
        set(HISTORY, text(&serde_json::to_string(&history).unwrap_or_default()));
    }
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into())
        .with_message_id(event.id.to_string().into())
        .with_headers(headers)
}

/// The properties of a mark in a log.
pub(crate) fn mark(name: &str, at: Timestamp) -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert(ShortString::from(MARK), text(name));
    headers.insert(ShortString::from(PUBLISHED_AT), AMQPValue::LongLongInt(at.as_microsecond()));
    BasicProperties::default().with_delivery_mode(PERSISTENT).with_headers(headers)
}

/// The name of the mark that a message is; `None` for an event.
pub(crate) fn mark_of(properties: &BasicProperties) -> Option<String> {
    string(properties, MARK)
}

/// Where a message stands in the stream that it was read from.
pub(crate) fn offset(properties: &BasicProperties) -> Option<u64> {
    u64::try_from(number(properties, OFFSET)?).ok()
}

/// When a message was published. The protocol's own timestamp is all that others may have set; what has none is young.
pub(crate) fn published_at(properties: &BasicProperties) -> Timestamp {
    let own = number(properties, PUBLISHED_AT).and_then(|micros| Timestamp::from_microsecond(micros).ok());
    let second = || i64::try_from((*properties.timestamp())?).ok();
    own.or_else(|| Timestamp::from_second(second()?).ok()).unwrap_or_else(Timestamp::now)
}

/// The event of a message. A message that somebody else published without our headers is an event, too: its id comes from what it
/// says, the same from its queue as from the log, and it ends as a dead letter rather than in nothing.
pub(crate) fn carried(subject: Subject, properties: &BasicProperties, payload: Vec<u8>) -> Carried {
    let named = properties.message_id().as_ref().and_then(|id| Uuid::try_parse(id.as_str()).ok());
    let key = string(properties, KEY).and_then(|key| Uuid::try_parse(&key).ok());
    let version = number(properties, Headers::SCHEMA_VERSION).and_then(|version| version.try_into().ok());
    let event = Event {
        id: EventId::new(named.unwrap_or_else(|| named_by_content(subject, properties, &payload))),
        subject,
        key: UserId::new(key.unwrap_or(Uuid::nil())),
        payload: Bytes::from(payload),
        headers: Headers {
            schema_version: version.unwrap_or(1),
            request_id: string(properties, Headers::REQUEST_ID),
            traceparent: string(properties, Headers::TRACEPARENT),
        },
    };
    Carried { event, published_at: published_at(properties), failures: failures(properties) }
}

fn named_by_content(subject: Subject, properties: &BasicProperties, payload: &[u8]) -> Uuid {
    let own = properties.message_id().as_ref().map(ShortString::as_str).unwrap_or_default();
    let content = [subject.as_str().as_bytes(), b"/", own.as_bytes(), b"/", payload].concat();
    Uuid::new_v5(&Uuid::NAMESPACE_URL, &content)
}

fn failures(properties: &BasicProperties) -> Failures {
    let count = number(properties, FAILURES).and_then(|count| count.try_into().ok()).unwrap_or_default();
    let lines = string(properties, HISTORY).and_then(|lines| serde_json::from_str::<Vec<Line>>(&lines).ok());
    let failed = |line: Line| FailedAttempt { at: line.at, reason: line.reason };
    Failures { count, history: lines.unwrap_or_default().into_iter().map(failed).collect() }
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.as_bytes().to_vec().into())
}

fn header<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
    properties.headers().as_ref()?.inner().get(name)
}

/// A header with words. The server may hand them out in another of the protocol's forms than it got.
fn string(properties: &BasicProperties, name: &str) -> Option<String> {
    match header(properties, name)? {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

/// A header with a number, of whatever width.
fn number(properties: &BasicProperties, name: &str) -> Option<i64> {
    match header(properties, name)? {
        AMQPValue::LongLongInt(number) => Some(*number),
        AMQPValue::LongInt(number) => Some((*number).into()),
        AMQPValue::LongUInt(number) => Some((*number).into()),
        AMQPValue::ShortInt(number) => Some((*number).into()),
        AMQPValue::ShortUInt(number) => Some((*number).into()),
        AMQPValue::ShortShortInt(number) => Some((*number).into()),
        AMQPValue::ShortShortUInt(number) => Some((*number).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn an_event_comes_back_as_it_went() {
        let at = Timestamp::from_microsecond(1_700_000_000_123_456).unwrap();
        let mut failed = Failures::default();
        failed.add(at, "the store was away");
        let bare = Event { headers: Headers::current(), ..an_event() };
        for (event, failures) in [(an_event(), failed), (bare, Failures::default())] {
            let properties = properties(&event, at, &failures);
            let expect = Carried { event: event.clone(), published_at: at, failures };
            assert_eq!(carried(Subject::Emotions, &properties, event.payload.to_vec()), expect);
            assert_eq!(mark_of(&properties), None);
        }
        assert_eq!(mark_of(&mark("m", at)).as_deref(), Some("m"));
    }

    #[test]
    fn a_foreign_message_is_an_event_whose_id_is_its_content() {
        let of = |properties: BasicProperties, payload: &str| {
            carried(Subject::Emotions, &properties, payload.into()).event.id
        };
        let bare = BasicProperties::default;
        assert_eq!(of(bare(), "a"), of(bare(), "a"));
        assert_ne!(of(bare(), "a"), of(bare(), "b"));
        assert_ne!(of(bare(), "a"), of(bare().with_message_id("7".into()), "a"));
        let named = bare().with_message_id(Uuid::from_u128(5).to_string().into());
        assert_eq!(of(named, "a"), EventId::new(Uuid::from_u128(5)));
    }

    #[test]
    fn all_failures_are_counted_and_the_last_ones_remembered() {
        let mut failures = Failures::default();
        for number in 0..100 {
            failures.add(Timestamp::UNIX_EPOCH, &format!("failure {number}"));
        }
        assert_eq!((failures.count, failures.history.len()), (100, Failures::REASONS));
        assert_eq!(failures.history.last().map(|line| line.reason.as_str()), Some("failure 99"));
    }
}
