//! From a request to its row, its credentials' check, and its role.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use ecs_limits::Decision;
use ecs_web::auth::service_keys;
use ecs_web::{Identity, Peer, Problem};
use futures::future::{BoxFuture, ready};
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method};
use tower::Service;

use crate::Edge;
use crate::limits::{Caller, Refusal, tell};
use crate::table::{Access, ROUTES, Route};

type Answer = BoxFuture<'static, Result<Response, Infallible>>;

/// The gateway as a service over its table.
#[derive(Clone)]
pub(crate) struct Dispatch(Arc<Edge>);

impl Dispatch {
    pub(crate) fn new(edge: Arc<Edge>) -> Self {
        Self(edge)
    }

    /// The role's answer to come, or the gateway's own.
    fn route(&self, request: Request) -> Answer {
        let (method, path) = (request.method(), request.uri().path());
        let Some(row) = ROUTES.iter().find(|row| row.takes(method) && row.matches(path)) else {
            return own(unrouted(path));
        };
        let (mut parts, body) = request.into_parts();
        let decision = match self.admit(row, &mut parts) {
            Ok(decision) => decision,
            Err(refused) => return own(*refused),
        };
        let upstream = row.target.upstream(&self.0.upstreams).clone();
        let request = Request::from_parts(parts, body);
        Box::pin(async move { Ok(tell(upstream.forward(request).await, decision)) })
    }

    /// Knows the caller and counts the call. Whose credentials don't hold counts by address, so that guessing at them has a
    /// limit, too; whose token was verified and can't be let in for a while is no guesser, and counts as its bearer.
    fn admit(&self, row: &Route, parts: &mut Parts) -> Result<Option<Decision>, Box<Response>> {
        let caller = self.caller(row.access, parts);
        let counted = match &caller {
            Ok(caller) => *caller,
            Err(_) => parts.extensions.get().map_or_else(|| self.somebody(parts), Caller::bearing),
        };
        let decision = self.0.gate.pass(row.class, counted, || self.0.auth.clock.now());
        match (caller, decision) {
            (_, Some(refused)) if !refused.allowed => Err(Box::new(Refusal(refused).into())),
            (Ok(_), decision) => Ok(decision),
            (Err(problem), decision) => Err(Box::new(tell(problem.into_response(), decision))),
        }
    }

    /// Checks the credentials that the row asks for. What was verified goes along in the request's extensions, so a
    /// role in this process need not verify the same signature twice; no header is involved.
    fn caller(&self, access: Access, parts: &mut Parts) -> Result<Caller, Problem> {
        let auth = &self.0.auth;
        match access {
            Access::Public => Ok(self.somebody(parts)),
            Access::Token => Identity::current(parts, auth).map(|identity| Caller::bearing(&identity)),
            Access::TokenAsLastKnown => {
                Identity::last_known(parts, auth).map(|identity| Caller::bearing(&identity))
            }
            Access::Key(permission) => service_keys::verify(parts, auth, permission).map(Caller::Service),
        }
    }

    fn somebody(&self, parts: &Parts) -> Caller {
        self.0.gate.somebody(parts.extensions.get::<Peer>().copied(), &parts.headers)
    }
}

fn own(response: Response) -> Answer {
    Box::pin(ready(Ok(response)))
}

/// 405 where the path takes other methods, else 404.
fn unrouted(path: &str) -> Response {
    let allowed = allowed(path);
    if allowed.is_empty() {
        return Problem::not_found("there is no such path").into_response();
    }
    let mut response = Problem::method_not_allowed().into_response();
    if let Ok(allow) = HeaderValue::from_str(&allowed.join(",")) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// The methods that the path may be called with; none when there is no such path.
fn allowed(path: &str) -> Vec<&'static str> {
    // A row that names the path word for word hides those with an id in its place, as it does in the roles.
    let named = ROUTES.iter().any(|row| row.path == path);
    let rows = ROUTES.iter().filter(|row| if named { row.path == path } else { row.matches(path) });
    let mut methods: Vec<&str> = rows.flat_map(|row| row.methods).map(Method::as_str).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods
}

impl Service<Request> for Dispatch {
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.route(request)
    }
}
