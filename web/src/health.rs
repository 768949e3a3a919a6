//! `/healthz`: the process lives. `/readyz`: it can serve.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use futures::future::{BoxFuture, join_all};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::Problem;

/// A check that takes longer counts as failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

type Check = dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync;

/// What has to hold for the process to be ready.
#[derive(Clone)]
pub struct Health {
    draining: CancellationToken,
    checks: Vec<(&'static str, Arc<Check>)>,
}

#[derive(Serialize)]
struct Body {
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
        Router::new()
            .route("/healthz", get(async || Json(Body { status: "alive" })))
            .route("/readyz", get(ready))
            .with_state(self)
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

async fn ready(State(health): State<Health>) -> Result<Json<Body>, Problem> {
    if health.draining.is_cancelled() {
        return Err(Problem::not_ready("the process is stopping"));
    }
    let failing = health.failing().await;
    if failing.is_empty() {
        return Ok(Json(Body { status: "ready" }));
    }
    Err(Problem::not_ready(format!("down: {}", failing.join(", "))))
}
