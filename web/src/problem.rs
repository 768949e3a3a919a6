//! Problem responses: RFC 9457, `application/problem+json`.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use ecs_domain::{Violation, Violations};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of every problem.
pub const CONTENT_TYPE_PROBLEM: &str = "application/problem+json";

/// What kind of problem it is. Each kind owns its status and its title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The body is not what its content type says, or not all there; or the query can't be read.
    Malformed,
    /// There are no credentials, or they don't hold.
    Unauthorized,
    /// The credentials hold, but not for this.
    Forbidden,
    /// There is no such thing, or it isn't yours.
    NotFound,
    /// The path exists, the method doesn't.
    MethodNotAllowed,
    /// It clashes with what is there.
    Conflict,
    /// It was there once.
    Gone,
    /// The body is over its limit.
    TooLarge,
    /// The body has the wrong content type.
    UnsupportedMediaType,
    /// The body is well-formed, its values are not valid.
    Invalid,
    /// The caller asks too often.
    RateLimited,
    /// A fault of ours.
    Internal,
    /// More than can be taken right now.
    Overloaded,
    /// Something that we need is down.
    Unavailable,
    /// We took too long.
    Timeout,
}

impl Code {
    /// Every kind there is.
    pub const ALL: [Self; 15] = [
        Self::Malformed,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::Gone,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::Invalid,
        Self::RateLimited,
        Self::Internal,
        Self::Overloaded,
        Self::Unavailable,
        Self::Timeout,
    ];

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Gone => StatusCode::GONE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Overloaded | Self::Unavailable | Self::Timeout => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The problem's type and its title: the same for every problem of the kind.
    #[must_use]
    pub fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::Malformed => ("urn:ecs:problem:malformed", "The request is malformed"),
            Self::Unauthorized => ("urn:ecs:problem:unauthorized", "Authentication is needed"),
            Self::Forbidden => ("urn:ecs:problem:forbidden", "This is not allowed"),
            Self::NotFound => ("urn:ecs:problem:not-found", "There is no such thing"),
            Self::MethodNotAllowed => {
                ("urn:ecs:problem:method-not-allowed", "The method is not allowed here")
            }
            Self::Conflict => ("urn:ecs:problem:conflict", "It clashes with what is there"),
            Self::Gone => ("urn:ecs:problem:gone", "It is no longer there"),
            Self::TooLarge => ("urn:ecs:problem:too-large", "The body is too large"),
            Self::UnsupportedMediaType => {
                ("urn:ecs:problem:unsupported-media-type", "The content type is not supported")
            }
            Self::Invalid => ("urn:ecs:problem:invalid", "Values are not valid"),
            Self::RateLimited => ("urn:ecs:problem:rate-limited", "This was asked too often"),
            Self::Internal => ("urn:ecs:problem:internal", "Something went wrong on our side"),
            Self::Overloaded => ("urn:ecs:problem:overloaded", "Too much is going on"),
            Self::Unavailable => ("urn:ecs:problem:unavailable", "Something that is needed is unavailable"),
            Self::Timeout => ("urn:ecs:problem:timeout", "It took too long"),
        }
    }
}

/// What went wrong, as the client hears it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    errors: Vec<Violation>,
    retry_after: Option<Duration>,
}

impl Problem {
    fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }

    /// 400: the request can't be read.
    #[must_use]
    pub fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Malformed, detail)
    }

    /// 401: who are you?
    #[must_use]
    pub fn unauthorized(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unauthorized, detail)
    }

    /// 403: known, but not allowed.
    #[must_use]
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Forbidden, detail)
    }

    /// 404: not there, or not yours, which must look the same.
    #[must_use]
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::NotFound, detail)
    }

    /// 405. Who makes it adds the `Allow` header.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::new(Code::MethodNotAllowed, "the Allow header names the methods of this path")
    }

    /// 409: it clashes with what is there.
    #[must_use]
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Conflict, detail)
    }

    /// 410: too late.
    #[must_use]
    pub fn gone(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Gone, detail)
    }

    /// 413: the body is over its limit.
    #[must_use]
    pub fn too_large(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::TooLarge, detail)
    }

    /// 415: the body has the wrong content type.
    #[must_use]
    pub fn unsupported_media_type(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::UnsupportedMediaType, detail)
    }

    /// 422: these values are not valid.
    #[must_use]
    pub fn invalid(violations: impl Into<Violations>) -> Self {
        let errors = violations.into().into_vec();
        Self { errors, ..Self::new(Code::Invalid, "see errors for the fields") }
    }

    /// 429: this caller asks too often; `detail` says for what.
    #[must_use]
    pub fn rate_limited(detail: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        Self::new(Code::RateLimited, detail).retry_after(retry_after)
    }

    /// 503: too much at once; nothing was accepted.
    #[must_use]
    pub fn overloaded(retry_after: Duration) -> Self {
        Self::new(Code::Overloaded, "nothing was accepted, try again later").retry_after(retry_after)
    }

    /// 503: no more of these at once; `detail` says of what.
    #[must_use]
    pub fn no_room(detail: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        Self::new(Code::Overloaded, detail).retry_after(retry_after)
    }

    /// 503: something that we need is down. `dependency` is our word for it: `store`, `bus`, `credit-analysis`.
    #[must_use]
    pub fn unavailable(dependency: &'static str, retry_after: Duration) -> Self {
        Self::new(Code::Unavailable, format!("{dependency} is unavailable")).retry_after(retry_after)
    }

    /// 503: this process is not ready, or no longer, for this reason.
    #[must_use]
    pub fn not_ready(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unavailable, detail).retry_after(Duration::from_secs(1))
    }

    /// 503: the answer was not there in time. Whether the request had its effect is not known.
    #[must_use]
    pub fn timeout() -> Self {
        Self::new(Code::Timeout, "the answer was not ready in time").retry_after(Duration::from_secs(1))
    }

    /// 500. The client hears nothing of the cause; the log hears it, once and here.
    #[must_use]
    pub fn internal(cause: &(dyn Error + 'static)) -> Self {
        let mut causes = Vec::new();
        let mut source = cause.source();
        while let Some(error) = source {
            causes.push(error.to_string());
            source = error.source();
        }
        tracing::error!(error = %cause, ?causes, "a request failed on our side");
        Self::unexplained()
    }

    /// 500 after a panic, which the panic hook has logged.
    #[must_use]
    pub fn panicked() -> Self {
        tracing::error!("a request's handler panicked");
        Self::unexplained()
    }

    /// 500 whose cause somebody else has logged.
    pub(crate) fn unexplained() -> Self {
        Self::new(Code::Internal, "the log has the cause under this request's id")
    }

    /// The same kind of problem in other words.
    pub(crate) fn in_words(self, detail: &str) -> Self {
        Self { detail: detail.to_owned().into(), ..self }
    }

    /// The same with a time after which another try is worth it.
    pub(crate) fn retry_after(self, after: Duration) -> Self {
        Self { retry_after: Some(after), ..self }
    }

    /// What kind of problem it is.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// What it says.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The fields that a 422 names.
    #[must_use]
    pub fn errors(&self) -> &[Violation] {
        &self.errors
    }

    /// The body, with the request's id where it is known.
    pub(crate) fn render(&self, request_id: Option<&str>) -> Vec<u8> {
        let (kind, title) = self.code.name();
        let status = self.code.status().as_u16();
        let errors =
            self.errors.iter().map(|error| WireError { field: &error.field, message: &error.message });
        let wire = Wire { kind, title, status, detail: &self.detail, errors: errors.collect(), request_id };
        // Strings and a number are all there is in it, so this can't fail.
        serde_json::to_vec(&wire).unwrap_or_default()
    }
}

/// What went wrong (RFC 9457). `type` and `title` belong together; `detail` is for people.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Wire<'a> {
    /// Which kind of problem: `urn:ecs:problem:` and its name.
    #[serde(rename = "type")]
    #[schema(pattern = "^urn:ecs:problem:[a-z-]+$")]
    kind: &'a str,
    /// The kind in words.
    title: &'a str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What went wrong with this request.
    detail: &'a str,
    /// Only of a 422: every invalid field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(inline)]
    errors: Vec<WireError<'a>>,
    /// What to name when you ask about it: the log has it.
    #[serde(rename = "requestId", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    request_id: Option<&'a str>,
}

#[derive(Serialize, ToSchema)]
struct WireError<'a> {
    /// The field's path; `body` is the document itself.
    field: &'a str,
    /// What its value must be.
    message: &'a str,
}

impl IntoResponse for Problem {
    /// The problem also goes into the response's extensions, so that the outermost layer can add the request's id.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.render(None)));
        *response.status_mut() = self.code.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE_PROBLEM));
        if self.code == Code::Unauthorized {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(after) = self.retry_after {
            // The header counts whole seconds; rounding down to 0 would invite a stampede.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Violations> for Problem {
    fn from(violations: Violations) -> Self {
        Self::invalid(violations)
    }
}
