//! What is known of a request besides its content: its id, the trace it belongs to, and how much time it has.

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;
use uuid::Uuid;

/// The header with the request's id: taken when it is printable ASCII of 1 to 128 characters, made otherwise, and
/// always echoed.
pub const REQUEST_ID: &str = "x-request-id";
/// The W3C trace context: taken when it is well-formed, made otherwise.
pub const TRACEPARENT: &str = "traceparent";

const MAX_REQUEST_ID: usize = 128;

/// A request's id and trace. Cheap to make and to clone: it owns no memory unless the client sent an id.
///
/// As an extractor it never fails: it is what the listener's layers made, else made from the headers.
#[derive(Debug, Clone)]
pub struct RequestContext {
    request_id: RequestId,
    traceparent: Traceparent,
    /// When its answer is worth nothing any more.
    deadline: Option<Instant>,
}

#[derive(Debug, Clone)]
enum RequestId {
    Given(HeaderValue),
    /// The same characters as the trace id.
    Made,
}

impl RequestContext {
    /// Takes what the headers say and makes the rest.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let given = headers.get(REQUEST_ID).filter(|value| is_request_id(value.as_bytes()));
        let traceparent = headers.get(TRACEPARENT).and_then(|value| Traceparent::parse(value.as_bytes()));
        Self {
            request_id: given.map_or(RequestId::Made, |value| RequestId::Given(value.clone())),
            traceparent: traceparent.unwrap_or_else(Traceparent::make),
            deadline: None,
        }
    }

    /// A context of its own, for work that no request caused.
    #[must_use]
    pub fn make() -> Self {
        Self { request_id: RequestId::Made, traceparent: Traceparent::make(), deadline: None }
    }

    /// The same with so much time from now on.
    #[must_use]
    pub fn within(self, time: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(time), ..self }
    }

    /// How much of the request's time is left; `None` where nobody has set it one.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// 1 to 128 characters of printable ASCII.
    #[must_use]
    pub fn request_id(&self) -> &str {
        match &self.request_id {
            RequestId::Given(value) => value.to_str().unwrap_or_default(),
            RequestId::Made => self.trace_id(),
        }
    }

    /// 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        self.traceparent.as_str().get(3..35).unwrap_or_default()
    }

    /// `00-{trace id}-{parent id}-{flags}`.
    #[must_use]
    pub fn traceparent(&self) -> &str {
        self.traceparent.as_str()
    }

    /// The request's id as a header's value.
    pub(crate) fn header_value(&self) -> HeaderValue {
        match &self.request_id {
            RequestId::Given(value) => value.clone(),
            RequestId::Made => HeaderValue::from_str(self.trace_id()).unwrap_or(HeaderValue::from_static("")),
        }
    }
}

fn is_request_id(value: &[u8]) -> bool {
    (1..=MAX_REQUEST_ID).contains(&value.len()) && value.iter().all(|byte| (b' '..=b'~').contains(byte))
}

impl<S: Send + Sync> FromRequestParts<S> for RequestContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        if let Some(context) = parts.extensions.get::<Self>() {
            return Ok(context.clone());
        }
        let context = Self::from_headers(&parts.headers);
        parts.extensions.insert(context.clone());
        Ok(context)
    }
}

/// Version 00 of a `traceparent`, as its 55 characters.
#[derive(Clone, Copy)]
struct Traceparent([u8; 55]);

impl Traceparent {
    /// Takes a well-formed one. A later version is read as far as version 00 goes, as the standard asks.
    fn parse(value: &[u8]) -> Option<Self> {
        let mut text = [0; 55];
        text.copy_from_slice(value.get(..55)?);
        let [v0, v1, b'-', ids @ .., f0, f1] = text else { return None };
        let (trace, parent) = (ids.get(..32)?, ids.get(33..49)?);
        let separated = ids.get(32) == Some(&b'-') && ids.get(49) == Some(&b'-');
        let known = [v0, v1] == *b"00" && value.len() == 55;
        let later = [v0, v1] != *b"ff" && [v0, v1] != *b"00" && matches!(value.get(55), None | Some(b'-'));
        let hex = [v0, v1, f0, f1]
            .iter()
            .chain(trace)
            .chain(parent)
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let zero = |id: &[u8]| id.iter().all(|byte| *byte == b'0');
        if !(separated && hex && (known || later)) || zero(trace) || zero(parent) {
            return None;
        }
        if let Some(version) = text.get_mut(..2) {
            version.copy_from_slice(b"00");
        }
        Some(Self(text))
    }

    /// A new trace, sampled or not as whoever records it decides: the flags say nothing.
    fn make() -> Self {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let mut encoded = [0; 32];
        // Version 4 ids come from the thread's own generator and are never all zeros.
        let _: &mut str = Uuid::new_v4().simple().encode_lower(&mut encoded);
        if let Some(trace) = text.get_mut(3..35) {
            trace.copy_from_slice(&encoded);
        }
        let _: &mut str = Uuid::new_v4().simple().encode_lower(&mut encoded);
        if let (Some(parent), Some(random)) = (text.get_mut(36..52), encoded.get(8..24)) {
            parent.copy_from_slice(random);
        }
        Self(text)
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
