//! Handles to other roles: callers can't tell whether a role runs in this process.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use ecs_domain::features::Features;
use ecs_domain::scorecard::Assessment;
use tower::Service as _;

use crate::{Problem, RequestContext};

/// The role credit-analysis.
#[async_trait]
pub trait CreditAnalysis: Send + Sync + 'static {
    /// What the model says of these features.
    async fn assess(&self, features: &Features, context: &RequestContext) -> Result<Assessment, HandleError>;
}

/// Why another role gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// It can't be reached, or says that it can't serve now. Worth another try.
    #[error("{role} is unavailable")]
    Unavailable {
        /// Which role.
        role: &'static str,
        /// When another try is worth it.
        retry_after: Duration,
    },
    /// It didn't answer in time. Worth another try.
    #[error("{role} did not answer in time")]
    Timeout {
        /// Which role.
        role: &'static str,
    },
    /// It answered with something that it should not. A fault of ours.
    #[error("{role} gave a wrong answer: {reason}")]
    Failed {
        /// Which role.
        role: &'static str,
        /// What was wrong with it; never a value.
        reason: String,
    },
}

impl From<HandleError> for Problem {
    fn from(error: HandleError) -> Self {
        match error {
            HandleError::Unavailable { role, retry_after } => Self::unavailable(role, retry_after),
            HandleError::Timeout { role } => Self::unavailable(role, Duration::from_secs(1)),
            HandleError::Failed { .. } => Self::internal(&error),
        }
    }
}

/// A role that requests are forwarded to. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Upstream {
    role: &'static str,
    via: Via,
}

/// How the role is reached. Roles in other processes come with the real engines.
#[derive(Debug, Clone)]
enum Via {
    Process(Arc<Router>),
}

impl Upstream {
    /// A role in this process. `routes` come without the listener's layers: those have run when a request gets here.
    #[must_use]
    pub fn in_process(role: &'static str, routes: Router) -> Self {
        Self { role, via: Via::Process(Arc::new(routes)) }
    }

    /// The role's name.
    #[must_use]
    pub fn role(&self) -> &'static str {
        self.role
    }

    /// Hands the request on as it is: a role in this process gets the body unread and the context and the identity
    /// that were established for it.
    pub async fn forward(&self, request: Request) -> Response {
        tracing::Span::current().record("role", self.role);
        match &self.via {
            Via::Process(routes) => {
                let mut routes = Router::clone(routes);
                let response: Result<Response, Infallible> = routes.call(request).await;
                response.unwrap_or_else(|never| match never {})
            }
        }
    }
}
