//! Scores a feature vector with a documented, versioned scorecard.
//!
//! The role holds no state and reads no store: the same features give the same score. What the score leads to is the
//! credit policy's matter, which belongs to another role.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use ecs_domain::features::Features;
use ecs_domain::scorecard::{Assessment, Scorecard};
use ecs_metrics::Metrics;
use ecs_web::auth::Auth;
use ecs_web::context::RequestContext;
use ecs_web::handles::{CreditAnalysis as Handle, Guarded, HandleError};
use ecs_web::openapi::OpenApiRouter;
use ecs_web::{PolicedRoutes as _, policed};
use utoipa::openapi::OpenApi;

mod predict;
mod scorecard_file;

pub use scorecard_file::{ScorecardError, built_in, parse};

/// What the role needs.
pub struct Deps {
    /// Verifies the service key.
    pub auth: Arc<Auth>,
    /// The model: [`built_in`], or one that [`parse`] read.
    pub scorecard: Scorecard,
}

/// The role.
pub struct CreditAnalysis {
    auth: Arc<Auth>,
    scorecard: Arc<Scorecard>,
}

impl CreditAnalysis {
    /// Makes the role.
    #[must_use]
    pub fn create(deps: Deps) -> Self {
        Self { auth: deps.auth, scorecard: Arc::new(deps.scorecard) }
    }

    /// `POST /v1/predict`, with the service key.
    pub fn routes(&self) -> Router {
        let state = predict::State { auth: Arc::clone(&self.auth), scorecard: Arc::clone(&self.scorecard) };
        Self::api().with_state(state).into()
    }

    /// What it says of these routes: its part of the platform's document.
    #[must_use]
    pub fn openapi() -> OpenApi {
        Self::api().into_openapi()
    }

    fn api() -> OpenApiRouter<predict::State> {
        OpenApiRouter::default().policed(policed!(predict::predict))
    }

    /// The handle for callers in this process, with the same guards around it as one over HTTP.
    #[must_use]
    pub fn handle(&self, metrics: &Metrics) -> Arc<dyn Handle> {
        let scorecard = Arc::clone(&self.scorecard);
        Arc::new(Guarded::new(Arc::new(InProcess { scorecard }), metrics))
    }
}

struct InProcess {
    scorecard: Arc<Scorecard>,
}

#[async_trait]
impl Handle for InProcess {
    async fn assess(&self, features: &Features, _: &RequestContext) -> Result<Assessment, HandleError> {
        Ok(self.scorecard.assess(features))
    }
}
