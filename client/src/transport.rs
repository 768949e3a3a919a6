//! One exchange over HTTP/1.1: connections are kept and reused, and every exchange has a deadline.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use ecs_tls::{Connector, Roots};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::{CallError, Problem, Retries, TransportError};

/// The longest answer that is read, in bytes. The books list up to 10,000 keys at a time.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
const INTERNAL_KEY: HeaderName = HeaderName::from_static("x-internal-key");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Nearly every body is one piece; only NDJSON comes in a stream.
pub(crate) type RequestBody = Either<Full<Bytes>, UnsyncBoxBody<Bytes, Infallible>>;

/// The body of an answer that goes on.
pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, TransportError>;

/// What a caller proves itself with. It doesn't print.
#[derive(Clone, Default)]
pub struct Credentials {
    /// `X-Internal-Key`, which emotion events need.
    pub internal_key: Option<String>,
    /// The bearer token, which nearly everything else needs.
    pub token: Option<String>,
}

/// A client of the platform. Clones share their connections.
#[derive(Clone)]
pub struct Client {
    http: legacy::Client<Connector, RequestBody>,
    target: Arc<Target>,
    internal_key: Option<HeaderValue>,
    bearer: Option<HeaderValue>,
    deadline: Duration,
    pub(crate) retries: Retries,
}

struct Target {
    scheme: Scheme,
    authority: Authority,
}

/// Which credential a call shows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Auth {
    Nothing,
    Token,
    InternalKey,
}

/// An answer of any status.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

impl Client {
    /// A client of the platform at `base_url`, such as `http://127.0.0.1:9999`, or `https://` where the system trusts
    /// whoever signed its certificate. Nothing is connected yet.
    pub fn new(base_url: &str, credentials: &Credentials) -> anyhow::Result<Self> {
        Self::trusting(base_url, credentials, || Ok(Roots::load(None)?))
    }

    /// The same with other authorities to trust, which are looked for only if the address begins with `https://`.
    pub fn trusting(
        base_url: &str,
        credentials: &Credentials,
        roots: impl FnOnce() -> anyhow::Result<Roots>,
    ) -> anyhow::Result<Self> {
        let target = Target::parse(base_url)?;
        let tls = match target.scheme == Scheme::HTTPS {
            true => Some(Arc::new(roots()?.client_config()?)),
            false => None,
        };
        let connector = Connector::new(tls, Duration::from_secs(5));
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector);
        Ok(Self {
            http,
            target: Arc::new(target),
            internal_key: credentials.internal_key.as_deref().map(secret_header).transpose()?,
            bearer: credentials.token.as_deref().map(bearer).transpose()?,
            deadline: Duration::from_secs(10),
            retries: Retries::BRIEF,
        })
    }

    /// The same client with another bearer token.
    pub fn with_token(&self, token: &str) -> anyhow::Result<Self> {
        Ok(Self { bearer: Some(bearer(token)?), ..self.clone() })
    }

    /// The same client with another deadline for each exchange; ten seconds is what it begins with.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// The same client with other retries for the calls that carry the caller's own id.
    #[must_use]
    pub fn with_retries(self, retries: Retries) -> Self {
        Self { retries, ..self }
    }

    /// The address, without credentials or a path.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("{}://{}", self.target.scheme, self.target.authority)
    }

    /// Sends a document and reads one, whatever the good status is.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: PathAndQuery,
        auth: Auth,
        document: &(impl Serialize + Sync),
    ) -> Result<T, CallError> {
        let request = self.request(method, path, auth, JSON, one_piece(to_json(document)?))?;
        self.exchange(request).await?.good()?.read()
    }

    /// Sends a document that creates something, under a key of its own: it has one effect however often it is sent, and
    /// is retried.
    pub(crate) async fn create(
        &self,
        path: PathAndQuery,
        auth: Auth,
        document: &(impl Serialize + Sync),
    ) -> Result<Answer, CallError> {
        let body = to_json(document)?;
        let key = HeaderValue::from_str(&Uuid::new_v4().to_string());
        let key = key.map_err(|_| TransportError::Unreadable("request".to_owned()))?;
        let attempt = || async {
            let mut request =
                self.request(Method::POST, path.clone(), auth, JSON, one_piece(body.clone()))?;
            request.headers_mut().insert(IDEMPOTENCY_KEY, key.clone());
            self.exchange(request).await?.good()
        };
        self.retries.run(attempt, |_| {}).await
    }

    /// Reads a document.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: PathAndQuery,
        auth: Auth,
    ) -> Result<T, CallError> {
        let request = self.request(Method::GET, path, auth, JSON, one_piece(Bytes::new()))?;
        self.exchange(request).await?.good()?.read()
    }

    /// Puts a request together.
    pub(crate) fn request(
        &self,
        method: Method,
        path: PathAndQuery,
        auth: Auth,
        content_type: HeaderValue,
        body: RequestBody,
    ) -> Result<Request<RequestBody>, CallError> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.target.scheme.clone());
        parts.authority = Some(self.target.authority.clone());
        parts.path_and_query = Some(path);
        let uri = Uri::from_parts(parts).map_err(|_| TransportError::Unreachable)?;
        let has_body = method != Method::GET && method != Method::DELETE;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, JSON);
        if has_body {
            headers.insert(CONTENT_TYPE, content_type);
        }
        self.authorize(headers, auth);
        Ok(request)
    }

    /// A credential that the client doesn't have is left out: the platform's 401 says what is missing.
    fn authorize(&self, headers: &mut HeaderMap, auth: Auth) {
        let (name, value) = match auth {
            Auth::Nothing => return,
            Auth::Token => (AUTHORIZATION, &self.bearer),
            Auth::InternalKey => (INTERNAL_KEY, &self.internal_key),
        };
        if let Some(value) = value {
            headers.insert(name, value.clone());
        }
    }

    /// Sends a request and reads the whole answer, within the deadline.
    pub(crate) async fn exchange(&self, request: Request<RequestBody>) -> Result<Answer, CallError> {
        match tokio::time::timeout(self.deadline, self.send(request)).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(TransportError::Deadline(self.deadline).into()),
        }
    }

    /// Sends a request whose good answer goes on. The deadline is for its beginning.
    pub(crate) async fn open(&self, request: Request<RequestBody>) -> Result<AnswerBody, CallError> {
        let deadline = tokio::time::Instant::now() + self.deadline;
        let late = |_| TransportError::Deadline(self.deadline);
        let answer = tokio::time::timeout_at(deadline, self.begin(request)).await.map_err(late)??;
        if answer.status().is_success() {
            return Ok(answer.into_body().map_err(|_| TransportError::Broken).boxed_unsync());
        }
        let answer = tokio::time::timeout_at(deadline, whole(answer)).await.map_err(late)??;
        // Its status is none of success, so there is an error.
        answer.good().and(Err(TransportError::Broken.into()))
    }

    async fn send(&self, request: Request<RequestBody>) -> Result<Answer, TransportError> {
        whole(self.begin(request).await?).await
    }

    async fn begin(&self, request: Request<RequestBody>) -> Result<Response<Incoming>, TransportError> {
        self.http.request(request).await.map_err(|error| {
            if error.is_connect() { TransportError::Unreachable } else { TransportError::Broken }
        })
    }
}

/// Reads an answer to its end.
async fn whole(answer: Response<Incoming>) -> Result<Answer, TransportError> {
    let status = answer.status();
    let retry_after = retry_after(answer.headers());
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    let body = body.map_err(|_| TransportError::Broken)?.to_bytes();
    Ok(Answer { status, retry_after, body })
}

impl Target {
    fn parse(base_url: &str) -> anyhow::Result<Self> {
        let uri: Uri = base_url.parse().context("the platform's address is not a URL")?;
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            bail!("the platform's address must look like http://127.0.0.1:9999");
        };
        if ![Scheme::HTTP, Scheme::HTTPS].contains(&scheme) {
            bail!("the platform's address must begin with http:// or https://");
        }
        if parts.path_and_query.is_some_and(|path| path != "/") {
            bail!("the platform's address must not have a path");
        }
        Ok(Self { scheme, authority })
    }
}

impl Answer {
    /// The answer if its status is one of success, else what it says went wrong.
    pub(crate) fn good(self) -> Result<Self, CallError> {
        match self.status {
            status if status.is_success() => Ok(self),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => self.unavailable(),
            // An earlier attempt of the same call is still being worked on.
            StatusCode::CONFLICT if self.retry_after.is_some() => self.unavailable(),
            status => Err(CallError::Refused { status: status.as_u16(), problem: Problem::read(&self.body) }),
        }
    }

    fn unavailable<T>(&self) -> Result<T, CallError> {
        Err(CallError::Unavailable { status: self.status.as_u16(), retry_after: self.retry_after })
    }

    /// The document. serde's own message may quote the value it stumbled over, so only the place is told.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let place =
                format!("{:?} error in column {} of line {}", error.classify(), error.column(), error.line());
            TransportError::Unreadable(place).into()
        })
    }
}

pub(crate) fn one_piece(body: Bytes) -> RequestBody {
    Either::Left(Full::new(body))
}

pub(crate) fn to_json(document: &impl Serialize) -> Result<Bytes, CallError> {
    // The documents have string keys and finite numbers only, which is all that serialising can fail over.
    let json = serde_json::to_vec(document).map_err(|_| TransportError::Unreadable("request".to_owned()))?;
    Ok(Bytes::from(json))
}

/// A path with ids in it. Ids are UUIDs and numbers, so nothing needs escaping.
pub(crate) fn path(text: String) -> Result<PathAndQuery, CallError> {
    PathAndQuery::try_from(text).map_err(|_| TransportError::Unreachable.into())
}

/// `Retry-After` in seconds; the platform doesn't use dates there.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn bearer(token: &str) -> anyhow::Result<HeaderValue> {
    secret_header(&format!("Bearer {token}"))
}

fn secret_header(value: &str) -> anyhow::Result<HeaderValue> {
    let mut header =
        HeaderValue::from_str(value).context("the token or key has characters that no header can carry")?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_a_host_and_a_port() {
        let check = |base: &str, expect: Option<&str>| {
            let read = Client::new(base, &Credentials::default()).ok().map(|client| client.base_url());
            assert_eq!(read.as_deref(), expect, "{base}");
        };
        check("http://127.0.0.1:9999", Some("http://127.0.0.1:9999"));
        check("http://localhost:9999/", Some("http://localhost:9999"));
        check("https://localhost", Some("https://localhost"));
        check("ftp://localhost", None);
        check("http://localhost/api", None);
        check("localhost", None);
        check("", None);
    }
}
