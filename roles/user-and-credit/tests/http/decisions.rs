//! What people are told of decisions.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ecs_domain::UserId;
use ecs_domain::catalogue::Catalogue;
use ecs_domain::consent::Locale;
use ecs_domain::features::Features;
use ecs_domain::permission::Permission;
use ecs_domain::scorecard::{Assessment, Second};
use ecs_store::{ErasureRequest, Erasures as _};
use ecs_web::RequestContext;
use ecs_web::handles::{CreditAnalysis, HandleError};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Actor, App, Setup, without_cool_down};

/// Somebody who is denied, and their decision.
async fn denied(app: &App) -> (UserId, Value) {
    let ana = app.register("ana@example.com").await;
    app.emotions(ana, 20, [0.2, 0.8, 0.95]).await;
    (ana, app.analyse(ana).await.expect(StatusCode::OK))
}

#[tokio::test]
async fn a_denial_is_told_in_the_language_that_is_asked_for() {
    let app = App::start();
    let (ana, _) = denied(&app).await;
    let path = format!("/v1/users/{ana}/credit-analysis");
    for (languages, locale) in [("pt-BR,en;q=0.5", Locale::PtBr), ("es-AR", Locale::Es), ("de", Locale::En)] {
        let reply = app.speaking(Actor::User(ana), Method::POST, &path, languages, None).await;
        assert_eq!(reply.headers["content-language"], locale.as_str());
        assert_eq!(reply.headers["vary"], "accept-language");
        let told = reply.expect(StatusCode::OK);
        assert_eq!((&told["language"], &told["catalogue_version"]), (&json!(locale.as_str()), &json!(1)));
        let catalogue = Catalogue::of(1, locale);
        let reasons = told["reasons"].as_array().unwrap();
        assert!((1..=4).contains(&reasons.len()), "{reasons:?}");
        let texts: Vec<&str> = reasons.iter().map(|reason| reason["text"].as_str().unwrap()).collect();
        for (reason, text) in reasons.iter().zip(&texts) {
            let code = reason["code"].as_str().unwrap().parse().unwrap();
            assert_eq!(*text, catalogue.reason(code));
        }
        assert_eq!(told["reason"], json!(texts.join(" ")));
    }
}

#[tokio::test]
async fn a_repeat_under_a_key_is_in_the_language_of_the_first() {
    let app = App::start();
    let ana = app.register("ana@example.com").await;
    let path = format!("/v1/users/{ana}/credit-analysis");
    let ask = |languages| app.speaking(Actor::User(ana), Method::POST, &path, languages, Some("once"));
    let first = ask("pt-BR").await;
    let again = ask("es").await;
    assert_eq!(
        (&again.bytes, &again.headers["idempotency-replayed"]),
        (&first.bytes, &"true".parse().unwrap())
    );
    assert_eq!(again.headers["content-language"], "pt-BR");
    assert_eq!(again.headers["vary"], "accept-language");
    // The same decision, asked for without the key, is told anew.
    let spanish = app.speaking(Actor::User(ana), Method::POST, &path, "es", None).await;
    assert_eq!(
        (&spanish.body["decision_id"], &spanish.body["language"]),
        (&first.body["decision_id"], &json!("es"))
    );
}

#[tokio::test]
async fn decisions_are_listed_and_read_by_whom_they_are_about() {
    let app = App::with(Setup { policy: Some(without_cool_down()), ..Setup::default() });
    let (ana, first) = denied(&app).await;
    app.transactions(ana, 10, 30_000).await;
    app.emotions(ana, 80, [0.8, 0.4, 0.0]).await;
    app.pass(Duration::from_secs(300));
    let second = app.analyse(ana).await.expect(StatusCode::OK);
    assert_eq!((&first["approved"], &second["approved"]), (&json!(false), &json!(true)));
    let list = format!("/v1/users/{ana}/decisions");
    let page = app.get(Actor::User(ana), &format!("{list}?page_size=1")).await.expect(StatusCode::OK);
    assert_eq!((&page["total"], &page["items"][0]["decision_id"]), (&json!(2), &second["decision_id"]));
    let page = app.get(Actor::User(ana), &format!("{list}?page=2&page_size=1")).await.expect(StatusCode::OK);
    assert_eq!(page["items"][0]["reasons"], first["reasons"]);
    assert_eq!(page["items"][0]["offer_id"], Value::Null);
    app.get(Actor::User(ana), &format!("{list}?page_size=0")).await.expect(StatusCode::UNPROCESSABLE_ENTITY);

    let read = async |decision: &Value| {
        let path = format!("/v1/decisions/{}", decision["decision_id"].as_str().unwrap());
        app.get(Actor::User(ana), &path).await.expect(StatusCode::OK)
    };
    let (denial, other) = (read(&first).await, read(&second).await);
    for name in ["approved", "ml_risk_score", "reason", "reasons", "decided_at", "catalogue_version"] {
        assert_eq!(denial[name], first[name], "{name}");
        assert_eq!(other[name], second[name], "{name}");
    }
    assert_eq!((&denial["user_id"], &denial["review"]), (&json!(ana), &Value::Null));
    assert_eq!(denial["model"]["version"], first["model_version"]);
    assert_eq!(denial["policy"]["digest"].as_str().unwrap().len(), 64);
    let of = |shown: &Value, list: &str, feature: &str| {
        shown[list].as_array().unwrap().iter().find(|item| item["feature"] == feature).unwrap().clone()
    };
    let count = of(&denial, "inputs", "transaction_count_30d");
    assert_eq!(count["name"], "Transactions in the last 30 days");
    assert_eq!(count["value"], 0.0);
    assert_eq!(of(&denial, "inputs", "days_since_last_transaction")["value"], Value::Null);
    assert!(other["helped_most"]["text"].as_str().unwrap().contains("spoke most for you"));
    assert_sums_up(&denial);
    assert_sums_up(&other);
}

/// Base and contributions are the whole of a score.
fn assert_sums_up(decision: &Value) {
    let contributions = decision["contributions"].as_array().unwrap();
    let added: f64 = contributions.iter().map(|term| term["contribution"].as_f64().unwrap()).sum();
    let log_odds = decision["base_log_odds"].as_f64().unwrap() + added;
    let risk = 1.0 / (1.0 + (-log_odds).exp());
    assert!((risk - decision["ml_risk_score"].as_f64().unwrap()).abs() < 1e-12, "{decision}");
}

#[tokio::test]
async fn others_decisions_look_as_if_they_were_not_there() {
    let app = App::start();
    let (ana, decided) = denied(&app).await;
    let bia = app.register("bia@example.com").await;
    let path = format!("/v1/decisions/{}", decided["decision_id"].as_str().unwrap());
    let list = format!("/v1/users/{ana}/decisions");
    let missing =
        app.get(Actor::User(bia), &format!("/v1/decisions/{bia}")).await.expect(StatusCode::NOT_FOUND);
    let others = app.get(Actor::User(bia), &path).await.expect(StatusCode::NOT_FOUND);
    assert_eq!(missing["detail"], others["detail"]);
    app.get(Actor::User(bia), &list).await.expect(StatusCode::FORBIDDEN);
    app.get(Actor::Holding(Permission::CreditWriteAny), &path).await.expect(StatusCode::NOT_FOUND);
    app.get(Actor::Holding(Permission::UsersReadAny), &path).await.expect(StatusCode::OK);
    app.get(Actor::Holding(Permission::UsersReadAny), &list).await.expect(StatusCode::OK);
    let nobody = format!("/v1/users/{}/decisions", crate::support::new_user_id());
    app.get(Actor::Operator, &nobody).await.expect(StatusCode::NOT_FOUND);
    app.get(Actor::Operator, "/v1/decisions/x").await.expect(StatusCode::UNPROCESSABLE_ENTITY);

    let request = ErasureRequest { user: ana, by: ana, with_credit: false, now: app.now() };
    app.store.request_erasure(request).await.unwrap();
    app.keyring.destroy(ana, app.now()).await.unwrap();
    app.get(Actor::Operator, &path).await.expect(StatusCode::NOT_FOUND);
}

/// A model that says what it would have said without emotions.
struct Empathic;

#[async_trait]
impl CreditAnalysis for Empathic {
    async fn assess(&self, _: &Features, _: &RequestContext) -> Result<Assessment, HandleError> {
        let financial = Second {
            risk_score: 0.125,
            model_version: "financial-1".to_owned(),
            model_digest: "d".to_owned(),
        };
        Ok(Assessment { without_emotions: Some(financial), ..Assessment::unexplained("empathic-1", 0.9) })
    }
}

#[tokio::test]
async fn a_decision_says_what_it_would_have_been_without_emotions() {
    let app = App::with(Setup { model: Some(Arc::new(Empathic)), ..Setup::default() });
    let ana = app.register("ana@example.com").await;
    app.transactions(ana, 1, 10_000).await;
    for repeated in [false, true] {
        let answer = app.analyse(ana).await.expect(StatusCode::OK);
        assert_eq!((&answer["approved"], &answer["repeated"]), (&json!(false), &json!(repeated)));
        assert_eq!(answer["without_emotions"], json!({"approved": true, "ml_risk_score": 0.125}));
        assert_eq!(answer["reasons"][0]["code"], "TOO_LITTLE_KNOWN");
        let path = format!("/v1/decisions/{}", answer["decision_id"].as_str().unwrap());
        let shown = app.get(Actor::User(ana), &path).await.expect(StatusCode::OK);
        assert_eq!(shown["without_emotions"]["model"]["version"], "financial-1");
        assert_eq!(shown["without_emotions"]["approved"], true);
    }
}
