//! `/metrics`: what the process has counted, for Prometheus.

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use ecs_metrics::{CONTENT_TYPE, Metrics};
use http::header;
use utoipa::openapi::OpenApi;

use crate::auth::PolicedRoutes as _;
use crate::auth::policy::Anyone;
use crate::openapi::{OpenApiRouter, tag};
use crate::policed;

/// Answers whoever asks for the metrics. Nobody needs a token: what keeps strangers out is the network.
#[derive(Clone)]
pub struct Exposition(Metrics);

impl Exposition {
    /// Of these metrics.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        Self(metrics.clone())
    }

    /// The route.
    pub fn routes(self) -> Router {
        Self::api().with_state(self).into()
    }

    /// What it says in the platform's document.
    #[must_use]
    pub fn openapi() -> OpenApi {
        Self::api().into_openapi()
    }

    fn api() -> OpenApiRouter<Self> {
        OpenApiRouter::default().policed(policed!(read))
    }
}

/// What has the process counted?
///
/// In the text format of OpenMetrics, which Prometheus reads: requests, events, queries, and how parts of the platform
/// are. The names are those of docs/metrics.md. An ingress for customers should not pass it on.
#[utoipa::path(
    get, path = "/metrics", operation_id = "getMetrics", tag = tag::HEALTH,
    responses((
        status = OK, description = "The metrics of this process.",
        body = String, content_type = "application/openmetrics-text",
        example = "# TYPE ecs_breaker_state gauge\necs_breaker_state{breaker=\"primary\"} 0\n# EOF\n",
    )),
)]
async fn read(_: Anyone, State(Exposition(metrics)): State<Exposition>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], metrics.render())
}
