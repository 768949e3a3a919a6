//! A whole answer, as it is kept under a key and sent again.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use ecs_domain::consent::Locale;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use crate::body::JSON;
use crate::problem::CONTENT_TYPE_PROBLEM;
use crate::{Problem, RequestContext, language};

/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A status with a body: JSON below 400, a problem from there on.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body, to the byte.
    pub body: Bytes,
    /// The language of its texts, for answers that have one: what their field `language` says.
    language: Option<Locale>,
}

/// The part of a body that says in which language it is.
#[derive(Deserialize)]
struct Spoken {
    language: Option<String>,
}

impl Answer {
    /// The answer with this document.
    pub fn json(status: StatusCode, document: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(document).map_err(|error| Problem::internal(&error))?;
        Ok(Self::written(status, body.into()))
    }

    /// The answer with a document that is written out already.
    #[must_use]
    pub fn written(status: StatusCode, body: Bytes) -> Self {
        Self { status, body, language: None }
    }

    /// The same with texts in this language, which the document names in its field `language`.
    #[must_use]
    pub fn in_language(self, locale: Locale) -> Self {
        Self { language: Some(locale), ..self }
    }

    /// An answer that was kept. It is in the language in which it was given, whichever is asked for now.
    #[must_use]
    pub fn kept(status: StatusCode, body: Bytes) -> Self {
        let spoken = serde_json::from_slice(&body).ok().and_then(|spoken: Spoken| spoken.language);
        Self { status, body, language: spoken.and_then(|language| language.parse().ok()) }
    }

    /// The problem as the client of this request hears it, with the request's id.
    #[must_use]
    pub fn problem(problem: &Problem, context: &RequestContext) -> Self {
        let body = problem.render(Some(context.request_id())).into();
        Self { status: problem.code().status(), body, language: None }
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
        match self.language {
            Some(locale) => language::told(locale, response),
            None => response,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_true_is_final() {
        let check = |status: u16, expect: bool| {
            let answer = Answer::kept(StatusCode::from_u16(status).unwrap(), Bytes::new());
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

    #[test]
    fn a_kept_answer_says_its_language_again() {
        let document = serde_json::json!({"language": "pt-BR", "reasons": []});
        let first = Answer::json(StatusCode::OK, &document).unwrap().in_language(Locale::PtBr);
        let again = Answer::kept(first.status, first.body.clone());
        assert!(again == first);
        for response in [first.into_response(), again.replayed()] {
            assert_eq!(response.headers()["content-language"], "pt-BR");
            assert_eq!(response.headers()["vary"], "accept-language");
        }
        for body in ["{}", "[]", "", r#"{"language": "x"}"#, r#"{"language": 7}"#] {
            let plain = Answer::kept(StatusCode::OK, Bytes::from_static(body.as_bytes())).replayed();
            assert!(!plain.headers().contains_key("content-language"), "{body}");
        }
    }
}
