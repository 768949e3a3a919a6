//! The way of one application, from the first event to the notification, and what a restart carries on.

use serde_json::{Value, json};

use crate::support::{TestApp, emotion, eventually};

#[tokio::test]
async fn events_become_aggregates_a_decision_an_offer_a_credit_and_a_notification() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    for n in 0..10 {
        let body = json!({"userId": ana.id, "amount": 300.00, "transactionId": format!("t{n}"), "merchant": "Mercado"});
        let answer = app.as_person(&ana, "POST", "/v1/transactions", Some(&body)).await.expect_status(202);
        assert_eq!((&answer["status"], &answer["userId"]), (&json!("event received"), &json!(ana.id)));
        assert!(answer["traceId"].is_string() && answer["transactionId"].is_string(), "{answer}");
        let answer =
            app.emotion(&emotion(ana.id, app.platform_now(), &format!("e{n}"), (0.85, 0.4, 0.1))).await;
        assert_eq!(answer.expect_status(202)["status"], "event received");
    }
    app.settled().await;

    let path = format!("/v1/users/{}/credit-analysis", ana.id);
    let (first, second) =
        tokio::join!(app.as_person(&ana, "POST", &path, None), app.as_person(&ana, "POST", &path, None));
    let [first, second] = [first.expect_status(200), second.expect_status(200)];
    assert_eq!(first["approved"], true, "{first}");
    assert_eq!(first["offer"]["offer_id"], second["offer"]["offer_id"], "two requests, one decision");
    assert_ne!(first["repeated"], second["repeated"], "one of them says that it is a repeated one");
    assert_eq!(app.query::<i64>("SELECT count(*) FROM decisions"), [1]);

    let offer = first["offer"]["offer_id"].as_str().unwrap();
    let accept = format!("/v1/credit-offers/{offer}/accept");
    let body = json!({"userId": ana.id});
    let answer = app.as_person(&ana, "POST", &accept, Some(&body)).await.expect_status(202);
    assert_eq!(answer["status"], "offer acceptance is being processed");
    app.as_person(&ana, "POST", &accept, Some(&body)).await.expect_problem(409, &[]);

    let notifications = format!("/v1/users/{}/notifications", ana.id);
    let told = eventually("Ana is notified", async || {
        let page = app.as_person(&ana, "GET", &notifications, None).await.expect_status(200);
        page["items"].as_array().and_then(|items| items.first().cloned())
    })
    .await;
    assert_eq!((&told["type"], &told["offer_id"]), (&json!("CREDIT_LIMIT_APPLIED"), &json!(offer)));
    let offers =
        app.as_person(&ana, "GET", &format!("/v1/users/{}/offers", ana.id), None).await.expect_status(200);
    assert_eq!((&offers["total"], &offers["page"], &offers["page_size"]), (&json!(1), &json!(1), &json!(10)));
    assert_eq!(offers["items"][0]["status"], "active");
    app.stop().await;
}

#[tokio::test]
async fn an_offer_can_be_accepted_for_seven_days() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    for n in 0..10 {
        let body = json!({"userId": ana.id, "amount": 300, "transactionId": format!("t{n}")});
        app.as_person(&ana, "POST", "/v1/transactions", Some(&body)).await.expect_status(202);
    }
    app.settled().await;
    let path = format!("/v1/users/{}/credit-analysis", ana.id);
    let answer = app.as_person(&ana, "POST", &path, None).await.expect_status(200);
    let offer = answer["offer"]["offer_id"].as_str().unwrap().to_owned();
    app.clock.advance(std::time::Duration::from_secs(7 * 24 * 60 * 60));
    let token = app.token(ana.id, &[]);
    let headers = [("authorization", &*format!("Bearer {token}"))];
    let accept = format!("/v1/credit-offers/{offer}/accept");
    app.http.post(&accept, &headers, &json!({"userId": ana.id})).await.expect_problem(410, &[]);
    let offers = app.http.get(&format!("/v1/users/{}/offers", ana.id), &headers).await.expect_status(200);
    assert_eq!(offers["items"][0]["status"], "expired");
    app.stop().await;
}

#[tokio::test]
async fn a_back_dated_event_lands_under_its_own_date() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    let body = emotion(ana.id, "2025-08-19T14:30:00Z".parse().unwrap(), "old", (0.5, 0.5, 0.5));
    app.emotion(&body).await.expect_status(202);
    app.emotion(&body).await.expect_status(202);
    app.settled().await;
    assert_eq!(app.query::<String>("SELECT summary_date FROM emotional_events_summary"), ["2025-08-19"]);
    assert_eq!(app.query::<i64>("SELECT event_count FROM emotional_events_summary"), [1]);
    app.stop().await;
}

#[tokio::test]
async fn without_required_consent_emotions_are_discarded_and_not_used() {
    let app = TestApp::with(&[("EMOTION_CONSENT", "required")]).await;
    let ana = app.person("ana").await;
    let send = async |n: u32| {
        app.emotion(&emotion(ana.id, app.platform_now(), &format!("{n}"), (0.1, 0.9, 0.99))).await
    };
    send(1).await.expect_status(202);
    app.settled().await;
    assert_eq!(app.query::<i64>("SELECT count(*) FROM emotional_events_summary"), [0]);

    let consent = format!("/v1/users/{}/consents/emotion-analysis", ana.id);
    app.as_person(&ana, "PUT", &consent, None).await.expect_status(200);
    send(1).await.expect_status(202);
    send(2).await.expect_status(202);
    app.settled().await;
    assert_eq!(
        app.query::<i64>("SELECT sum(event_count) FROM emotional_events_summary"),
        [1],
        "what was discarded stays so"
    );

    let analysis = format!("/v1/users/{}/credit-analysis", ana.id);
    let with = app.as_person(&ana, "POST", &analysis, None).await.expect_status(200);
    assert_eq!(with["emotion_data_used"], true, "{with}");
    assert_eq!(app.as_person(&ana, "DELETE", &consent, None).await.status.as_u16(), 204);
    app.clock.advance(std::time::Duration::from_secs(301));
    let without = app.as_person(&ana, "POST", &analysis, None).await.expect_status(200);
    assert_eq!(
        (&without["emotion_data_used"], &without["repeated"]),
        (&json!(false), &json!(false)),
        "{without}"
    );
    assert!(risk(&without) < risk(&with), "stress counts only with consent");
    let books = app.operator().books().await.unwrap();
    assert_eq!(
        (&books["emotions"]["counted"], &books["emotions"]["discarded"]),
        (&json!(1), &json!(1)),
        "{books}"
    );
    app.stop().await;
}

fn risk(answer: &Value) -> f64 {
    answer["ml_risk_score"].as_f64().unwrap()
}

#[tokio::test]
async fn the_answers_are_the_same_without_a_cache() {
    let mut answers = Vec::new();
    for cache in ["memory", "none"] {
        let app = TestApp::with(&[("ECS_CACHE", cache)]).await;
        let ana = app.person("ana").await;
        let path = format!("/v1/users/{}/credit-analysis", ana.id);
        let mut seen = Vec::new();
        for amount in [10, 5_000] {
            let body = json!({"userId": ana.id, "amount": amount});
            app.as_person(&ana, "POST", "/v1/transactions", Some(&body)).await.expect_status(202);
            app.settled().await;
            let features = app.as_person(&ana, "POST", &path, None).await.expect_status(200);
            let again = app.as_person(&ana, "POST", &path, None).await.expect_status(200);
            assert_eq!(features["decision_id"], again["decision_id"]);
            assert_eq!(again["repeated"], true);
            seen.push((features["approved"].clone(), (risk(&features) * 1e4).round()));
            app.clock.advance(std::time::Duration::from_secs(301));
        }
        answers.push(seen);
        app.stop().await;
    }
    assert_eq!(answers[0], answers[1]);
    assert_ne!(answers[0][0], answers[0][1], "a new transaction shows at the next decision");
}

impl TestApp {
    pub(crate) fn platform_now(&self) -> ecs_domain::Timestamp {
        use ecs_domain::Clock as _;
        self.clock.now()
    }
}
