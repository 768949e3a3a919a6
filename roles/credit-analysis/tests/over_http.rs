//! The role in another process: its callers can't tell, to the last bit.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::post;
use ecs_credit_analysis::{CreditAnalysis, Deps, Places, Random};
use ecs_domain::features::{EmotionFeatures, EmotionMeans, Features};
use ecs_domain::scorecard::{Assessment, Second};
use ecs_domain::{Clock, Timestamp};
use ecs_metrics::Metrics;
use ecs_models::testkit::{additive, trees};
use ecs_web::auth::{SecretKey, Tokens};
use ecs_web::handles::{CreditAnalysis as Handle, HandleError, HttpCreditAnalysis, Remote, RemoteOptions};
use ecs_web::{Auth, Limits, RequestContext, Secret, layers, server};
use proptest::prelude::*;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const KEY: &str = "the service key of these tests, which is long";
const ROLE: &str = "credit-analysis";

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

fn analysis(models: Places) -> CreditAnalysis {
    let key = SecretKey::new(Secret::new("a signing key of more than 32 bytes, for tests")).unwrap();
    let auth = Auth::alone(Tokens::new(&key), Secret::new(KEY), Arc::new(StoppedClock));
    CreditAnalysis::create(Deps { auth: Arc::new(auth), models, metrics: Metrics::new() }).unwrap()
}

fn built_in() -> Places {
    Places { file: None, folder: None, random: Random::Refused }
}

/// Steps and trees in charge, each with the other for a challenger.
fn learned(folder: &Path) -> Places {
    for made in [additive("f-1", false), trees("f-2", false), trees("e-1", true), additive("e-2", true)] {
        made.write(folder).unwrap();
    }
    let file = folder.join("models.toml");
    let (financial, empathic) =
        ("champion = \"f-1\"\nchallenger = \"f-2\"", "champion = \"e-1\"\nchallenger = \"e-2\"");
    std::fs::write(&file, format!("[financial]\n{financial}\n[empathic]\n{empathic}\n")).unwrap();
    Places { file: Some(file), folder: Some(folder.to_owned()), random: Random::Refused }
}

/// Serves until the test's runtime ends.
async fn serve(routes: Router) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (router, limits) = (layers::standard(routes, ROLE, Limits::default()), Limits::default());
    tokio::spawn(server::serve(listener, router, limits, CancellationToken::new()));
    address
}

fn handle_with(address: SocketAddr, key: &str) -> HttpCreditAnalysis {
    let options = RemoteOptions::new(Metrics::new(), CancellationToken::new());
    HttpCreditAnalysis::new(
        Remote::new(ROLE, &[format!("http://{address}")], options).unwrap(),
        Secret::new(key),
    )
}

fn handle(address: SocketAddr) -> HttpCreditAnalysis {
    handle_with(address, KEY)
}

fn features() -> impl Strategy<Value = Features> {
    let unit = || 0.0_f64..=1.0;
    let means = (unit(), unit(), unit()).prop_map(|(positivity, intensity, stress)| EmotionMeans {
        positivity,
        intensity,
        stress,
    });
    let emotions = (prop::option::of(means), 0_u64..500, 0_u64..2_000).prop_map(
        |(means_7d, stress_events_7d, stress_events_30d)| EmotionFeatures {
            means_7d,
            stress_events_7d,
            stress_events_30d,
        },
    );
    // A clock that was set back makes ages negative; the model holds them for 0.
    let size = || prop_oneof![0.0_f64..1e6, Just(0.0), Just(-0.5), Just(5e-324), Just(1e13), Just(1.0 / 3.0)];
    let transactions = (0_u64..2_000_000_000, size());
    (transactions, prop::option::of(size()), size(), prop::option::of(emotions)).prop_map(
        |((transaction_count_30d, avg_transaction_value_30d), last, account_age_days, emotions)| Features {
            transaction_count_30d,
            avg_transaction_value_30d,
            days_since_last_transaction: last,
            account_age_days,
            emotions,
        },
    )
}

#[test]
fn an_assessment_over_http_is_the_one_of_the_same_process() {
    let folder = tempfile::tempdir().unwrap();
    same_over_http(built_in());
    same_over_http(learned(folder.path()));
}

fn same_over_http(models: Places) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let analysis = analysis(models);
    let address = runtime.block_on(serve(analysis.routes()));
    let (here, there) = (analysis.handle(), handle(address));
    let context = RequestContext::make();
    proptest!(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() }, |(features in features())| {
        let (here, there) = runtime.block_on(async {
            tokio::join!(here.assess(&features, &context), there.assess(&features, &context))
        });
        let (here, there) = (here.unwrap(), there.unwrap());
        prop_assert_eq!(here.risk_score.to_bits(), there.risk_score.to_bits());
        let bits = |assessment: &Assessment| -> Vec<_> {
            assessment.contributions.iter().map(|term| (term.input, term.log_odds.to_bits())).collect()
        };
        prop_assert_eq!(bits(&here), bits(&there));
        prop_assert_eq!(here.base_log_odds.to_bits(), there.base_log_odds.to_bits());
        prop_assert_eq!(here.without_emotions.is_some(), features.emotions.is_some());
        let second = |second: &Option<Second>| second.as_ref().map(|second| second.risk_score.to_bits());
        prop_assert_eq!(second(&here.without_emotions), second(&there.without_emotions));
        prop_assert_eq!(second(&here.challenger), second(&there.challenger));
        prop_assert_eq!(here, there);
    });
}

const SOME: Features = Features {
    transaction_count_30d: 10,
    avg_transaction_value_30d: 500.0,
    days_since_last_transaction: None,
    account_age_days: 1.0,
    emotions: None,
};

async fn error(handle: &HttpCreditAnalysis, context: &RequestContext) -> HandleError {
    handle.assess(&SOME, context).await.unwrap_err()
}

#[tokio::test]
async fn the_role_wants_the_service_key() {
    let address = serve(analysis(built_in()).routes()).await;
    let refused = error(&handle_with(address, "another key"), &RequestContext::make()).await;
    assert_eq!(refused, HandleError::Failed { role: ROLE, reason: "it answered with status 401".into() });
}

#[tokio::test]
async fn after_five_failures_it_is_not_asked_any_more() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let ill = async move || {
        counted.fetch_add(1, Ordering::SeqCst);
        StatusCode::INTERNAL_SERVER_ERROR
    };
    let handle = handle(serve(Router::new().route("/v1/predict", post(ill))).await);
    let context = RequestContext::make();
    for _ in 0..5 {
        assert!(matches!(error(&handle, &context).await, HandleError::Failed { .. }));
    }
    let HandleError::Unavailable { retry_after, .. } = error(&handle, &context).await else {
        panic!("the breaker is open")
    };
    assert!(
        retry_after > Duration::from_secs(25) && retry_after <= Duration::from_secs(30),
        "{retry_after:?}"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn one_that_is_full_is_not_ill() {
    let retry_after = Duration::from_secs(7);
    for problem in [ecs_web::Problem::no_room, ecs_web::Problem::rate_limited] {
        let full = async move || problem("full", retry_after).into_response();
        let handle = handle(serve(Router::new().route("/v1/predict", post(full))).await);
        for _ in 0..9 {
            let refused = error(&handle, &RequestContext::make()).await;
            assert_eq!(refused, HandleError::Unavailable { role: ROLE, retry_after });
        }
    }
}

#[tokio::test]
async fn a_role_that_hangs_is_not_waited_for_beyond_the_requests_own_time() {
    let hangs = async || std::future::pending::<()>().await;
    let handle = handle(serve(Router::new().route("/v1/predict", post(hangs))).await);
    let context = RequestContext::make().within(Duration::from_millis(50));
    assert_eq!(error(&handle, &context).await, HandleError::Timeout { role: ROLE });
    assert_eq!(error(&handle, &context).await, HandleError::Timeout { role: ROLE }, "nothing is left");
}

#[tokio::test]
async fn a_role_whose_work_hangs_is_ill_even_if_it_says_so_itself() {
    let hangs = async || std::future::pending::<()>().await;
    let handle = handle(serve(Router::new().route("/v1/predict", post(hangs))).await);
    let context = RequestContext::make().within(Duration::from_millis(1_100));
    let ask = || error(&handle, &context);
    let late = tokio::join!(ask(), ask(), ask(), ask(), ask());
    assert!(
        [late.0, late.1, late.2, late.3, late.4]
            .iter()
            .all(|late| *late == HandleError::Timeout { role: ROLE })
    );
    let HandleError::Unavailable { retry_after, .. } = error(&handle, &RequestContext::make()).await else {
        panic!("the breaker is open")
    };
    assert!(retry_after > Duration::from_secs(25), "{retry_after:?}");
}

#[tokio::test]
async fn one_that_answers_nonsense_five_times_is_not_asked_any_more() {
    let check = async |status: StatusCode, nonsense: &'static str| {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let answer = async move || {
            counted.fetch_add(1, Ordering::SeqCst);
            (status, nonsense)
        };
        let handle = handle(serve(Router::new().route("/v1/predict", post(answer))).await);
        let context = RequestContext::make();
        for _ in 0..5 {
            let failed = error(&handle, &context).await;
            assert!(matches!(failed, HandleError::Failed { .. }), "{status} {nonsense}: {failed:?}");
        }
        let open = error(&handle, &context).await;
        assert!(matches!(open, HandleError::Unavailable { .. }), "{status} {nonsense}: {open:?}");
        assert_eq!(asked.load(Ordering::SeqCst), 5, "{status} {nonsense}");
    };
    check(StatusCode::OK, "").await;
    check(StatusCode::OK, r#"{"risk_score": "high"}"#).await;
    check(StatusCode::OK, r#"{"risk_score":-0.5,"model_version":"x","base_log_odds":0,"contributions":[]}"#)
        .await;
    check(StatusCode::OK, r#"{"risk_score":1.5,"model_version":"x","base_log_odds":0,"contributions":[]}"#)
        .await;
    let unknown = r#"{"risk_score":0.1,"model_version":"x","base_log_odds":0,"contributions":[{"feature":"shoe_size","log_odds":1}]}"#;
    check(StatusCode::OK, unknown).await;
    check(StatusCode::FOUND, "").await;
    check(StatusCode::IM_A_TEAPOT, "short and stout").await;
}

#[tokio::test]
async fn sense_between_nonsense_keeps_the_breaker_closed() {
    let asked = AtomicUsize::new(0);
    let sense = r#"{"risk_score":0.5,"model_version":"x","base_log_odds":0,"contributions":[]}"#;
    let asked = Arc::new(asked);
    let answer = async move || if asked.fetch_add(1, Ordering::SeqCst) % 5 == 4 { sense } else { "[]" };
    let handle = handle(serve(Router::new().route("/v1/predict", post(answer))).await);
    let context = RequestContext::make();
    for number in 0..15 {
        match handle.assess(&SOME, &context).await {
            Ok(assessment) => assert!(number % 5 == 4 && assessment.makes_sense(), "{number}"),
            Err(error) => assert!(matches!(error, HandleError::Failed { .. }), "{number}: {error:?}"),
        }
    }
}
