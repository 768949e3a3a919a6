//! The deadline and the breaker around a handle of this process, as they are around one over HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use ecs_breaker::{Breaker, Open, Options};
use ecs_domain::features::Features;
use ecs_domain::scorecard::Assessment;
use ecs_metrics::Metrics;

use crate::handles::remote::FAIR;

use super::{CreditAnalysis, HandleError, ROLE, RequestContext, sensible, time};

/// A handle that ends in time, and that isn't asked for a while after it has failed five times in a row.
pub struct Guarded {
    inner: Arc<dyn CreditAnalysis>,
    breaker: Breaker,
}

impl Guarded {
    /// Guards this handle. The breaker's name is `role-credit-analysis`.
    #[must_use]
    pub fn new(inner: Arc<dyn CreditAnalysis>, metrics: &Metrics) -> Self {
        Self { inner, breaker: Breaker::new("role-credit-analysis", Options::default(), metrics) }
    }
}

#[async_trait]
impl CreditAnalysis for Guarded {
    async fn assess(&self, features: &Features, context: &RequestContext) -> Result<Assessment, HandleError> {
        let time = time(context);
        if time.is_zero() {
            return Err(HandleError::Timeout { role: ROLE });
        }
        let open = |open: Open| HandleError::Unavailable { role: ROLE, retry_after: open.retry_after };
        let permit = self.breaker.admit().map_err(open)?;
        let answer = tokio::time::timeout(time, self.inner.assess(features, context)).await;
        let answer = answer.unwrap_or(Err(HandleError::Timeout { role: ROLE })).and_then(sensible);
        match &answer {
            Ok(_) => permit.succeeded(),
            // Who gave it too little time has found out nothing.
            Err(HandleError::Timeout { .. }) if time < FAIR => drop(permit),
            Err(_) => permit.failed(),
        }
        answer
    }
}
