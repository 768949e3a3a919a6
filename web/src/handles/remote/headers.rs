//! Which headers go on to the next process, and which end here.

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue};

use crate::RequestContext;
use crate::context::{REQUEST_ID, TRACEPARENT};
use crate::deadline;

/// Those that concern one connection and not the request, by RFC 9110 and by custom.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Takes out what ends here, with what `Connection` names besides.
pub(super) fn strip(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let values: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
        let names = values.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        for name in names {
            headers.remove(name.trim());
        }
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        // Beside chunks a length counts for nothing. Without them the next process would believe it.
        headers.remove(CONTENT_LENGTH);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// What a request carries on: all that the client sent, but for this connection's own, with the id and the trace that the
/// request has here.
pub(super) fn outgoing(headers: &mut HeaderMap, context: &RequestContext) {
    strip(headers);
    // The connection's own client writes the one; the other was answered when the body was first read.
    headers.remove(HOST);
    headers.remove(EXPECT);
    headers.insert(REQUEST_ID, context.header_value());
    if let Ok(trace) = HeaderValue::from_str(context.traceparent()) {
        headers.insert(TRACEPARENT, trace);
    }
    headers.remove(deadline::HEADER);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_one_connection_ends_with_it() {
        let mut headers = HeaderMap::new();
        let given = [
            ("connection", "close, X-Mine"),
            ("connection", "x-too"),
            ("x-mine", "1"),
            ("x-too", "1"),
            ("keep-alive", "timeout=5"),
            ("content-length", "3"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("upgrade", "websocket"),
            ("host", "outside"),
            ("expect", "100-continue"),
            ("x-request-timeout-ms", "5"),
            ("authorization", "Bearer x"),
            ("x-internal-key", "key"),
            ("idempotency-key", "once"),
            ("last-event-id", "7"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-request-id", "theirs"),
        ];
        for (name, value) in given {
            headers.append(name, HeaderValue::from_static(value));
        }
        let context = RequestContext::make();
        outgoing(&mut headers, &context);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        let expect = [
            "authorization",
            "idempotency-key",
            "last-event-id",
            "traceparent",
            "x-forwarded-for",
            "x-internal-key",
            "x-request-id",
        ];
        assert_eq!(left, expect);
        assert_eq!(headers["x-request-id"], context.request_id());
        assert_eq!(headers["traceparent"], context.traceparent());
    }
}
