//! The handle that forwards whole requests.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use tower::Service as _;

use super::remote::{Forwarding, Remote};

/// A role that requests are forwarded to. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Upstream {
    role: &'static str,
    via: Via,
}

/// How the role is reached.
#[derive(Debug, Clone)]
enum Via {
    Process(Arc<Router>),
    Http(Remote),
}

impl Upstream {
    /// A role in this process. `routes` come without the listener's layers: those have run when a request gets here.
    #[must_use]
    pub fn in_process(role: &'static str, routes: Router) -> Self {
        Self { role, via: Via::Process(Arc::new(routes)) }
    }

    /// A role in other processes.
    #[must_use]
    pub fn over_http(remote: Remote) -> Self {
        Self { role: remote.role(), via: Via::Http(remote) }
    }

    /// The role's name.
    #[must_use]
    pub fn role(&self) -> &'static str {
        self.role
    }

    /// Hands the request on as it is: a role in this process gets the body unread and the context and the identity
    /// that were established for it. A role elsewhere gets the method, the path, the body as it comes and the headers
    /// that the client sent, among them its credentials, and verifies them itself: what was established here is a
    /// value of this process, and has no form in which it could be sent.
    pub async fn forward(&self, request: Request) -> Response {
        tracing::Span::current().record("role", self.role);
        match &self.via {
            Via::Process(routes) => {
                let mut routes = Router::clone(routes);
                let response: Result<Response, Infallible> = routes.call(request).await;
                response.unwrap_or_else(|never| match never {})
            }
            Via::Http(remote) => match Forwarding::of(request).await {
                Ok(forwarding) => remote.forward(forwarding).await,
                Err(problem) => problem.into_response(),
            },
        }
    }
}
