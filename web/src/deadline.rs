//! How long an answer is still worth something, carried from role to role.
//!
//! The listener at the edge gives each request its time. What is left of it goes along on every call that the request
//! causes, in [`HEADER`], and the callee takes the shorter of that and its own: nobody works on an answer that nobody waits for.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

/// The header with the time that is left, in milliseconds. Of a client, too, it can only make the time shorter.
pub const HEADER: &str = "x-request-timeout-ms";

/// The time that a request has: `own`, or what its sender gives it, if that is less.
#[must_use]
pub fn allowed(headers: &HeaderMap, own: Duration) -> Duration {
    given(headers).map_or(own, |given| given.min(own))
}

/// What can't be read says nothing.
fn given(headers: &HeaderMap) -> Option<Duration> {
    let digits = headers.get(HEADER)?.as_bytes();
    if digits.is_empty() || digits.len() > 12 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let millis = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    Some(Duration::from_millis(millis))
}

/// What is left, as the header's value. Less than a millisecond is nothing.
pub(crate) fn header(left: Duration) -> HeaderValue {
    HeaderValue::from(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_can_only_make_the_time_shorter() {
        let check = |given: &'static str, expect: u64| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_static(given));
            assert_eq!(allowed(&headers, Duration::from_secs(2)), Duration::from_millis(expect), "{given}");
        };
        check("1", 1);
        check("0", 0);
        check("1999", 1_999);
        check("2001", 2_000);
        check("999999999999", 2_000);
        check("9999999999999999999999", 2_000);
        check("", 2_000);
        check("-5", 2_000);
        check("1.5", 2_000);
        check("soon", 2_000);
        assert_eq!(allowed(&HeaderMap::new(), Duration::from_secs(2)), Duration::from_secs(2));
    }

    #[test]
    fn what_is_left_is_told_in_whole_milliseconds() {
        assert_eq!(header(Duration::from_micros(1_999)), "1");
        assert_eq!(header(Duration::from_micros(999)), "0");
    }
}
