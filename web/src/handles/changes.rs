//! The list of changed rights in a process that has the store: `GET /v1/access/changes` with the service key.

use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use http::header::HeaderMap;
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::remote::{Call, Payload, Remote, Verdict};
use crate::auth::changes::{ListOfChanges, Told};
use crate::auth::service_keys;
use crate::{RequestContext, Secret, body};

/// A piece has a thousand changes of some seventy bytes.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// How long a question may take.
const TIME: Duration = Duration::from_millis(1_500);

/// A piece of the list of changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = RightsChanges, examples(json!({
    "changes": [{"number": 1_763_649_000_000_000_u64, "subject": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e"}],
    "newest": 1_763_649_000_000_000_u64
})))]
pub struct Answer {
    /// With rising numbers.
    changes: Vec<Item>,
    /// The number of the newest change there is; 0 before the first.
    newest: u64,
}

/// Tokens of this user or session that don't know of this change hold no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = RightsChange)]
struct Item {
    /// The change's number.
    number: u64,
    /// A user's id, or a session's.
    #[schema(value_type = crate::openapi::Id)]
    subject: Uuid,
}

impl Answer {
    /// These changes, each a number and what it is about.
    #[must_use]
    pub fn new(changes: impl IntoIterator<Item = (u64, Uuid)>, newest: u64) -> Self {
        let changes = changes.into_iter().map(|(number, subject)| Item { number, subject }).collect();
        Self { changes, newest }
    }
}

/// The list, asked for over HTTP.
#[derive(Debug)]
pub struct HttpChanges {
    remote: Remote,
    key: Secret,
}

impl HttpChanges {
    /// Asks this role, with the service key.
    #[must_use]
    pub fn new(remote: Remote, key: Secret) -> Self {
        Self { remote, key }
    }

    fn call(&self, after: Option<u64>) -> Result<Call, String> {
        let mut headers = HeaderMap::new();
        headers.insert(service_keys::HEADER, service_keys::shown(&self.key)?);
        let context = RequestContext::from_headers(&headers).within(TIME);
        Call::prepare(&mut headers, &context);
        let path = after.map_or_else(
            || "/v1/access/changes".to_owned(),
            |number| format!("/v1/access/changes?after={number}"),
        );
        let path = PathAndQuery::try_from(path).map_err(|error| error.to_string())?;
        let (method, payload) = (Method::GET, Payload::Bytes(bytes::Bytes::new()));
        Ok(Call { method, path, headers, payload, time: TIME, repeatable: true, verdict })
    }
}

/// Whoever can't tell may have lost its store, which says nothing about what else it can do.
fn verdict(status: StatusCode) -> Verdict {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => Verdict::Busy,
        status if status.is_server_error() => Verdict::Ill,
        _ => Verdict::Well,
    }
}

#[async_trait]
impl ListOfChanges for HttpChanges {
    async fn after(&self, number: Option<u64>) -> Result<Told, String> {
        let answered = self.remote.send(&self.call(number)?).await.map_err(|lost| format!("{lost:?}"))?;
        let (head, answer) = answered.response.into_parts();
        if head.status != StatusCode::OK {
            return Err(format!("the answer has status {}", head.status.as_u16()));
        }
        let bytes = body::collect(Body::new(answer), MAX_ANSWER_BYTES).await;
        let bytes = bytes.map_err(|_| "the answer broke off".to_owned())?;
        let answer: Answer =
            serde_json::from_slice(&bytes).map_err(|_| "the answer has another form".to_owned())?;
        let changes = answer.changes.into_iter().map(|item| (item.number, item.subject)).collect();
        Ok(Told { changes, newest: answer.newest })
    }
}
