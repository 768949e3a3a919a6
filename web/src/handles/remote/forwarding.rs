//! Whole requests on their way to a role elsewhere, and its answers on their way back.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::StatusCode;
use http::uri::PathAndQuery;
use hyper::body::Incoming;

use super::attempt::{Call, Lost, Verdict};
use super::ending::Ending;
use super::payload::Payload;
use super::silence::Heard;
use super::{Remote, headers};
use crate::{Problem, RequestContext, body};

/// A body up to this size is kept, where that lets its request be sent twice.
const KEPT: u64 = 64 * 1024;
/// When a client shall come back whose role could not be reached.
const RETRY: Duration = Duration::from_secs(1);
/// Without a listener's layers nobody has given a request its time.
const WITHOUT_LAYERS: Duration = Duration::from_secs(30);

/// A request that is to be forwarded.
pub(in crate::handles) struct Forwarding(Call);

impl Forwarding {
    /// Takes from the request what may cross to another process: no extension does.
    pub(in crate::handles) async fn of(request: Request) -> Result<Self, Problem> {
        let (mut head, body) = request.into_parts();
        let context = head.extensions.remove::<RequestContext>();
        let context = context.unwrap_or_else(|| RequestContext::from_headers(&head.headers));
        Call::prepare(&mut head.headers, &context);
        let path = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let repeatable = head.method.is_idempotent();
        let payload = payload(body, repeatable).await?;
        let time = context.time_left().unwrap_or(WITHOUT_LAYERS);
        Ok(Self(Call {
            method: head.method,
            path,
            headers: head.headers,
            payload,
            time,
            repeatable,
            verdict,
        }))
    }
}

/// A body that is empty can be sent again; so can a small one, once it is here, which is worth the wait only where it
/// would be sent again.
async fn payload(body: Body, repeatable: bool) -> Result<Payload, Problem> {
    if body.is_end_stream() {
        return Ok(Payload::Bytes(Bytes::new()));
    }
    let small = body.size_hint().exact().filter(|size| *size <= KEPT);
    match small {
        Some(size) if repeatable => {
            let limit = usize::try_from(size).unwrap_or(usize::MAX);
            Ok(Payload::Bytes(body::collect(body, limit).await?))
        }
        Some(_) | None => Ok(Payload::stream(body)),
    }
}

/// A role that answers is well, even when what it answers is that something else is down: only it knows whether its
/// other answers need that. A proxy that couldn't reach it speaks for it.
fn verdict(status: StatusCode) -> Verdict {
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => Verdict::Ill,
        StatusCode::SERVICE_UNAVAILABLE => Verdict::Busy,
        _ => Verdict::Well,
    }
}

impl Remote {
    /// The role's answer as it is, or a problem where there is none.
    pub(in crate::handles) async fn forward(&self, Forwarding(call): Forwarding) -> Response {
        match self.send(&call).await {
            Ok(answered) => self.pass_on(answered.response),
            Err(lost) => self.problem(lost).into_response(),
        }
    }

    /// The answer with its body as it comes. When that breaks off or falls silent, so does the connection to the client: what was only
    /// a part of an answer never looks like the whole.
    fn pass_on(&self, response: http::Response<Incoming>) -> Response {
        let (mut head, content) = response.into_parts();
        headers::strip(&mut head.headers);
        // What our client noted about the connection is no part of the answer.
        head.extensions.clear();
        let events = body::has_media_type(&head.headers, body::EVENTS);
        let content = Heard::new(content, self.role(), self.0.silence);
        let body =
            if events { Body::new(Ending::new(content, &self.0.stopping)) } else { Body::new(content) };
        Response::from_parts(head, body)
    }

    fn problem(&self, lost: Lost) -> Problem {
        match lost {
            Lost::Open { retry_after } => Problem::unavailable(self.role(), retry_after),
            Lost::Unreachable | Lost::Broken => Problem::unavailable(self.role(), RETRY),
            Lost::Late => Problem::timeout(),
            Lost::Full => Problem::overloaded(RETRY),
            Lost::Sender => Problem::malformed("the body broke off"),
        }
    }
}
