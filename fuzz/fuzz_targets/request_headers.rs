//! The headers that say which request this is and which key it has.
#![no_main]

use ecs_web::{IdempotencyKey, RequestContext};
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let names = ["x-request-id", "traceparent", IdempotencyKey::HEADER];
    let mut headers = HeaderMap::new();
    for (line, name) in data.split(|byte| *byte == b'\n').zip(names) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    let context = RequestContext::from_headers(&headers);
    let id = context.request_id();
    assert!((1..=128).contains(&id.len()) && id.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{id:?}");
    let trace = context.trace_id();
    assert!(trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit()), "{trace:?}");
    assert!(trace.bytes().any(|byte| byte != b'0'), "a trace of zeros is none");
    assert!(context.traceparent().starts_with(&format!("00-{trace}-")), "{}", context.traceparent());
    if let Ok(Some(key)) = IdempotencyKey::find(&headers) {
        assert!((1..=128).contains(&key.as_str().len()) && key.as_str().is_ascii(), "{:?}", key.as_str());
    }
});
