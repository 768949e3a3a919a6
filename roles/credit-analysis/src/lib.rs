//! Scores a feature vector with the models that are in charge.
//!
//! The role reads no store: the same models say the same of the same features. Which models these are says a file that is followed
//! ([`Places`]); what a score leads to is the credit policy's matter, which belongs to another role.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use ecs_domain::features::Features;
use ecs_domain::scorecard::Assessment;
use ecs_metrics::Metrics;
use ecs_web::auth::Auth;
use ecs_web::context::RequestContext;
use ecs_web::handles::{CreditAnalysis as Handle, Guarded, HandleError};
use ecs_web::openapi::OpenApiRouter;
use ecs_web::{PolicedRoutes as _, policed};
use ecs_work::Supervisor;
use utoipa::openapi::OpenApi;

mod answer;
mod in_charge;
mod predict;

pub use ecs_models::Random;
use in_charge::InCharge;
pub use in_charge::{ModelsError, Places};

/// What the role needs.
pub struct Deps {
    /// Verifies the service key.
    pub auth: Arc<Auth>,
    /// Where its models are.
    pub models: Places,
    /// Where it is told which of them are in charge.
    pub metrics: Metrics,
}

/// The role.
pub struct CreditAnalysis {
    auth: Arc<Auth>,
    models: Arc<InCharge>,
    metrics: Metrics,
}

impl CreditAnalysis {
    /// Makes the role. Models that can't be put in charge end the start.
    pub fn create(deps: Deps) -> Result<Self, ModelsError> {
        let models = InCharge::read(deps.models, deps.metrics.clone())?;
        Ok(Self { auth: deps.auth, models, metrics: deps.metrics })
    }

    /// Follows the files of the models.
    pub fn start(&self, supervisor: &Supervisor) {
        self.models.follow(supervisor);
    }

    /// `POST /v1/predict`, with the service key.
    pub fn routes(&self) -> Router {
        let state = predict::State { auth: Arc::clone(&self.auth), models: Arc::clone(&self.models) };
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
    pub fn handle(&self) -> Arc<dyn Handle> {
        let models = Arc::clone(&self.models);
        Arc::new(Guarded::new(Arc::new(InProcess { models }), &self.metrics))
    }
}

struct InProcess {
    models: Arc<InCharge>,
}

#[async_trait]
impl Handle for InProcess {
    async fn assess(&self, features: &Features, _: &RequestContext) -> Result<Assessment, HandleError> {
        Ok(self.models.now().assess(features))
    }
}
