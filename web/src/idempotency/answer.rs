//! A whole answer, as it is kept under a key and sent again.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use crate::body::JSON;
use crate::problem::CONTENT_TYPE_PROBLEM;
use crate::{Problem, RequestContext};

/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A status with a body: JSON below 400, a problem from there on.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body, to the byte.
    pub body: Bytes,
}

impl Answer {
    /// The answer with this document.
    pub fn json(status: StatusCode, document: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(document).map_err(|error| Problem::internal(&error))?;
        Ok(Self { status, body: body.into() })
    }

    /// The problem as the client of this request hears it, with the request's id.
    #[must_use]
    pub fn problem(problem: &Problem, context: &RequestContext) -> Self {
        let body = problem.render(Some(context.request_id())).into();
        Self { status: problem.code().status(), body }
    }

    /// Whether a repetition should hear it again. A fault of ours or an overload may be gone by then, and who may do
    /// what is decided anew each time.
    #[must_use]
    pub fn is_final(&self) -> bool {
        let refused = matches!(self.status.as_u16(), 401 | 403 | 429);
        !self.status.is_server_error() && !refused
    }

    /// The same answer, marked as one that was given before.
    #[must_use]
    pub fn replayed(self) -> Response {
        let mut response = self.into_response();
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        response
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let is_problem = self.status.is_client_error() || self.status.is_server_error();
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let content_type = if is_problem { CONTENT_TYPE_PROBLEM } else { JSON };
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_true_is_final() {
        let check = |status: u16, expect: bool| {
            let answer = Answer { status: StatusCode::from_u16(status).unwrap(), body: Bytes::new() };
            assert_eq!(answer.is_final(), expect, "{status}");
        };
        [200, 201, 202, 404, 409, 410].into_iter().for_each(|status| check(status, true));
        [401, 403, 429, 500, 503].into_iter().for_each(|status| check(status, false));
    }

    #[test]
    fn an_answer_reads_the_same_again_but_for_its_mark() {
        let context = RequestContext::make();
        let problem = Problem::gone("the offer has expired");
        let answer = Answer::problem(&problem, &context);
        let first = answer.clone().into_response();
        let again = answer.clone().replayed();
        assert_eq!((first.status(), again.status()), (StatusCode::GONE, StatusCode::GONE));
        assert_eq!(first.headers()[CONTENT_TYPE], again.headers()[CONTENT_TYPE]);
        assert_eq!(first.headers()[CONTENT_TYPE], CONTENT_TYPE_PROBLEM);
        assert!(!first.headers().contains_key(REPLAYED));
        assert_eq!(again.headers()[REPLAYED], "true");
        assert!(String::from_utf8_lossy(&answer.body).contains(context.request_id()));
    }
}
