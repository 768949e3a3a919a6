//! `POST /v1/predict`, called in process.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use ecs_credit_analysis::{CreditAnalysis, Deps, Places, Random};
use ecs_domain::features::Features;
use ecs_domain::{Clock, Timestamp};
use ecs_metrics::Metrics;
use ecs_web::auth::{SecretKey, Tokens};
use ecs_web::{Auth, RequestContext, Secret};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

const KEY: &str = "the service key of these tests, which is long";

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

fn role() -> CreditAnalysis {
    let key = SecretKey::new(Secret::new("a signing key of more than 32 bytes, for tests"))
        .expect("it is long enough");
    let auth = Auth::alone(Tokens::new(&key), Secret::new(KEY), Arc::new(StoppedClock));
    let models = Places { file: None, folder: None, random: Random::Refused };
    let deps = Deps { auth: Arc::new(auth), models, metrics: Metrics::new() };
    CreditAnalysis::create(deps).expect("what is built in holds")
}

fn routes() -> Router {
    role().routes()
}

async fn predict(key: Option<&str>, body: String) -> (StatusCode, Value) {
    let mut request = Request::post("/v1/predict").header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("x-internal-key", key);
    }
    let request = request.body(Body::from(body)).expect("a request");
    let response = routes().oneshot(request).await.expect("routes always answer");
    let status = response.status();
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    (status, serde_json::from_slice(&bytes).expect("JSON"))
}

fn full() -> Value {
    json!({
        "transaction_count_30d": 10, "avg_transaction_value_30d": 500.0, "days_since_last_transaction": 0,
        "account_age_days": 0.5, "avg_positivity_7d": 0.8, "avg_intensity_7d": 0.4, "avg_stress_7d": 0.1,
        "stress_events_7d": 1, "stress_events_30d": 2
    })
}

#[tokio::test]
async fn the_score_comes_with_its_exact_explanation() {
    let (status, answer) = predict(Some(KEY), full().to_string()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["model_version"], "empathic-1");
    let contributions = answer["contributions"].as_array().unwrap();
    let added: f64 = contributions.iter().map(|term| term["log_odds"].as_f64().unwrap()).sum();
    let log_odds = answer["base_log_odds"].as_f64().unwrap() + added;
    let risk = answer["risk_score"].as_f64().unwrap();
    assert!((risk - 1.0 / (1.0 + (-log_odds).exp())).abs() < 1e-12);
    assert_eq!(contributions.len(), 9);
    assert_eq!(contributions[0]["feature"], "transaction_count_30d");
}

#[tokio::test]
async fn with_emotions_stands_what_would_be_said_without() {
    let (_, with) = predict(Some(KEY), full().to_string()).await;
    let mut body = full();
    let emotional = |name: &str| ["positivity", "intensity", "stress"].iter().any(|word| name.contains(word));
    body.as_object_mut().unwrap().retain(|name, _| !emotional(name));
    let (_, without) = predict(Some(KEY), body.to_string()).await;
    assert_eq!(with["without_emotions"]["risk_score"], without["risk_score"]);
    assert_eq!(with["without_emotions"]["model_digest"], without["model_digest"]);
    assert_ne!(with["risk_score"], without["risk_score"]);
    assert!(without.get("without_emotions").is_none(), "{without}");
    let challengers = [&with, &without].map(|answer| answer["challenger"]["model_version"].as_str());
    assert_eq!(challengers, [Some("empathic-trees-1"), Some("financial-trees-1")]);
}

#[tokio::test]
async fn what_is_missing_or_null_is_neutral() {
    let added = async |body: Value| -> Vec<f64> {
        let (status, answer) = predict(Some(KEY), body.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let terms = answer["contributions"].as_array().unwrap();
        terms.iter().map(|term| term["log_odds"].as_f64().unwrap()).collect()
    };
    let two = json!({"transaction_count_30d": 3, "avg_transaction_value_30d": 80});
    let alone = added(two.clone()).await;
    assert_eq!((alone.len(), alone[3]), (4, 0.0), "without emotions, an account of the reference's age");
    let mut body = two;
    body["avg_positivity_7d"] = json!(0.2);
    body["stress_events_30d"] = Value::Null;
    let beside = added(body).await;
    assert!(beside[4] > 0.0, "{beside:?}");
    assert_eq!((beside[3], &beside[5..]), (0.0, &[0.0; 4][..]), "beside one emotion the others add nothing");
}

/// That there was no stress, and nothing else, is what is known of whoever consents and felt nothing.
#[tokio::test]
async fn of_silence_the_financial_model_answers() {
    let people =
        [json!({"stress_events_7d": 0, "stress_events_30d": 0}), json!({"stress_events_30d": 0}), json!({})];
    let mut scores = Vec::new();
    for emotions in people {
        let mut body =
            json!({"transaction_count_30d": 3, "avg_transaction_value_30d": 80, "account_age_days": 12});
        body.as_object_mut().unwrap().extend(emotions.as_object().unwrap().clone());
        let (_, answer) = predict(Some(KEY), body.to_string()).await;
        assert_eq!(answer["model_version"], "financial-1", "{body}");
        let second = &answer["without_emotions"];
        let told = emotions.as_object().is_some_and(|given| !given.is_empty());
        assert_eq!(second.is_object(), told, "{body}: {answer}");
        if told {
            assert_eq!(second["risk_score"], answer["risk_score"]);
        }
        scores.push(answer["risk_score"].clone());
        body["stress_events_30d"] = json!(1);
        let (_, stressed) = predict(Some(KEY), body.to_string()).await;
        assert_eq!(stressed["model_version"], "empathic-1", "{body}");
    }
    assert!(scores.iter().all(|score| *score == scores[0]), "{scores:?}");
}

#[tokio::test]
async fn the_key_comes_before_the_body() {
    for key in [None, Some("another key"), Some("")] {
        let (status, _) = predict(key, "{".to_owned()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{key:?}");
    }
}

#[tokio::test]
async fn invalid_values_are_named_by_their_path() {
    let check = async |field: &str, value: &str| {
        let mut body = full();
        body[field] = json!("PUT HERE");
        let body = body.to_string().replace("\"PUT HERE\"", value);
        let (status, problem) = predict(Some(KEY), body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{field} = {value}: {problem}");
        let fields: Vec<&Value> =
            problem["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
        assert_eq!(fields, [field], "{value}");
    };
    check("avg_positivity_7d", "1.01").await;
    check("avg_stress_7d", "-0.1").await;
    check("avg_intensity_7d", "1e400").await;
    check("transaction_count_30d", "-1").await;
    check("transaction_count_30d", "1.5").await;
    check("stress_events_7d", "18446744073709551615").await;
    check("stress_events_30d", "\"many\"").await;
    check("avg_transaction_value_30d", "-5").await;
    check("days_since_last_transaction", "-0.5").await;
    check("account_age_days", "1e300").await;
    check("shoe_size", "42").await;
}

#[tokio::test]
async fn everything_that_is_missing_is_named_at_once() {
    let (status, problem) = predict(Some(KEY), "{}".to_owned()).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let fields: Vec<&Value> =
        problem["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
    assert_eq!(fields, ["transaction_count_30d", "avg_transaction_value_30d"]);
    let (status, _) = predict(Some(KEY), "{".to_owned()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_handle_says_what_the_route_says() {
    let features = Features {
        transaction_count_30d: 3,
        avg_transaction_value_30d: 80.0,
        days_since_last_transaction: None,
        account_age_days: 12.0,
        emotions: None,
    };
    let assessment = role().handle().assess(&features, &RequestContext::make()).await.unwrap();
    let body = json!({"transaction_count_30d": 3, "avg_transaction_value_30d": 80, "account_age_days": 12});
    let (_, answer) = predict(Some(KEY), body.to_string()).await;
    assert!((answer["risk_score"].as_f64().unwrap() - assessment.risk_score).abs() < 1e-12);
}
