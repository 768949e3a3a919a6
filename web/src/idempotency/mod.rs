//! The header `Idempotency-Key`: a client's own name for one request, by which a repetition is known as such.
//!
//! Events derive their id from it; other calls that create keep their [`Answer`] under it and send that again. Its form
//! is the one of the IETF's draft `draft-ietf-httpapi-idempotency-key-header`, a quoted string; since many clients leave
//! the quotes out, the bare characters mean the same key.

mod answer;
mod fingerprint;
mod openapi;

use std::time::Duration;

use axum::extract::OptionalFromRequestParts;
use ecs_domain::Violation;
use http::HeaderMap;
use http::request::Parts;

pub use answer::Answer;
pub use fingerprint::{Fingerprint, Fingerprints};
pub use openapi::describe_replays;

use crate::Problem;

/// The header as clients write it, and as problems name it.
const NAME: &str = "Idempotency-Key";

const MAX_CHARS: usize = 128;

/// A key: 1 to 128 characters of printable ASCII.
///
/// As an extractor it is taken as `Option<IdempotencyKey>`, for no call needs one: 422 when the header holds no key, or
/// stands twice. A request without the header costs nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The header.
    pub const HEADER: &str = "idempotency-key";

    /// The key in the headers of a request.
    pub fn find(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut values = headers.get_all(Self::HEADER).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(invalid("must not stand twice"));
        }
        let key = Self::read(value.as_bytes());
        key.map(Some).ok_or_else(|| invalid("must be 1 to 128 printable ASCII characters, quoted or not"))
    }

    /// The key itself, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of one line of an upload, which no other key, line or client id can equal: neither keys nor client ids
    /// hold a line break.
    #[must_use]
    pub fn of_line(&self, number: u64) -> String {
        format!("{}\n{number}", self.0)
    }

    fn read(value: &[u8]) -> Option<Self> {
        let key = match value.strip_prefix(b"\"") {
            Some(quoted) => unquoted(quoted)?,
            None => value.to_vec(),
        };
        let is_key =
            (1..=MAX_CHARS).contains(&key.len()) && key.iter().all(|byte| (b' '..=b'~').contains(byte));
        String::from_utf8(key).ok().filter(|_| is_key).map(Self)
    }
}

/// What stands before the closing quote, which must be the last character. A backslash escapes a quote or a backslash.
fn unquoted(quoted: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter();
    loop {
        match bytes.next()? {
            b'"' => return bytes.next().is_none().then_some(text),
            b'\\' => text.push(*bytes.next().filter(|byte| matches!(byte, b'"' | b'\\'))?),
            byte => text.push(*byte),
        }
    }
}

fn invalid(message: &'static str) -> Problem {
    Problem::invalid(Violation::new(NAME, message))
}

/// 422: the key was used for another request.
#[must_use]
pub fn of_another_request() -> Problem {
    invalid("was used for a request with another body or path; another request needs another key")
}

/// 409: a request with the same key is under way.
#[must_use]
pub fn under_way() -> Problem {
    Problem::conflict("a request with this Idempotency-Key is being worked on; its answer will be there soon")
        .retry_after(Duration::from_secs(1))
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Self::find(&parts.headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse as _;
    use http::HeaderValue;

    fn find(values: &[&[u8]]) -> Result<Option<String>, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IdempotencyKey::HEADER, HeaderValue::from_bytes(value).unwrap());
        }
        IdempotencyKey::find(&headers).map(|key| key.map(|key| key.as_str().to_owned()))
    }

    #[test]
    fn a_key_reads_the_same_with_quotes_and_without() {
        let check = |value: &[u8], expect: Option<&str>| {
            let found = find(&[value]).ok().flatten();
            assert_eq!(found.as_deref(), expect, "{}", String::from_utf8_lossy(value));
        };
        check(b"order-7", Some("order-7"));
        check(b"\"order-7\"", Some("order-7"));
        check(b"order 7, the \"second\"", Some("order 7, the \"second\""));
        check(br#""a \"b\" \\ c""#, Some(r#"a "b" \ c"#));
        check(&[b'x'; 128], Some(&"x".repeat(128)));
        check(format!("\"{}\"", "x".repeat(128)).as_bytes(), Some(&"x".repeat(128)));
        check(b"", None);
        check(b"\"\"", None);
        check(&[b'x'; 129], None);
        check(b"\"order-7", None);
        check(b"\"order\"-7", None);
        check(b"\"order-7\";version=1", None);
        check(br#""order\7""#, None);
        check("schl\u{fc}ssel".as_bytes(), None);
        check(b"a\tb", None);
    }

    #[test]
    fn no_header_is_no_key_and_two_are_too_many() {
        assert_eq!(find(&[]), Ok(None));
        for values in [[b"a".as_slice(), b"a"], [b"a", b"b"]] {
            let problem = find(&values).unwrap_err();
            assert_eq!(problem.code().status(), 422);
            assert_eq!(problem.errors()[0].field, "Idempotency-Key");
        }
    }

    #[test]
    fn lines_of_uploads_have_names_of_their_own() {
        let name = |key: &str, line| IdempotencyKey(key.to_owned()).of_line(line);
        assert_ne!(name("a", 11), name("a1", 1));
        assert_ne!(name("a", 1), name("a", 2));
        assert!(crate::fields::text(&name("a", 1)).is_err(), "no client can send it as an id");
    }

    #[test]
    fn a_request_under_way_is_worth_another_try_in_a_second() {
        let response = under_way().into_response();
        assert_eq!(response.status().as_u16(), 409);
        assert_eq!(response.headers()["retry-after"], "1");
    }
}
