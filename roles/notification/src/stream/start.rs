//! Where a stream begins.

use axum::extract::FromRequestParts;
use ecs_domain::Violations;
use ecs_web::Problem;
use ecs_web::params::QueryParams;
use http::HeaderMap;
use http::request::Parts;
use serde::Deserialize;

/// The header in which clients say what they have.
const LAST_EVENT_ID: &str = "last-event-id";

/// Behind which number the client wants to go on.
///
/// `Last-Event-ID` comes first: a client that reconnects by itself sends it along with the query that it began with. Then
/// `?after=`, which begins a stream anywhere, with 0 at the very first notification. Without either, a stream tells what
/// comes from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start(Option<u64>);

#[derive(Deserialize)]
struct Query {
    after: Option<String>,
}

impl Start {
    /// The number to go on behind, where `last` is the user's last one. A number that wasn't given out yet (the data may
    /// have been restored from before it) means that the client has everything there is.
    pub(crate) fn behind(self, last: u64) -> u64 {
        self.0.map_or(last, |after| after.min(last))
    }

    fn read(headers: &HeaderMap, query: Query) -> Result<Self, Violations> {
        let mut violations = Violations::none();
        let header = match headers.get(LAST_EVENT_ID) {
            Some(value) => violations.check("Last-Event-ID", number(value.as_bytes()).map(Some)).flatten(),
            None => None,
        };
        let query = match query.after {
            Some(text) => violations.check("after", number(text.as_bytes()).map(Some)).flatten(),
            None => None,
        };
        if violations.is_empty() { Ok(Self(header.or(query))) } else { Err(violations) }
    }
}

/// Digits and nothing else. Numbers too large to be held are larger than any that was given out.
fn number(text: &[u8]) -> Result<u64, std::borrow::Cow<'static, str>> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err("must be the number of a notification, or 0".into());
    }
    let digit = |byte: &u8| u64::from(byte - b'0');
    Ok(text.iter().map(digit).fold(0, |number: u64, digit| number.saturating_mul(10).saturating_add(digit)))
}

impl<S: Send + Sync> FromRequestParts<S> for Start {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let QueryParams(query) = QueryParams::from_request_parts(parts, state).await?;
        Ok(Self::read(&parts.headers, query)?)
    }
}

/// Behind which number a stream with these headers and this query begins, for whoever tries what reads them.
#[doc(hidden)]
pub async fn begins_behind(parts: &mut Parts, last: u64) -> Option<u64> {
    Start::from_request_parts(parts, &()).await.ok().map(|start| start.behind(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_begins_where_the_client_says() {
        let check = |header: Option<&str>, after: Option<&str>, expect: Result<u64, &[&str]>| {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(LAST_EVENT_ID, header.parse().unwrap());
            }
            let read = Start::read(&headers, Query { after: after.map(str::to_owned) });
            let read = read.map(|start| start.behind(7)).map_err(|violations| {
                violations.into_vec().into_iter().map(|violation| violation.field).collect::<Vec<_>>()
            });
            let expect = expect.map_err(|fields| fields.iter().map(|field| (*field).into()).collect());
            assert_eq!(read, expect, "{header:?} {after:?}");
        };
        check(None, None, Ok(7));
        check(Some("3"), None, Ok(3));
        check(None, Some("0"), Ok(0));
        check(Some("3"), Some("0"), Ok(3));
        check(Some("8"), None, Ok(7));
        check(Some("99999999999999999999999"), None, Ok(7));
        check(Some(""), None, Err(&["Last-Event-ID"]));
        check(Some("-1"), None, Err(&["Last-Event-ID"]));
        check(Some("+1"), None, Err(&["Last-Event-ID"]));
        check(Some("abc"), Some("1.5"), Err(&["Last-Event-ID", "after"]));
        check(Some("3"), Some(""), Err(&["after"]));
    }
}
