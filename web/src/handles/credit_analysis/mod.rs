//! The handle that asks the model.

mod guarded;
mod http;
mod wire;

use async_trait::async_trait;
use ecs_domain::features::Features;
use ecs_domain::scorecard::Assessment;

pub use self::guarded::Guarded;
pub use self::http::HttpCreditAnalysis;

use super::HandleError;
use crate::RequestContext;

/// The role credit-analysis.
#[async_trait]
pub trait CreditAnalysis: Send + Sync + 'static {
    /// What the model says of these features. It ends in a short time by itself, whatever happens to the role, and
    /// before the context's deadline.
    async fn assess(&self, features: &Features, context: &RequestContext) -> Result<Assessment, HandleError>;
}

/// The role's name.
const ROLE: &str = "credit-analysis";

/// How long the model may take.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(2);

/// The assessment, unless no policy has an answer to it.
fn sensible(assessment: Assessment) -> Result<Assessment, HandleError> {
    if assessment.makes_sense() { Ok(assessment) } else { Err(failed("its assessment makes no sense")) }
}

fn failed(reason: impl Into<String>) -> HandleError {
    HandleError::Failed { role: ROLE, reason: reason.into() }
}

/// The time that a call made now has.
fn time(context: &RequestContext) -> std::time::Duration {
    context.time_left().map_or(DEADLINE, |left| left.min(DEADLINE))
}
