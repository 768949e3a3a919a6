//! Age bands and regions: whose they are, what they hang on, and that no decision looks at them.

use std::time::Duration;

use ecs_domain::UserId;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Actor, App, Reply};

async fn agree(app: &App, user: UserId, method: Method) {
    let path = format!("/v1/users/{user}/consents/demographics");
    let reply = app.call(Actor::User(user), method, &path, None).await;
    assert!(reply.status.is_success(), "{}", reply.body);
}

async fn tell(app: &App, user: UserId, body: Value) -> Reply {
    let path = format!("/v1/users/{user}/attributes");
    app.call(Actor::User(user), Method::PUT, &path, Some(body)).await
}

async fn told(app: &App, user: UserId) -> Value {
    app.get(Actor::User(user), &format!("/v1/users/{user}/attributes")).await.expect(StatusCode::OK)
}

#[tokio::test]
async fn attributes_come_and_go_with_consent() {
    let app = App::start();
    let ana = app.register("ana@example.com").await;
    let body = json!({"age_band": "25-34", "region": "BR-SP"});
    let nothing = json!({"age_band": null, "region": null, "updated_at": null});
    let refused = tell(&app, ana, body.clone()).await.expect(StatusCode::CONFLICT);
    assert_eq!(refused["detail"], "give consent to demographics first");
    assert_eq!(told(&app, ana).await, nothing);

    agree(&app, ana, Method::PUT).await;
    let kept = tell(&app, ana, body).await.expect(StatusCode::OK);
    assert_eq!((&kept["age_band"], &kept["region"]), (&json!("25-34"), &json!("BR-SP")));
    assert_eq!(told(&app, ana).await, kept);
    tell(&app, ana, json!({"region": "BR"})).await.expect(StatusCode::OK);
    let replaced = told(&app, ana).await;
    assert_eq!((&replaced["age_band"], &replaced["region"]), (&Value::Null, &json!("BR")));

    agree(&app, ana, Method::DELETE).await;
    assert_eq!(told(&app, ana).await, nothing);
    agree(&app, ana, Method::PUT).await;
    assert_eq!(told(&app, ana).await, nothing);
    tell(&app, ana, json!({"age_band": "65+"})).await.expect(StatusCode::OK);
    let path = format!("/v1/users/{ana}/attributes");
    app.call(Actor::User(ana), Method::DELETE, &path, None).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(told(&app, ana).await, nothing);
}

/// Not even an operator with every permission: nobody who works here sees them for a person.
#[tokio::test]
async fn attributes_are_their_persons_alone() {
    let app = App::start();
    let ana = app.register("ana@example.com").await;
    let bia = app.register("bia@example.com").await;
    let path = format!("/v1/users/{ana}/attributes");
    for actor in [|_| Actor::Operator, Actor::User] {
        for (method, body) in [(Method::GET, None), (Method::PUT, Some(json!({}))), (Method::DELETE, None)] {
            let reply = app.call(actor(bia), method.clone(), &path, body).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{method}: {}", reply.body);
        }
    }
}

#[tokio::test]
async fn what_is_told_has_one_shape() {
    let app = App::start();
    let ana = app.register("ana@example.com").await;
    agree(&app, ana, Method::PUT).await;
    let check = async |body: Value, fields: &[&str]| {
        assert_eq!(tell(&app, ana, body.clone()).await.invalid_fields(), fields, "{body}");
    };
    check(json!({}), &["age_band"]).await;
    check(json!({"age_band": "17", "region": "Brazil"}), &["age_band", "region"]).await;
    check(json!({"region": "br-sp"}), &["region"]).await;
    check(json!({"region": "BR", "income": 1}), &["income"]).await;
}

/// The same events, with and without attributes: the same decision, to the last bit.
#[tokio::test]
async fn no_decision_looks_at_attributes() {
    let app = App::start();
    let ana = app.busy_and_calm("ana@example.com").await;
    let bia = app.busy_and_calm("bia@example.com").await;
    agree(&app, ana, Method::PUT).await;
    tell(&app, ana, json!({"age_band": "18-24", "region": "BR-SP"})).await.expect(StatusCode::OK);
    let decision = async |user: UserId| {
        let answer = app.analyse(user).await.expect(StatusCode::OK);
        let offer = &answer["offer"];
        let terms =
            [&offer["credit_limit"], &offer["interest_rate"], &offer["credit_type"]].map(Value::clone);
        (answer["approved"].clone(), answer["ml_risk_score"].clone(), answer["explanation"].clone(), terms)
    };
    let first = decision(ana).await;
    assert_eq!(first, decision(bia).await);
    assert_eq!(first.0, true);
    tell(&app, ana, json!({"age_band": "65+", "region": "XX"})).await.expect(StatusCode::OK);
    app.pass(Duration::from_secs(300));
    assert_eq!(decision(ana).await, decision(bia).await);
}
