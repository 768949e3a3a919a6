//! Events as NATS messages, and back.

use std::time::Duration;

use async_nats::header::HeaderName;
use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use ecs_bus::{Event, Headers, Subject};
use ecs_domain::{EventId, Timestamp, UserId};
use uuid::Uuid;

/// The header that carries an event's id. It is not `Nats-Msg-Id`: the server would answer a second publish of the same id with
/// an acknowledgement and keep nothing, and so swallow replays and the events of other days that bear the same id.
const EVENT_ID: HeaderName = HeaderName::from_static("event-id");
/// The header that carries an event's key.
const KEY: HeaderName = HeaderName::from_static("key");
const SCHEMA_VERSION: HeaderName = HeaderName::from_static(Headers::SCHEMA_VERSION);
const REQUEST_ID: HeaderName = HeaderName::from_static(Headers::REQUEST_ID);
const TRACEPARENT: HeaderName = HeaderName::from_static(Headers::TRACEPARENT);
/// The id that other publishers give their messages.
const FOREIGN_ID: HeaderName = async_nats::header::NATS_MESSAGE_ID;

/// How many bytes headers take at most besides the payload, in round numbers.
pub(crate) const HEADER_ROOM: usize = 2_048;
/// The longest text that somebody else chose, in bytes: two of them leave enough of the room for the rest.
const LONGEST_HEADER: usize = 512;

/// The headers that an event travels with.
pub(crate) fn headers(event: &Event) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(EVENT_ID, event.id.to_string());
    headers.insert(KEY, event.key.to_string());
    headers.insert(SCHEMA_VERSION, event.headers.schema_version.to_string());
    // A line break in a header would end it; requests with such an id are refused long before.
    if let Some(request_id) = event.headers.request_id.as_ref().filter(|id| travels(id)) {
        headers.insert(REQUEST_ID, request_id.as_str());
    }
    if let Some(traceparent) = event.headers.traceparent.as_ref().filter(|text| travels(text)) {
        headers.insert(TRACEPARENT, traceparent.as_str());
    }
    headers
}

/// Whether a text can be a header. A long one would take the room that is kept for headers beside the largest payload.
fn travels(text: &str) -> bool {
    text.len() <= LONGEST_HEADER && !text.chars().any(char::is_control)
}

/// The event of a message. A message that somebody else published without our headers is an event, too: its id comes from
/// where it stands, and it ends as a dead letter rather than in nothing.
pub(crate) fn event(subject: Subject, sequence: u64, headers: Option<&HeaderMap>, payload: Bytes) -> Event {
    let get = |name: HeaderName| headers.and_then(|headers| headers.get(name)).map(|value| value.as_str());
    let id = [EVENT_ID, FOREIGN_ID].into_iter().find_map(|name| Uuid::try_parse(get(name)?).ok());
    Event {
        id: EventId::new(id.unwrap_or_else(|| place(subject, sequence))),
        subject,
        key: UserId::new(get(KEY).and_then(|key| Uuid::try_parse(key).ok()).unwrap_or(Uuid::nil())),
        payload,
        headers: Headers {
            schema_version: get(SCHEMA_VERSION).and_then(|version| version.parse().ok()).unwrap_or(1),
            request_id: get(REQUEST_ID).map(str::to_owned),
            traceparent: get(TRACEPARENT).map(str::to_owned),
        },
    }
}

fn place(subject: Subject, sequence: u64) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{subject}/{sequence}").as_bytes())
}

/// What the reply subject of a delivered message says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// How often the server has delivered it, this time included.
    pub(crate) delivered: u64,
    /// Where it stands in its stream.
    pub(crate) sequence: u64,
    /// When the server took it.
    pub(crate) published_at: Timestamp,
}

impl Stamp {
    /// Reads `$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<consumer sequence>.<nanoseconds>.<pending>`, before which
    /// newer servers put a domain and an account, and after which a token.
    pub(crate) fn of(message: &Message) -> Option<Self> {
        Self::parse(message.reply.as_deref()?)
    }

    fn parse(reply: &str) -> Option<Self> {
        let mut tokens = reply.strip_prefix("$JS.ACK.")?.split('.');
        let skip = if tokens.clone().count() >= 9 { 4 } else { 2 };
        tokens.by_ref().take(skip).for_each(drop);
        let mut number = || tokens.next()?.parse::<u64>().ok();
        let (delivered, sequence, _, nanos) = (number()?, number()?, number()?, number()?);
        let published_at = Timestamp::from_nanosecond(i128::from(nanos)).ok()?;
        Some(Self { delivered, sequence, published_at })
    }
}

/// "Not now": the server delivers the message again, after the delay if there is one.
pub(crate) fn nak(after: Duration) -> Bytes {
    if after.is_zero() {
        return Bytes::from_static(b"-NAK");
    }
    let nanos = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX).min(i64::MAX as u64);
    format!("-NAK {{\"delay\":{nanos}}}").into()
}

/// "Done."
pub(crate) const ACK: Bytes = Bytes::from_static(b"+ACK");

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
        let bare = Event { headers: Headers::current(), ..an_event() };
        for sent in [an_event(), bare] {
            let headers = headers(&sent);
            assert_eq!(event(Subject::Emotions, 9, Some(&headers), sent.payload.clone()), sent);
        }
    }

    #[test]
    fn a_foreign_message_is_an_event_with_an_id_of_its_own() {
        let of =
            |sequence, headers: Option<&HeaderMap>| event(Subject::Emotions, sequence, headers, Bytes::new());
        assert_eq!(of(1, None), of(1, None));
        assert_ne!(of(1, None).id, of(2, None).id);
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", Uuid::from_u128(5).to_string());
        assert_eq!(of(1, Some(&headers)).id, EventId::new(Uuid::from_u128(5)));
        headers.insert("Nats-Msg-Id", "not a uuid");
        assert_eq!(of(1, Some(&headers)), of(1, None));
    }

    #[test]
    fn a_line_break_never_becomes_a_header() {
        let mut sent = an_event();
        sent.headers.request_id = Some("a\r\nNats-Rollup: all".into());
        let headers = headers(&sent);
        assert_eq!(event(Subject::Emotions, 1, Some(&headers), Bytes::new()).headers.request_id, None);
    }

    #[test]
    fn headers_stay_within_their_room() {
        let length = |request_id: usize, traceparent: usize| {
            let mut sent = an_event();
            sent.headers.request_id = Some("r".repeat(request_id));
            sent.headers.traceparent = Some("t".repeat(traceparent));
            let headers = headers(&sent);
            let line = |(name, values): (&HeaderName, &Vec<_>)| {
                let (name, values): (&str, &[async_nats::HeaderValue]) = (name.as_ref(), values);
                values.iter().map(|value| name.len() + value.as_str().len() + 4).sum::<usize>()
            };
            headers.iter().map(line).sum::<usize>()
        };
        assert!(length(LONGEST_HEADER, LONGEST_HEADER) > 2 * LONGEST_HEADER);
        assert!(length(LONGEST_HEADER, LONGEST_HEADER) + 300 < HEADER_ROOM);
        assert!(length(LONGEST_HEADER + 1, 5_000) < 500);
    }

    #[test]
    fn both_forms_of_the_reply_subject_are_read() {
        let expect = Stamp {
            delivered: 2,
            sequence: 17,
            published_at: Timestamp::from_nanosecond(1_700_000_000_123_456_789).unwrap(),
        };
        let check = |reply: &str, expect: Option<Stamp>| assert_eq!(Stamp::parse(reply), expect, "{reply}");
        check("$JS.ACK.emotions.g.2.17.20.1700000000123456789.4", Some(expect));
        check("$JS.ACK.hub.acc.emotions.g.2.17.20.1700000000123456789.4", Some(expect));
        check("$JS.ACK._.acc.emotions.g.2.17.20.1700000000123456789.4.token", Some(expect));
        check("$JS.ACK.emotions.g.2", None);
        check("_INBOX.x", None);
    }

    #[test]
    fn a_delay_is_told_in_nanoseconds() {
        assert_eq!(nak(Duration::ZERO), "-NAK");
        assert_eq!(nak(Duration::from_millis(120)), "-NAK {\"delay\":120000000}");
        assert_eq!(nak(Duration::MAX), format!("-NAK {{\"delay\":{}}}", i64::MAX));
    }
}
