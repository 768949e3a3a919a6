//! The deadline and the breaker around a handle of this process, as they are around one over HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use ecs_breaker::{Breaker, Options, Refused};
use ecs_domain::features::Features;
use ecs_domain::scorecard::Assessment;
use ecs_metrics::Metrics;

use super::{CreditAnalysis, HandleError, ROLE, RequestContext, time};

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
        let work = async {
            let answer = tokio::time::timeout(time, self.inner.assess(features, context)).await;
            answer.unwrap_or(Err(HandleError::Timeout { role: ROLE }))
        };
        self.breaker.call(work, |_| true).await.map_err(|refused| match refused {
            Refused::Open(open) => HandleError::Unavailable { role: ROLE, retry_after: open.retry_after },
            Refused::Failed(error) => error,
        })
    }
}
