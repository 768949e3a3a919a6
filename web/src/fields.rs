//! Rules of single fields that several roles share. Each returns the value or what was expected, for
//! [`ecs_domain::Violations::check`].

use std::borrow::Cow;
use std::str::FromStr;

use ecs_domain::{Timestamp, clock};

/// The longest text that a client may send where a rule says no other: its own ids, merchants, categories, channels.
pub const MAX_TEXT_CHARS: usize = 128;

/// How far ahead a sender's clock may be.
const MAX_AHEAD: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// 1 to 128 printable characters.
pub fn text(text: &str) -> Result<&str, Cow<'static, str>> {
    // Bytes bound characters from above, and counting them costs nothing.
    let short = text.len() <= MAX_TEXT_CHARS || text.chars().count() <= MAX_TEXT_CHARS;
    if text.is_empty() || !short || text.chars().any(char::is_control) {
        return Err("must be 1 to 128 printable characters".into());
    }
    Ok(text)
}

/// An id, which is a UUID.
pub fn id<T: FromStr>(text: &str) -> Result<T, Cow<'static, str>> {
    text.parse().map_err(|_| "must be a UUID".into())
}

/// When something happened: an ISO 8601 instant, UTC when it names no zone, not before 1970 and at most 24 hours ahead
/// of `now`.
pub fn occurred_at(text: &str, now: Timestamp) -> Result<Timestamp, Cow<'static, str>> {
    let at = clock::parse_timestamp(text).ok_or("must be an ISO 8601 date and time")?;
    if at < Timestamp::UNIX_EPOCH {
        return Err("must not be before 1970".into());
    }
    if at.duration_since(now) > MAX_AHEAD {
        return Err("must be at most 24 hours in the future".into());
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_1_to_128_printable_characters() {
        let check = |input: &str, expect: bool| assert_eq!(text(input).is_ok(), expect, "{input:?}");
        check("", false);
        check("order 7", true);
        check(&"é".repeat(128), true);
        check(&"é".repeat(129), false);
        check("a\0b", false);
        check("a\nb", false);
    }

    #[test]
    fn dates_lie_between_1970_and_tomorrow() {
        let now = "2025-08-19T12:00:00Z".parse().unwrap();
        let check = |input: &str, expect: Result<&str, &str>| {
            let read = occurred_at(input, now).map(|at| at.to_string());
            assert_eq!(read.as_deref().map_err(|message| &**message), expect, "{input}");
        };
        check("2025-08-19T09:00:00-03:00", Ok("2025-08-19T12:00:00Z"));
        check("1970-01-01T00:00:00Z", Ok("1970-01-01T00:00:00Z"));
        check("1969-12-31T23:59:59Z", Err("must not be before 1970"));
        check("2025-08-20T12:00:00Z", Ok("2025-08-20T12:00:00Z"));
        check("2025-08-20T12:00:01Z", Err("must be at most 24 hours in the future"));
        check("9999-12-01T00:00:00Z", Err("must be at most 24 hours in the future"));
        check("soon", Err("must be an ISO 8601 date and time"));
    }
}
