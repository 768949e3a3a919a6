//! Credit decisions.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ecs_cache::Cache;
use ecs_domain::decision::Outcome;
use ecs_domain::features::Features;
use ecs_domain::reason::Reason;
use ecs_domain::scorecard::{Assessment, Second};
use ecs_domain::{Timestamp, UserId};
use ecs_metrics::Metrics;
use ecs_store::{Credit as _, PageRequest};
use ecs_web::RequestContext;
use ecs_web::handles::{CreditAnalysis, Guarded, HandleError};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Actor, App, Setup, built_in_policy, without_cool_down};

fn without_cache() -> Setup {
    Setup { cache: Cache::none(), ..Setup::default() }
}

async fn offers(app: &App, user: UserId) -> u64 {
    app.store.offers(user, PageRequest { page: 1, page_size: 10 }).await.unwrap().total
}

#[tokio::test]
async fn a_busy_calm_new_user_is_approved_with_an_offer_of_the_policy() {
    let app = App::start();
    let user = app.busy_and_calm("ana@example.com").await;
    let answer = app.analyse(user).await.expect(StatusCode::OK);
    assert_eq!((&answer["approved"], &answer["repeated"]), (&json!(true), &json!(false)));
    assert_eq!((&answer["user_id"], &answer["reason"]), (&json!(user), &Value::Null));
    assert_eq!(
        (&answer["model_version"], &answer["policy_version"]),
        (&json!("empathic-1"), &json!("policy-3"))
    );
    assert_eq!(answer["emotion_data_used"], true);
    let risk = answer["ml_risk_score"].as_f64().unwrap();
    assert!((0.05..0.10).contains(&risk), "{risk}");
    let offer = &answer["offer"];
    assert_eq!(offer["credit_limit"].to_string(), "5000.0");
    assert_eq!(offer["interest_rate"].to_string(), "19.5");
    assert_eq!((&offer["credit_type"], &offer["status"]), (&json!("LONG_TERM"), &json!("offered")));
    assert_eq!(offer["expires_at"], "2026-11-27T12:00:00.123456Z");
    assert_eq!(answer["decided_at"], "2026-11-20T12:00:00.123456Z");
    assert_eq!(answer["explanation"].as_array().unwrap().len(), 9);
    assert_eq!(offers(&app, user).await, 1);
}

#[tokio::test]
async fn a_stressed_user_with_few_small_transactions_is_denied_and_the_denial_is_kept() {
    let app = App::start();
    let user = app.register("ana@example.com").await;
    app.transactions(user, 3, 2_000).await;
    app.emotions(user, 20, [0.2, 0.8, 0.95]).await;
    let answer = app.analyse(user).await.expect(StatusCode::OK);
    assert_eq!((&answer["approved"], &answer["offer"]), (&json!(false), &Value::Null));
    let reason = answer["reason"].as_str().unwrap();
    assert!(reason.contains("transactions") && reason.contains("stress"), "{reason}");
    assert!(answer["ml_risk_score"].as_f64().unwrap() > 0.6);

    let kept = app.store.standing_decision(user, Timestamp::MIN).await.unwrap().unwrap();
    let Outcome::Denied(denial) = kept.outcome else { panic!("it is a denial") };
    assert_eq!(denial.text, reason);
    // Neither week nor month of stressful moments is among the four weightiest inputs; together they are.
    let expect =
        [Reason::LowTransactionValue, Reason::FewTransactions, Reason::StressEvents, Reason::NewAccount];
    assert_eq!(denial.reasons, expect, "{}", denial.text);
    assert_eq!(json!(kept.id), answer["decision_id"]);
    assert_eq!(offers(&app, user).await, 0);
}

#[tokio::test]
async fn a_decision_stands_for_five_minutes() {
    for setup in [Setup::default(), without_cache()] {
        let app = App::with(setup);
        let user = app.busy_and_calm("ana@example.com").await;
        let first = app.analyse(user).await.expect(StatusCode::OK);
        app.pass(Duration::from_secs(299));
        let second = app.analyse(user).await.expect(StatusCode::OK);
        assert_eq!(second["repeated"], true);
        let mut same = second.clone();
        same["repeated"] = json!(false);
        assert_eq!(same, first);
        app.pass(Duration::from_secs(1));
        let third = app.analyse(user).await.expect(StatusCode::OK);
        assert_eq!(third["repeated"], false);
        assert_ne!(third["decision_id"], first["decision_id"]);
    }
}

#[tokio::test]
async fn new_events_do_not_re_roll_a_decision_that_stands() {
    for setup in [Setup::default(), without_cache()] {
        let app = App::with(Setup { policy: Some(without_cool_down()), ..setup });
        let user = app.register("ana@example.com").await;
        let denied = app.analyse(user).await.expect(StatusCode::OK);
        app.transactions(user, 10, 30_000).await;
        let still_denied = app.analyse(user).await.expect(StatusCode::OK);
        assert_eq!(still_denied["decision_id"], denied["decision_id"]);
        app.pass(Duration::from_secs(300));
        assert_eq!(app.analyse(user).await.expect(StatusCode::OK)["approved"], true);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_requests_give_one_decision_and_one_offer() {
    for setup in [Setup::default(), without_cache()] {
        let app = App::with(setup);
        let user = app.busy_and_calm("ana@example.com").await;
        let (a, b) = tokio::join!(app.analyse(user), app.analyse(user));
        let (a, b) = (a.expect(StatusCode::OK), b.expect(StatusCode::OK));
        assert_eq!(a["decision_id"], b["decision_id"]);
        assert_eq!(a["offer"], b["offer"]);
        assert_ne!(a["repeated"], b["repeated"], "one of them says that it is repeated");
        assert_eq!(offers(&app, user).await, 1);
    }
}

/// What doesn't depend on ids.
fn essence(answer: &Value) -> Value {
    let keep =
        ["approved", "ml_risk_score", "reason", "explanation", "repeated", "decided_at", "emotion_data_used"];
    let mut kept: serde_json::Map<_, _> =
        keep.map(|key| (key.to_owned(), answer[key].clone())).into_iter().collect();
    kept.insert("limit".to_owned(), answer["offer"]["credit_limit"].clone());
    kept.into()
}

#[tokio::test]
async fn the_answers_are_the_same_with_a_cache_and_without() {
    let mut answers = Vec::new();
    for setup in [Setup::default(), without_cache()] {
        let app = App::with(setup);
        let user = app.register("ana@example.com").await;
        let mut run = vec![essence(&app.analyse(user).await.expect(StatusCode::OK))];
        app.transactions(user, 7, 33_333).await;
        app.emotions(user, 3, [0.7, 0.1, 0.3]).await;
        for seconds in [10, 290, 30, 270] {
            app.pass(Duration::from_secs(seconds));
            run.push(essence(&app.analyse(user).await.expect(StatusCode::OK)));
        }
        answers.push(run);
    }
    assert_eq!(answers[0], answers[1]);
}

/// A model with a fixed answer, under the name of one that the policy is made for.
struct Fixed(Result<f64, HandleError>);

#[async_trait]
impl CreditAnalysis for Fixed {
    async fn assess(&self, _: &Features, _: &RequestContext) -> Result<Assessment, HandleError> {
        let unexplained = Assessment::unexplained("financial-1", 0.5);
        self.0.clone().map(|risk_score| Assessment { risk_score, ..unexplained })
    }
}

/// A model that never answers.
struct Silent;

#[async_trait]
impl CreditAnalysis for Silent {
    async fn assess(&self, _: &Features, _: &RequestContext) -> Result<Assessment, HandleError> {
        std::future::pending().await
    }
}

async fn refused(model: impl CreditAnalysis) -> (StatusCode, bool) {
    let app = App::with(Setup { model: Some(Arc::new(model)), ..Setup::default() });
    let user = app.register("ana@example.com").await;
    let reply = app.analyse(user).await;
    assert_eq!(app.store.standing_decision(user, Timestamp::MIN).await.unwrap(), None, "nothing was decided");
    (reply.status, reply.headers.contains_key("retry-after"))
}

#[tokio::test]
async fn without_an_answer_of_the_model_nothing_is_decided() {
    let retry_after = Duration::from_secs(1);
    let down = HandleError::Unavailable { role: "credit-analysis", retry_after };
    assert_eq!(refused(Fixed(Err(down))).await, (StatusCode::SERVICE_UNAVAILABLE, true));
    for nonsense in [f64::NAN, -0.1, 1.1] {
        assert_eq!(refused(Fixed(Ok(nonsense))).await, (StatusCode::SERVICE_UNAVAILABLE, true));
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_that_does_not_answer_is_not_waited_for() {
    let guarded = Guarded::new(Arc::new(Silent), &Metrics::new());
    assert_eq!(refused(guarded).await, (StatusCode::SERVICE_UNAVAILABLE, true));
}

#[tokio::test]
async fn a_risk_at_the_cut_off_is_approved_and_one_above_it_denied() {
    for (risk, expect) in [(0.15, true), (0.150_001, false)] {
        let app = App::with(Setup { model: Some(Arc::new(Fixed(Ok(risk)))), ..Setup::default() });
        let user = app.register("ana@example.com").await;
        app.transactions(user, 1, 10_000).await;
        let answer = app.analyse(user).await.expect(StatusCode::OK);
        assert_eq!(answer["approved"], expect, "{risk}");
        assert_eq!(answer["reason"].is_null(), expect, "{risk}");
    }
}

/// Whoever consents and feels nothing is judged as whoever doesn't consent, and is told so.
#[tokio::test]
async fn of_silence_the_financial_model_decides() {
    let app = App::start();
    let (ana, bia) = (app.register("ana@example.com").await, app.register("bia@example.com").await);
    let consent = format!("/v1/users/{bia}/consents/emotion-analysis");
    app.call(Actor::User(bia), Method::DELETE, &consent, None).await.expect(StatusCode::NO_CONTENT);
    for user in [ana, bia] {
        app.transactions(user, 10, 30_000).await;
    }
    let silent = app.analyse(ana).await.expect(StatusCode::OK);
    let without = app.analyse(bia).await.expect(StatusCode::OK);
    for answer in [&silent, &without] {
        assert_eq!(
            (&answer["model_version"], &answer["emotion_data_used"], &answer["approved"]),
            (&json!("financial-1"), &json!(false), &json!(true))
        );
        assert_eq!(answer["explanation"].as_array().unwrap().len(), 4);
    }
    let same = json!({"approved": true, "ml_risk_score": silent["ml_risk_score"]});
    assert_eq!((&silent["without_emotions"], &without["without_emotions"]), (&same, &Value::Null));
    assert_eq!(silent["ml_risk_score"], without["ml_risk_score"]);
    let kept = app.store.standing_decision(ana, Timestamp::MIN).await.unwrap().unwrap();
    let second = kept.assessment.without_emotions.unwrap();
    assert_eq!(second.risk_score.to_bits(), kept.assessment.risk_score.to_bits());
    assert_eq!(second.model_digest, kept.assessment.model_digest);
    assert_eq!(kept.features.emotions.map(|emotions| emotions.means_7d.is_none()), Some(true));

    // One feeling is enough for the other model.
    app.pass(Duration::from_secs(300));
    app.emotions(ana, 1, [0.8, 0.4, 0.1]).await;
    let felt = app.analyse(ana).await.expect(StatusCode::OK);
    assert_eq!((&felt["model_version"], &felt["emotion_data_used"]), (&json!("empathic-1"), &json!(true)));
    assert_ne!(felt["without_emotions"]["ml_risk_score"], felt["ml_risk_score"]);
}

/// A model of this name, and one that says of the same what it would have said without emotions.
struct Named(&'static str, Option<&'static str>);

#[async_trait]
impl CreditAnalysis for Named {
    async fn assess(&self, _: &Features, _: &RequestContext) -> Result<Assessment, HandleError> {
        let second = |version: &str| Second {
            risk_score: 0.1,
            model_version: version.to_owned(),
            model_digest: "d".to_owned(),
        };
        let without_emotions = self.1.map(second);
        Ok(Assessment { without_emotions, ..Assessment::unexplained(self.0, 0.1) })
    }
}

/// A score means something by its own model's measure only.
#[tokio::test]
async fn a_policy_decides_nothing_by_the_score_of_a_model_that_it_is_not_made_for() {
    let check = async |policy: &str, model: Named, expect: StatusCode| {
        let told = format!("{policy}: {} {:?}", model.0, model.1);
        let (policy, model) = (Some(built_in_policy(policy)), Some(Arc::new(model) as _));
        let app = App::with(Setup { policy, model, ..Setup::default() });
        let user = app.register("ana@example.com").await;
        app.transactions(user, 1, 10_000).await;
        let reply = app.analyse(user).await;
        assert_eq!(reply.status, expect, "{told}: {}", reply.body);
        let decided = app.store.standing_decision(user, Timestamp::MIN).await.unwrap();
        assert_eq!(decided.is_some(), expect == StatusCode::OK, "{told}");
        if expect != StatusCode::OK {
            assert!(reply.headers.contains_key("retry-after"), "{told}");
            assert_eq!(reply.body["detail"], "the active policy is not made for the model in charge");
        }
    };
    check("policy-3", Named("financial-1", None), StatusCode::OK).await;
    check("policy-3", Named("empathic-1", Some("financial-trees-1")), StatusCode::OK).await;
    check("policy-3", Named("scorecard-1", None), StatusCode::SERVICE_UNAVAILABLE).await;
    check("policy-3", Named("empathic-1", Some("scorecard-1")), StatusCode::SERVICE_UNAVAILABLE).await;
    check("policy-1", Named("scorecard-1", Some("scorecard-1")), StatusCode::OK).await;
}
