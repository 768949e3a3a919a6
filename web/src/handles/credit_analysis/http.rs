//! The model in other processes: `POST /v1/predict` with the service key.

use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use ecs_domain::features::Features;
use ecs_domain::scorecard::Assessment;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::response::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::time::Instant;

use super::wire::{Answer, Question};
use super::{CreditAnalysis, HandleError, ROLE, RequestContext, failed, sensible, time};
use crate::auth::service_keys;
use crate::handles::remote::{Answered, Call, FAIR, Lost, Payload, Remote, Verdict};
use crate::problem::Code;
use crate::{Secret, body};

/// An answer has nine terms of some fifty bytes, and at most two other scores of two hundred.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// When to come back where the role doesn't say.
const RETRY: Duration = Duration::from_secs(1);

/// The handle over HTTP.
#[derive(Debug)]
pub struct HttpCreditAnalysis {
    remote: Remote,
    key: Secret,
}

impl HttpCreditAnalysis {
    /// Asks this role, with the service key.
    #[must_use]
    pub fn new(remote: Remote, key: Secret) -> Self {
        Self { remote, key }
    }

    /// The question is pure: asking twice is asking once.
    fn call(&self, features: &Features, context: &RequestContext) -> Result<Call, HandleError> {
        let question = serde_json::to_vec(&Question::from(features));
        let payload =
            Payload::Bytes(Bytes::from(question.map_err(|_| failed("features that JSON can't hold"))?));
        let mut headers = HeaderMap::new();
        headers.insert(service_keys::HEADER, service_keys::shown(&self.key).map_err(failed)?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(body::JSON));
        Call::prepare(&mut headers, context);
        Ok(Call {
            method: Method::POST,
            path: PathAndQuery::from_static("/v1/predict"),
            headers,
            payload,
            time: time(context),
            repeatable: true,
            verdict,
        })
    }
}

/// Whoever can't score what it was asked to is as good as gone, whatever it says instead. One that is full may have room for
/// the next. And what looks like a score may be none.
fn verdict(status: StatusCode) -> Verdict {
    match status {
        StatusCode::OK => Verdict::Unread,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Verdict::Busy,
        _ => Verdict::Ill,
    }
}

/// The assessment in an answer whose head is here, read within the time that is `left`.
async fn read(head: &Parts, body: Incoming, left: Duration) -> Result<Assessment, HandleError> {
    let bytes = tokio::time::timeout(left, body::collect(Body::new(body), MAX_ANSWER_BYTES)).await;
    let bytes = bytes.map_err(|_| HandleError::Timeout { role: ROLE })?;
    let bytes = bytes.map_err(|_| HandleError::Unavailable { role: ROLE, retry_after: RETRY })?;
    if head.status != StatusCode::OK {
        return Err(refused(head, &bytes));
    }
    let answer: Answer = serde_json::from_slice(&bytes).map_err(|_| failed("its answer has another form"))?;
    sensible(answer.try_into().map_err(failed)?)
}

#[async_trait]
impl CreditAnalysis for HttpCreditAnalysis {
    async fn assess(&self, features: &Features, context: &RequestContext) -> Result<Assessment, HandleError> {
        let call = self.call(features, context)?;
        let begun = Instant::now();
        let Answered { response, judge } = self.remote.send(&call).await.map_err(lost)?;
        let (head, body) = response.into_parts();
        // Head and body together have the time of the call.
        let left = call.time.saturating_sub(begun.elapsed());
        let assessment = read(&head, body, left).await;
        match (&assessment, judge) {
            (Ok(_), Some(permit)) => permit.succeeded(),
            // Who gave it too little time has found out nothing.
            (Err(HandleError::Timeout { .. }), Some(permit)) if call.time < FAIR => drop(permit),
            (Err(_), Some(permit)) => permit.failed(),
            (_, None) => {}
        }
        assessment
    }
}

fn lost(lost: Lost) -> HandleError {
    match lost {
        Lost::Open { retry_after } => HandleError::Unavailable { role: ROLE, retry_after },
        Lost::Unreachable | Lost::Broken | Lost::Sender | Lost::Full => {
            HandleError::Unavailable { role: ROLE, retry_after: RETRY }
        }
        Lost::Late => HandleError::Timeout { role: ROLE },
    }
}

/// What an answer without an assessment means. Caller and role watch the same deadline, and either may be first to see it pass.
fn refused(head: &Parts, body: &[u8]) -> HandleError {
    let status = head.status;
    if status != StatusCode::SERVICE_UNAVAILABLE
        && status != StatusCode::TOO_MANY_REQUESTS
        && status != StatusCode::BAD_GATEWAY
        && status != StatusCode::GATEWAY_TIMEOUT
    {
        return failed(format!("it answered with status {}", status.as_u16()));
    }
    let problem: Option<Refusal> = serde_json::from_slice(body).ok();
    if problem.is_some_and(|problem| problem.kind == Code::Timeout.name().0) {
        return HandleError::Timeout { role: ROLE };
    }
    let seconds = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    HandleError::Unavailable { role: ROLE, retry_after: seconds.map_or(RETRY, Duration::from_secs) }
}

/// What matters of a problem body.
#[derive(Deserialize)]
struct Refusal<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}
