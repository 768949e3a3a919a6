//! The model in this process has the guards that it would have elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ecs_domain::features::Features;
use ecs_domain::scorecard::Assessment;
use ecs_metrics::Metrics;
use ecs_web::RequestContext;
use ecs_web::handles::{CreditAnalysis, Guarded, HandleError};
use tokio::time::Instant;

const ROLE: &str = "credit-analysis";

const SOME: Features = Features {
    transaction_count_30d: 10,
    avg_transaction_value_30d: 500.0,
    days_since_last_transaction: None,
    account_age_days: 1.0,
    emotions: None,
};

/// Never answers, and counts how often it was asked.
#[derive(Default)]
struct Hanging(AtomicUsize);

#[async_trait]
impl CreditAnalysis for Hanging {
    async fn assess(&self, _: &Features, _: &RequestContext) -> Result<Assessment, HandleError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

/// What came of it, and after how long.
async fn ask(handle: &Guarded, context: RequestContext) -> (HandleError, Duration) {
    let before = Instant::now();
    let error = handle.assess(&SOME, &context).await.unwrap_err();
    (error, before.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_model_that_hangs_is_waited_for_five_times_and_then_not_asked() {
    let model = Arc::new(Hanging::default());
    let handle = Guarded::new(Arc::clone(&model) as Arc<dyn CreditAnalysis>, &Metrics::new());
    for _ in 0..5 {
        let late = (HandleError::Timeout { role: ROLE }, Duration::from_secs(2));
        assert_eq!(ask(&handle, RequestContext::make()).await, late);
    }
    tokio::time::advance(Duration::from_secs(10)).await;
    let retry_after = Duration::from_secs(20);
    let refused = (HandleError::Unavailable { role: ROLE, retry_after }, Duration::ZERO);
    assert_eq!(ask(&handle, RequestContext::make()).await, refused);
    assert_eq!(model.0.load(Ordering::SeqCst), 5);
}

/// Says that the risk is what no risk can be.
struct Senseless(f64);

#[async_trait]
impl CreditAnalysis for Senseless {
    async fn assess(&self, _: &Features, _: &RequestContext) -> Result<Assessment, HandleError> {
        Ok(Assessment { risk_score: self.0, ..Assessment::unexplained("x", 0.5) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_that_makes_no_sense_five_times_is_not_asked() {
    for risk in [f64::NAN, f64::INFINITY, -0.5, 1.5] {
        let handle = Guarded::new(Arc::new(Senseless(risk)), &Metrics::new());
        for _ in 0..5 {
            let failed = ask(&handle, RequestContext::make()).await.0;
            assert!(matches!(failed, HandleError::Failed { .. }), "{risk}: {failed:?}");
        }
        let open = ask(&handle, RequestContext::make()).await.0;
        assert!(matches!(open, HandleError::Unavailable { .. }), "{risk}: {open:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn clients_in_a_hurry_say_nothing_about_the_model() {
    let model = Arc::new(Hanging::default());
    let handle = Guarded::new(Arc::clone(&model) as Arc<dyn CreditAnalysis>, &Metrics::new());
    let hurried = async || ask(&handle, RequestContext::make().within(Duration::from_millis(5))).await.0;
    for _ in 0..6 {
        assert_eq!(hurried().await, HandleError::Timeout { role: ROLE });
    }
    assert_eq!(model.0.load(Ordering::SeqCst), 6, "the breaker is closed");
    for _ in 0..5 {
        hurried().await;
        ask(&handle, RequestContext::make()).await;
    }
    assert!(matches!(hurried().await, HandleError::Unavailable { .. }), "they are no success either");
}

#[tokio::test(start_paused = true)]
async fn a_request_with_less_time_waits_no_longer_than_that() {
    let model = Arc::new(Hanging::default());
    let handle = Guarded::new(Arc::clone(&model) as Arc<dyn CreditAnalysis>, &Metrics::new());
    let context = RequestContext::make().within(Duration::from_millis(300));
    let late = HandleError::Timeout { role: ROLE };
    assert_eq!(ask(&handle, context.clone()).await, (late.clone(), Duration::from_millis(300)));
    assert_eq!(ask(&handle, context).await, (late, Duration::ZERO));
    assert_eq!(model.0.load(Ordering::SeqCst), 1, "with nothing left it isn't asked");
}
