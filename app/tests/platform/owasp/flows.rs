//! Unrestricted access to sensitive business flows: credit is decided once and taken once, however often and fast one asks.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Person, TestApp};

/// How long a decision stands.
const STANDS: Duration = Duration::from_secs(5 * 60);

#[tokio::test]
async fn api6_unrestricted_access_to_sensitive_business_flows() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    app.live_well(&ana).await;
    app.settled().await;
    let decision = a_decision_is_not_rolled_again(&app, &ana).await;
    an_offer_is_taken_once(&app, &ana, decision["offer"]["offer_id"].as_str().unwrap()).await;
    app.clock.advance(STANDS + Duration::from_secs(1));
    app.analyse(&ana).await;
    assert_eq!(
        app.query::<i64>("SELECT count(*) FROM decisions"),
        [2],
        "a decision stands for a time, not for ever"
    );
    app.stop().await;
}

/// Asking again, at the same time, with keys of its own, and with better events in between: it is the same decision.
async fn a_decision_is_not_rolled_again(app: &TestApp, ana: &Person) -> Value {
    let path = format!("/v1/users/{}/credit-analysis", ana.id);
    let bearer = format!("Bearer {}", ana.token);
    let keyed = async |key: &str| {
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", key)];
        app.http.call("POST", &path, &headers, None).await.expect_status(200)
    };
    let at_once = tokio::join!(app.analyse(ana), app.analyse(ana), keyed("one"), keyed("two"));
    let larger = json!({"userId": ana.id, "amount": 90_000, "transactionId": "larger"});
    app.as_person(ana, "POST", "/v1/transactions", Some(&larger)).await.expect_status(202);
    app.settled().await;
    let later = app.analyse(ana).await;
    for answer in [&at_once.0, &at_once.1, &at_once.2, &at_once.3] {
        assert_eq!((&answer["offer"], &answer["ml_risk_score"]), (&later["offer"], &later["ml_risk_score"]));
    }
    assert_eq!(app.query::<i64>("SELECT count(*) FROM decisions"), [1]);
    later
}

async fn an_offer_is_taken_once(app: &TestApp, ana: &Person, offer: &str) {
    let answers = tokio::join!(app.accept(ana, offer), app.accept(ana, offer), app.accept(ana, offer));
    let mut statuses = [answers.0, answers.1, answers.2].map(|answer| answer.status.as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409, 409]);
    app.settled().await;
    app.accept(ana, offer).await.expect_problem(409, &[]);
    assert_eq!(app.query::<String>("SELECT status FROM credit_limits"), ["active"]);
    assert_eq!(app.notifications(ana).await.len(), 1);
}
