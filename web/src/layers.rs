//! What happens around every request, once per listener: context, span, panics, timeout, problems, access log.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use ecs_metrics::{InFlight, Metrics};
use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, StatusCode, Uri};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span};

use crate::body::{EVENTS, NDJSON, has_media_type};
use crate::context::{REQUEST_ID, RequestContext};
use crate::shedding::{Place, Places, Seated};
use crate::{Limits, Meter, Problem, deadline};

/// When who was one too many shall come back.
const RETRY: Duration = Duration::from_secs(1);
/// The same for a stream: places for these become free rarely.
const RETRY_STREAM: Duration = Duration::from_secs(10);

/// Answers are about people: nobody on their way keeps one, and no browser guesses at its type, runs anything in it or shows it in
/// a frame. Pages for browsers say what they need instead.
const PROTECTING: [(HeaderName, HeaderValue); 3] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
];

/// Puts the standard layers around the routes of a listener. `role` is who answers, unless the request is forwarded.
///
/// It is one layer rather than six: the hot path pays for one boxed future. From outside in: the context is taken or
/// made, the span opens, who is too many is refused, the timeout starts, a panic is caught; then empty 404 and 405
/// answers become problems, problems get the request's id, the id is echoed, the answer is protected, and one line goes to the access log.
///
/// Nobody sees what is counted; a process uses [`metered`].
pub fn standard(router: Router, role: &'static str, limits: Limits) -> Router {
    metered(router, role, limits, Meter::new(&Metrics::new(), role, []))
}

/// The same, and `meter` counts each request: first of all, and last of all.
pub fn metered(router: Router, role: &'static str, limits: Limits, meter: Meter) -> Router {
    let (requests, streams) = (Places::new(limits.max_in_flight), Places::new(limits.max_streams));
    router.layer(StandardLayer { role, limits, requests, streams, meter })
}

#[derive(Clone)]
struct StandardLayer {
    role: &'static str,
    limits: Limits,
    requests: Places,
    streams: Places,
    meter: Meter,
}

impl<S> Layer<S> for StandardLayer {
    type Service = Standard<S>;

    fn layer(&self, inner: S) -> Standard<S> {
        Standard { inner, layer: self.clone() }
    }
}

#[derive(Clone)]
struct Standard<S> {
    inner: S,
    layer: StandardLayer,
}

impl<S> Service<Request> for Standard<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let seen = Seen::of(&request, self.layer.meter.endpoint(request.uri().path()).enter());
        let time = deadline::allowed(request.headers(), self.layer.time(&request));
        let context = RequestContext::from_headers(request.headers()).within(time);
        let span = seen.span(&context, self.layer.role);
        let place = match self.layer.admit(&request, time) {
            Ok(place) => place,
            Err(problem) => {
                let response = finish(problem.into_response(), &context);
                seen.log_refused(&span, response.status());
                seen.count(response.status());
                return Box::pin(ready(Ok(response)));
            }
        };
        request.extensions_mut().insert(context.clone());
        let streams = self.layer.streams.clone();
        // Routing and extractors may run right here, so this belongs into the span, too.
        let answer = span.in_scope(|| self.inner.call(request));
        Box::pin(async move {
            let response = guard(answer, time).instrument(span.clone()).await;
            let response = finish(seated(response, &streams), &context);
            drop(place);
            seen.log(&span, &context, response.status());
            seen.count(response.status());
            Ok(response)
        })
    }
}

impl StandardLayer {
    /// How long the answer may take.
    fn time(&self, request: &Request) -> Duration {
        if may_take_long(request) { self.limits.stream_timeout } else { self.limits.request_timeout }
    }

    /// The request's place until its answer is there, or why it isn't even begun. Who asks how the process is gets an
    /// answer without one: above all under load, it must be known to be alive.
    fn admit(&self, request: &Request, time: Duration) -> Result<Option<Place>, Problem> {
        if time.is_zero() {
            return Err(Problem::timeout());
        }
        if matches!(request.uri().path(), "/healthz" | "/readyz" | "/metrics") {
            return Ok(None);
        }
        let place = self.requests.take();
        if place.is_none() {
            self.meter.endpoint(request.uri().path()).shed();
        }
        place.map(Some).ok_or_else(|| Problem::overloaded(RETRY))
    }
}

/// An answer that goes on for as long as its client listens keeps a place of another kind: requests in flight come and
/// go, streams stay, and the ones shall not wait for the others.
fn seated(response: Response, streams: &Places) -> Response {
    if !has_media_type(response.headers(), EVENTS) {
        return response;
    }
    match streams.take() {
        Some(place) => response.map(|body| Body::new(Seated::new(body, place))),
        None => Problem::no_room("as many streams are open as can be served", RETRY_STREAM).into_response(),
    }
}

/// Uploads, whose clients set the pace, the balance of the books, which walks the whole log, and exports, which read everybody.
fn may_take_long(request: &Request) -> bool {
    match request.uri().path() {
        "/v1/emotions/stream" => has_media_type(request.headers(), NDJSON),
        path => ["/v1/operations/books", "/v1/research/exports"].contains(&path),
    }
}

/// What the access log and the metrics need of a request that has been handed on.
struct Seen {
    method: Method,
    uri: Uri,
    started: Instant,
    /// One of the two routes whose accepted events would drown the log.
    hot: bool,
    in_flight: InFlight,
}

impl Seen {
    fn of(request: &Request, in_flight: InFlight) -> Self {
        let hot = matches!(request.uri().path(), "/v1/emotions/stream" | "/v1/transactions");
        let (method, uri) = (request.method().clone(), request.uri().clone());
        Self { method, uri, started: Instant::now(), hot, in_flight }
    }

    /// The hot routes have a span only when somebody listens at debug.
    fn span(&self, context: &RequestContext, role: &'static str) -> Span {
        let (request_id, trace_id) = (context.request_id(), context.trace_id());
        let empty = tracing::field::Empty;
        if self.hot {
            tracing::debug_span!("request", request_id, trace_id, role, user_id = empty)
        } else {
            tracing::info_span!("request", request_id, trace_id, role, user_id = empty)
        }
    }

    /// When more comes than can be taken, a line for each would make it worse.
    fn log_refused(&self, span: &Span, status: StatusCode) {
        let (method, path, status) = (self.method.as_str(), self.uri.path(), status.as_u16());
        span.in_scope(|| tracing::debug!(method, path, status, "refused"));
    }

    /// It was answered. A request whose client has gone before that is not counted.
    fn count(self, status: StatusCode) {
        let Self { method, started, in_flight, .. } = self;
        in_flight.answered(method.as_str(), status.as_u16(), started.elapsed());
    }

    fn log(&self, span: &Span, context: &RequestContext, status: StatusCode) {
        let (method, path, status) = (self.method.as_str(), self.uri.path(), status.as_u16());
        let quiet = (self.hot && status == 202) || matches!(path, "/healthz" | "/readyz" | "/metrics");
        if quiet && !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let duration_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        if quiet {
            span.in_scope(|| tracing::debug!(method, path, status, duration_us, "answered"));
        } else if span.is_disabled() {
            let (request_id, trace_id) = (context.request_id(), context.trace_id());
            tracing::info!(method, path, status, duration_us, request_id, trace_id, "answered");
        } else {
            span.in_scope(|| tracing::info!(method, path, status, duration_us, "answered"));
        }
    }
}

/// The answer, or a problem when it panics or takes too long.
async fn guard(answer: impl Future<Output = Result<Response, Infallible>>, timeout: Duration) -> Response {
    let answer = AssertUnwindSafe(answer).catch_unwind();
    match tokio::time::timeout(timeout, answer).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(never))) => match never {},
        Ok(Err(panic)) => after_panic(panic).into_response(),
        Err(_) => Problem::timeout().into_response(),
    }
}

/// The panic's text may hold values and has been printed by the panic hook, so it isn't looked at.
fn after_panic(panic: Box<dyn Any + Send>) -> Problem {
    drop(panic);
    Problem::panicked()
}

fn finish(mut response: Response, context: &RequestContext) -> Response {
    if response.status().is_client_error() || response.status().is_server_error() {
        response = complete_problem(response, context);
    }
    response.headers_mut().insert(REQUEST_ID, context.header_value());
    for (name, value) in PROTECTING {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// Gives a problem the request's id, and turns the router's empty 404 and 405 into problems.
#[cold]
fn complete_problem(mut response: Response, context: &RequestContext) -> Response {
    let bare = !response.headers().contains_key(CONTENT_TYPE);
    let problem = match (response.extensions_mut().remove::<Problem>(), response.status()) {
        (Some(problem), _) => problem,
        (None, StatusCode::NOT_FOUND) if bare => Problem::not_found("there is no such path"),
        (None, StatusCode::METHOD_NOT_ALLOWED) if bare => Problem::method_not_allowed(),
        (None, _) => return response,
    };
    let (mut head, _) = response.into_parts();
    // The body is about to change its length.
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(crate::problem::CONTENT_TYPE_PROBLEM));
    Response::from_parts(head, Body::from(problem.render(Some(context.request_id()))))
}
