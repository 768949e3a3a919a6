//! The faults of the platform's earlier versions, each a test. What concerns one part alone (growing delays up to the
//! delivery limit, a notification whose publish fails after the activation) is tested in `ecs-work` and
//! `ecs-credit-application` as well, where it can be made to fail.

use std::time::Duration;

use crate::support::{Person, TestApp, emotion, eventually};
use ecs_bus::{Event, Headers, Subject, payload::EmotionPayload};
use ecs_domain::emotion::{EmotionEvent, EmotionKind, Metrics, Unit};
use ecs_domain::{Clock as _, EventId};
use ecs_store::LetterFilter;
use serde_json::{Value, json};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn fault_1_a_202_was_answered_before_the_publish_and_its_failure_swallowed() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    app.platform.storage().bus().unwrap().close().await.unwrap();
    let refused = app.emotion(&emotion(ana.id, app.clock.now(), "1", (0.5, 0.5, 0.5))).await;
    refused.expect_problem(503, &[]);
    let refused =
        app.as_person(&ana, "POST", "/v1/transactions", Some(&json!({"userId": ana.id, "amount": 1}))).await;
    refused.expect_problem(503, &[]);
}

#[tokio::test]
async fn fault_2_redelivery_counted_twice() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    let body = emotion(ana.id, "2026-01-02T03:04:05Z".parse().unwrap(), "one", (0.5, 0.25, 0.75));
    let first = app.emotion(&body).await.expect_status(202);
    for _ in 0..5 {
        assert_eq!(app.emotion(&body).await.expect_status(202)["eventId"], first["eventId"]);
    }
    let app = app.restart().await;
    assert_eq!(app.emotion(&body).await.expect_status(202)["eventId"], first["eventId"]);
    app.settled().await;
    assert_eq!(app.query::<i64>("SELECT event_count FROM emotional_events_summary"), [1]);
    assert_eq!(app.query::<f64>("SELECT avg_stress_level FROM emotional_events_summary"), [0.75]);
    app.stop().await;
}

#[tokio::test]
async fn fault_3_failing_messages_came_back_for_ever_and_malformed_ones_vanished() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    let metrics = Metrics { positivity: half(), intensity: half(), stress: half() };
    let kind = EmotionKind::new("calm".to_owned()).unwrap();
    let good = EmotionEvent { id: event_id(1), user: ana.id, occurred_at: app.clock.now(), kind, metrics };
    let malformed = Event {
        id: event_id(2),
        subject: Subject::Emotions,
        key: ana.id,
        payload: "{\"userId\": 7".into(),
        headers: Headers::current(),
    };
    let future = Event {
        id: event_id(3),
        headers: Headers { schema_version: 99, ..Headers::current() },
        ..malformed.clone()
    };
    let good = EmotionPayload::event(&good, None, "trace", Headers::current());
    let published = app.platform.storage().bus().unwrap().publish(vec![malformed, good, future]).await;
    assert!(published.iter().all(Result::is_ok));
    app.settled().await;
    let store = app.platform.storage().store().unwrap();
    let letters = store.dead_letters(&LetterFilter::default(), None, 10).await.unwrap();
    assert_eq!(letters.len(), 2, "the batch-mate is no dead letter");
    let letter = letters.iter().find(|letter| letter.event == event_id(2)).unwrap();
    assert!(letter.reason.contains("malformed") && letter.attempts == 1, "{letter:?}");
    let payload = store.dead_letter(letter.id).await.unwrap().unwrap().payload;
    assert_eq!(payload.unwrap(), "{\"userId\": 7", "the original bytes are kept");
    assert_eq!(app.query::<i64>("SELECT event_count FROM emotional_events_summary"), [1]);
    app.stop().await;
}

#[tokio::test]
async fn fault_4_a_notification_was_lost_when_it_failed_after_the_activation() {
    let app = TestApp::start().await;
    let ana = app.calm_earner("ana").await;
    let offer = app.offer(&ana).await;
    app.accept(&ana, &offer).await.expect_status(202);
    // The bus goes away wherever the process is between acceptance, activation and notification.
    app.platform.storage().bus().unwrap().close().await.unwrap();
    let app = app.restart_after_crash().await;
    let told = eventually("Ana is notified", async || app.notifications(&ana).await.into_iter().next()).await;
    assert_eq!((&told["type"], &told["offer_id"]), (&json!("CREDIT_LIMIT_APPLIED"), &json!(offer)));
    app.settled().await;
    assert_eq!(app.notifications(&ana).await.len(), 1);
    assert_eq!(app.query::<String>("SELECT status FROM credit_limits"), ["active"]);
    app.stop().await;
}

#[tokio::test]
async fn fault_5_any_valid_token_acted_for_any_user() {
    let app = TestApp::start().await;
    let ana = app.calm_earner("ana").await;
    let offer = app.offer(&ana).await;
    let eve = app.person("eve").await;
    let check = async |method: &str, path: String, body: Option<Value>, expect: u16| {
        let answer = app.as_person(&eve, method, &path, body.as_ref()).await;
        assert_eq!(answer.status.as_u16(), expect, "{method} {path}: {answer:?}");
    };
    check("POST", format!("/v1/users/{}/credit-analysis", ana.id), None, 403).await;
    check("GET", format!("/v1/users/{}/offers", ana.id), None, 403).await;
    check("GET", format!("/v1/users/{}/notifications", ana.id), None, 403).await;
    check("GET", format!("/v1/users/{}/consents/emotion-analysis", ana.id), None, 403).await;
    check("PUT", format!("/v1/users/{}/consents/emotion-analysis", ana.id), None, 403).await;
    check("DELETE", format!("/v1/users/{}/consents/emotion-analysis", ana.id), None, 403).await;
    check("POST", format!("/v1/credit-offers/{offer}/accept"), Some(json!({"userId": ana.id})), 403).await;
    check("POST", format!("/v1/credit-offers/{offer}/accept"), Some(json!({"userId": eve.id})), 404).await;
    check("POST", "/v1/transactions".to_owned(), Some(json!({"userId": ana.id, "amount": 1})), 403).await;
    check("POST", "/v1/users".to_owned(), Some(json!({"externalId": "x"})), 403).await;
    check("GET", "/v1/operations/books".to_owned(), None, 403).await;
    app.stop().await;
}

#[tokio::test]
async fn fault_6_stress_events_in_30_days_summed_all_events_of_7_days() {
    let app = TestApp::with(&[("ECS_STRESS_THRESHOLD", "0.7")]).await;
    let ana = app.person("ana").await;
    let now = app.clock.now();
    let events = [(0, 0.7), (0, 0.69), (6, 0.9), (7, 0.9), (10, 0.95), (29, 1.0), (30, 1.0), (100, 1.0)];
    for (n, (days, stress)) in events.into_iter().enumerate() {
        let body = emotion(ana.id, now - DAY * days, &format!("{n}"), (0.5, 0.5, stress));
        app.emotion(&body).await.expect_status(202);
    }
    app.settled().await;
    let features =
        app.platform.storage().store().unwrap().features(ana.id, now).await.unwrap().unwrap().features;
    let emotions = features.emotions.unwrap();
    assert_eq!((emotions.stress_events_7d, emotions.stress_events_30d), (2, 5));
    app.stop().await;
}

#[tokio::test]
async fn fault_7_denials_were_not_stored_scores_were_random_and_money_was_a_float() {
    let app = TestApp::start().await;
    let bia = app.stressed_without_income("bia").await;
    let denied = app.analyse(&bia).await;
    assert_eq!((&denied["approved"], &denied["offer"]), (&json!(false), &Value::Null));
    assert!(denied["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
    assert_eq!(app.query::<i64>("SELECT count(*) FROM decisions"), [1]);

    let twin = app.stressed_without_income("twin").await;
    let [first, second] =
        [&denied, &app.analyse(&twin).await].map(|answer| answer["ml_risk_score"].as_f64().unwrap());
    assert!(
        (first - second).abs() < 1e-6,
        "the same life has the same score, save for the account's age in seconds"
    );

    let ana = app.calm_earner("ana").await;
    let answer = app.as_person(&ana, "POST", &format!("/v1/users/{}/credit-analysis", ana.id), None).await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let digits = |field: &str| {
        let rest = text.split(&format!("\"{field}\":")).nth(1).unwrap();
        rest.split([',', '}']).next().unwrap().to_owned()
    };
    assert!(digits("credit_limit").ends_with(".00") && digits("interest_rate").contains('.'), "{text}");
    let body = format!("{{\"userId\":\"{}\",\"amount\":0.1}}", ana.id);
    for _ in 0..3 {
        let authorization = format!("Bearer {}", ana.token);
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        app.http.send("POST", "/v1/transactions", &headers, body.clone()).await.expect_status(202);
    }
    app.settled().await;
    assert_eq!(
        app.query::<String>("SELECT amount FROM transactions WHERE CAST(amount AS REAL) < 1"),
        ["0.10"; 3]
    );
    app.stop().await;
}

#[tokio::test]
async fn fault_10_long_tokens_leaked_hashes_two_users_per_address_and_endless_amounts() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    let upper = json!({"email": "ANA@Example.COM", "password": crate::support::PASSWORD});
    app.http.post("/v1/auth/register", &[], &upper).await.expect_problem(409, &[]);
    let session = app.http.post("/v1/auth/login", &[], &upper).await.expect_status(200);
    assert_eq!((&session["expires_in"], &session["token_type"]), (&json!(3600), &json!("bearer")));

    let account = app.as_person(&ana, "GET", &format!("/v1/users/{}", ana.id), None).await;
    account.expect_status(200);
    assert!(!String::from_utf8_lossy(&account.body).contains("hash"), "{account:?}");

    let endless = format!("{{\"userId\":\"{}\",\"amount\":1{}}}", ana.id, "0".repeat(300));
    let authorization = format!("Bearer {}", ana.token);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    app.http.send("POST", "/v1/transactions", &headers, endless).await.expect_problem(422, &["amount"]);

    app.clock.advance(Duration::from_secs(3601));
    app.as_person(&ana, "GET", &format!("/v1/users/{}", ana.id), None).await.expect_problem(401, &[]);
    app.stop().await;
}

fn half() -> Unit {
    Unit::new(0.5).unwrap()
}

fn event_id(n: u128) -> EventId {
    EventId::new(uuid::Uuid::from_u128(n))
}

impl TestApp {
    /// Somebody whose good life is in the aggregates.
    async fn calm_earner(&self, name: &str) -> Person {
        let person = self.person(name).await;
        self.live_well(&person).await;
        self.settled().await;
        person
    }

    async fn stressed_without_income(&self, name: &str) -> Person {
        let person = self.person(name).await;
        for n in 0..10 {
            let body = emotion(person.id, self.clock.now(), &format!("{n}"), (0.1, 0.9, 0.95));
            self.emotion(&body).await.expect_status(202);
        }
        self.settled().await;
        person
    }
}
