//! JetStream's own interface: requests and answers in JSON. Written here rather than taken from the client library's typed
//! layer, because streams are compared with what they should be by the server's own field names.

use std::time::Duration;

use async_nats::{Request, RequestErrorKind};
use bytes::Bytes;
use ecs_bus::BusError;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::link::Link;

/// The server's codes that are no failure here.
pub(crate) mod code {
    /// No such stream.
    pub(crate) const NO_STREAM: u64 = 10_059;
    /// No such consumer.
    pub(crate) const NO_CONSUMER: u64 = 10_014;
    /// A stream of this name was made by somebody else just now.
    pub(crate) const STREAM_EXISTS: u64 = 10_058;
    /// A consumer of this name was made by somebody else just now.
    pub(crate) const CONSUMER_EXISTS: u64 = 10_148;
}

/// Why JetStream did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// It refused, and says why.
    #[error("{description} (NATS error {code})")]
    Refused { code: u64, description: String },
    /// It did not answer, or can't be reached.
    #[error("NATS did not answer: {0}")]
    Away(String),
    /// It answered in a way that isn't understood.
    #[error("an answer of NATS can't be understood: {0}")]
    Unclear(String),
}

impl ApiError {
    pub(crate) fn is(&self, code: u64) -> bool {
        matches!(self, Self::Refused { code: other, .. } if *other == code)
    }
}

impl From<ApiError> for BusError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Refused { .. } | ApiError::Away(_) => Self::Unavailable(error.to_string()),
            ApiError::Unclear(_) => Self::Corrupt(error.to_string()),
        }
    }
}

/// Asks JetStream for something, `STREAM.INFO.emotions` for example.
pub(crate) async fn ask<T: DeserializeOwned>(link: &Link, what: &str, body: &Value) -> Result<T, ApiError> {
    ask_within(link, what, body, None).await
}

/// The same with a time limit of its own.
pub(crate) async fn ask_within<T: DeserializeOwned>(
    link: &Link,
    what: &str,
    body: &Value,
    limit: Option<Duration>,
) -> Result<T, ApiError> {
    let payload: Bytes = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    let mut request = Request::new().payload(payload);
    if limit.is_some() {
        request = request.timeout(limit);
    }
    let answer = link.client.send_request(format!("$JS.API.{what}"), request).await.map_err(|error| {
        ApiError::Away(match error.kind() {
            RequestErrorKind::NoResponders => "JetStream is not there".to_owned(),
            kind => kind.to_string(),
        })
    })?;
    read(&answer.payload)
}

/// Takes the error out of an answer, or reads the rest of it.
pub(crate) fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, ApiError> {
    let unclear = |error: serde_json::Error| ApiError::Unclear(error.to_string());
    let value: Value = serde_json::from_slice(payload).map_err(unclear)?;
    if let Some(error) = value.get("error") {
        let code = error.get("err_code").or_else(|| error.get("code")).and_then(Value::as_u64);
        let description = error.get("description").and_then(Value::as_str);
        return Err(ApiError::Refused {
            code: code.unwrap_or_default(),
            description: description.unwrap_or("no reason given").to_owned(),
        });
    }
    serde_json::from_value(value).map_err(unclear)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_read_wherever_an_answer_was_expected() {
        let check = |payload: &str, expect: &str| {
            let outcome = read::<Vec<u32>>(payload.as_bytes());
            assert_eq!(outcome.map_or_else(|error| error.to_string(), |list| format!("{list:?}")), expect);
        };
        check("[1, 2]", "[1, 2]");
        check(
            r#"{"error": {"code": 404, "err_code": 10059, "description": "stream not found"}}"#,
            "stream not found (NATS error 10059)",
        );
        check(r#"{"error": {"code": 503}}"#, "no reason given (NATS error 503)");
        check("{}", "an answer of NATS can't be understood: invalid type: map, expected a sequence");
    }
}
