//! `/healthz`: the process lives. `/readyz`: it can serve.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::{Json, Router};
use futures::future::{BoxFuture, join_all};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;

use crate::Problem;
use crate::auth::PolicedRoutes as _;
use crate::auth::policy::Anyone;
use crate::openapi::{OpenApiRouter, tag};
use crate::policed;

/// A check that takes longer counts as failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

type Check = dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync;

/// What has to hold for the process to be ready.
#[derive(Clone)]
pub struct Health {
    draining: CancellationToken,
    checks: Vec<(&'static str, Arc<Check>)>,
}

/// How the process is.
#[derive(Serialize, ToSchema)]
#[schema(as = Health, examples(json!({"status": "ready"})))]
struct Body {
    /// In a word.
    status: &'static str,
}

impl Health {
    /// Ready until `draining` is cancelled.
    #[must_use]
    pub fn new(draining: CancellationToken) -> Self {
        Self { draining, checks: Vec::new() }
    }

    /// Ready only while `check` succeeds, too. Its name appears in the answer, its error only in the log.
    #[must_use]
    pub fn check<F>(mut self, name: &'static str, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.checks.push((name, Arc::new(move || Box::pin(check()))));
        self
    }

    /// The two routes. Nobody needs a token for them.
    pub fn routes(self) -> Router {
        Self::api().with_state(self).into()
    }

    /// What they say in the platform's document.
    #[must_use]
    pub fn openapi() -> OpenApi {
        Self::api().into_openapi()
    }

    fn api() -> OpenApiRouter<Self> {
        OpenApiRouter::default().policed(policed!(alive)).policed(policed!(ready))
    }

    /// The names of the checks that fail right now. They run at the same time.
    async fn failing(&self) -> Vec<&'static str> {
        let results = join_all(self.checks.iter().map(async |(name, check)| {
            let result = tokio::time::timeout(CHECK_TIMEOUT, check()).await;
            match result.unwrap_or_else(|_| Err("it took too long".to_owned())) {
                Ok(()) => None,
                Err(error) => {
                    tracing::warn!(check = name, error, "not ready");
                    Some(*name)
                }
            }
        }));
        results.await.into_iter().flatten().collect()
    }
}

/// Does the process live?
#[utoipa::path(
    get, path = "/healthz", operation_id = "getHealth", tag = tag::HEALTH,
    responses((status = OK, description = "It lives.", body = Body, example = json!({"status": "alive"}))),
)]
async fn alive(_: Anyone) -> Json<Body> {
    Json(Body { status: "alive" })
}

/// Can the process serve?
///
/// It can't while it stops, and while something that it needs is down: the store, the bus.
#[utoipa::path(
    get, path = "/readyz", operation_id = "getReadiness", tag = tag::HEALTH,
    responses((status = OK, description = "It can.", body = Body)),
)]
async fn ready(_: Anyone, State(health): State<Health>) -> Result<Json<Body>, Problem> {
    if health.draining.is_cancelled() {
        return Err(Problem::not_ready("the process is stopping"));
    }
    let failing = health.failing().await;
    if failing.is_empty() {
        return Ok(Json(Body { status: "ready" }));
    }
    Err(Problem::not_ready(format!("down: {}", failing.join(", "))))
}
