//! Reviews of decisions by people.

use std::time::Duration;

use ecs_bus::payload::NotificationPayload;
use ecs_bus::{Event, Headers, Subject};
use ecs_domain::notification::About;
use ecs_domain::permission::Permission;
use ecs_domain::{EventId, UserId};
use ecs_store::Outbox as _;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Actor, App, new_user_id};

/// Somebody who was denied, the path of their decision, and of its review.
async fn denied(app: &App, email: &str) -> (UserId, String) {
    let user = app.register(email).await;
    let decided = app.analyse(user).await.expect(StatusCode::OK);
    (user, format!("/v1/decisions/{}", decided["decision_id"].as_str().unwrap()))
}

async fn ask(app: &App, user: UserId, decision: &str) -> String {
    let comment = json!({"comment": "please look again"});
    let review = app.post(Actor::User(user), &format!("{decision}/review"), comment).await;
    let review = review.expect(StatusCode::CREATED);
    format!("/v1/reviews/{}", review["review_id"].as_str().unwrap())
}

fn overturned() -> Value {
    let terms = json!({"credit_limit": 500.00, "interest_rate": 25.00, "credit_type": "SHORT_TERM"});
    json!({"outcome": "overturned", "explanation": "the salary is regular", "terms": terms})
}

#[tokio::test]
async fn a_person_asks_an_officer_answers_and_the_person_is_told() {
    let app = App::start();
    let (ana, decision) = denied(&app, "ana@example.com").await;
    let review = ask(&app, ana, &decision).await;
    let officer = Actor::Officer(new_user_id());
    let queue = app.get(officer, "/v1/reviews").await.expect(StatusCode::OK);
    assert_eq!((&queue["total"], &queue["items"][0]["user_id"]), (&json!(1), &json!(ana)));
    assert_eq!(queue["items"][0]["comment"], "please look again");
    assert_eq!(queue["items"][0]["due_at"], "2026-12-05T12:00:00.123456Z");
    app.call(officer, Method::POST, &format!("{review}/claim"), None).await.expect(StatusCode::OK);
    let concluded =
        app.post(officer, &format!("{review}/outcome"), overturned()).await.expect(StatusCode::OK);
    assert_eq!((&concluded["state"], &concluded["outcome"]), (&json!("concluded"), &json!("overturned")));

    let shown = app.get(Actor::User(ana), &decision).await.expect(StatusCode::OK);
    assert_eq!(shown["review"]["explanation"], "the salary is regular");
    assert_eq!(shown["review"].get("claimed_by"), None, "officers answer for the lender");
    assert_eq!(shown["approved"], false, "what was decided stays as it was decided");
    let offer = shown["review"]["offer_id"].as_str().unwrap();
    let offers = app.get(Actor::User(ana), &format!("/v1/users/{ana}/offers")).await.expect(StatusCode::OK);
    assert_eq!((&offers["total"], &offers["items"][0]["offer_id"]), (&json!(1), &json!(offer)));
    assert_eq!(offers["items"][0]["credit_limit"].to_string(), "500.0");
    is_told(&app, ana, &decision).await;
    app.accept(Actor::User(ana), ana, offer).await.expect(StatusCode::ACCEPTED);
}

/// What waits to be published is the notification, in the words of the contract.
async fn is_told(app: &App, user: UserId, decision: &str) {
    let waiting = app.store.claim_outbox(10, app.now(), Duration::from_secs(1)).await.unwrap();
    let [row] = &waiting[..] else { panic!("{waiting:?}") };
    assert_eq!((row.subject.as_str(), row.key, row.schema_version), ("user.notifications", user, 2));
    let headers = Headers { schema_version: 2, ..Headers::current() };
    let id = EventId::new(row.id.uuid());
    let event =
        Event { id, subject: Subject::Notifications, key: user, payload: row.payload.clone(), headers };
    let About::Decision(of) = NotificationPayload::decode(&event).unwrap().about else { panic!("{event:?}") };
    assert_eq!(format!("/v1/decisions/{of}"), decision);
}

#[tokio::test]
async fn a_decision_has_one_review_at_a_time_and_its_own_person_asks() {
    let app = App::start();
    let (ana, decision) = denied(&app, "ana@example.com").await;
    let path = format!("{decision}/review");
    let bia = app.register("bia@example.com").await;
    app.call(Actor::User(bia), Method::POST, &path, None).await.expect(StatusCode::NOT_FOUND);
    app.call(Actor::Operator, Method::POST, &path, None).await.expect(StatusCode::NOT_FOUND);
    for body in [json!({"comment": ""}), json!({"comment": "x".repeat(2_001)}), json!({"comment": "\u{0}"})] {
        assert_eq!(app.post(Actor::User(ana), &path, body).await.invalid_fields(), ["comment"]);
    }
    let made = app.call(Actor::User(ana), Method::POST, &path, None).await.expect(StatusCode::CREATED);
    assert_eq!((&made["state"], &made["comment"]), (&json!("open"), &Value::Null));
    app.post(Actor::User(ana), &path, json!({})).await.expect(StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_wish_under_a_key_is_one_wish() {
    let app = App::start();
    let (ana, decision) = denied(&app, "ana@example.com").await;
    let path = format!("{decision}/review");
    let body = json!({"comment": "please"});
    let first = app.keyed(Actor::User(ana), &path, "once", &body).await;
    app.pass(Duration::from_secs(5));
    let again = app.keyed(Actor::User(ana), &path, "once", &body).await;
    assert_eq!((again.status, &again.bytes), (StatusCode::CREATED, &first.bytes));
    app.keyed(Actor::User(ana), &path, "twice", &body).await.expect(StatusCode::CONFLICT);
}

#[tokio::test]
async fn officers_meet_each_other_and_never_themselves() {
    let app = App::start();
    let (ana, decision) = denied(&app, "ana@example.com").await;
    let review = ask(&app, ana, &decision).await;
    let (claim, outcome) = (format!("{review}/claim"), format!("{review}/outcome"));
    let (one, other) = (Actor::Officer(new_user_id()), Actor::Officer(new_user_id()));
    let upheld = || json!({"outcome": "upheld", "explanation": "seen"});
    app.post(one, &outcome, upheld()).await.expect(StatusCode::CONFLICT);
    app.call(Actor::Officer(ana), Method::POST, &claim, None).await.expect(StatusCode::FORBIDDEN);
    let claimed = app.call(one, Method::POST, &claim, None).await.expect(StatusCode::OK);
    assert_eq!(claimed["state"], "claimed");
    app.call(one, Method::POST, &claim, None).await.expect(StatusCode::OK);
    app.call(other, Method::POST, &claim, None).await.expect(StatusCode::CONFLICT);
    app.post(other, &outcome, upheld()).await.expect(StatusCode::CONFLICT);
    app.post(Actor::Officer(ana), &outcome, upheld()).await.expect(StatusCode::FORBIDDEN);
    let concluded = app.post(one, &outcome, upheld()).await.expect(StatusCode::OK);
    assert_eq!(concluded["offer_id"], Value::Null);
    app.post(one, &outcome, upheld()).await.expect(StatusCode::CONFLICT);
    let nothing = format!("/v1/reviews/{}", new_user_id());
    app.call(one, Method::POST, &format!("{nothing}/claim"), None).await.expect(StatusCode::NOT_FOUND);
    app.post(one, &format!("{nothing}/outcome"), upheld()).await.expect(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_outcome_makes_sense_or_is_refused() {
    let app = App::start();
    let path = format!("/v1/reviews/{}/outcome", new_user_id());
    let check = async |change: fn(&mut Value), expect: &[&str]| {
        let mut body = overturned();
        change(&mut body);
        assert_eq!(app.post(Actor::Operator, &path, body.clone()).await.invalid_fields(), expect, "{body}");
    };
    check(|body| *body = json!({}), &["outcome", "explanation"]).await;
    check(|body| body["outcome"] = json!("maybe"), &["outcome"]).await;
    check(|body| body["explanation"] = json!(" "), &["explanation"]).await;
    check(|body| body["outcome"] = json!("upheld"), &["terms"]).await;
    check(|body| body["terms"] = Value::Null, &["terms"]).await;
    check(|body| body["terms"]["credit_limit"] = json!(2_500.01), &["terms"]).await;
    check(|body| body["terms"]["interest_rate"] = json!(1.00), &["terms"]).await;
    check(|body| body["terms"]["credit_type"] = json!("LONG_TERM"), &["terms"]).await;
    check(|body| body["terms"]["credit_type"] = json!("?"), &["terms.credit_type"]).await;
    check(
        |body| body["terms"] = json!({}),
        &["terms.credit_limit", "terms.interest_rate", "terms.credit_type"],
    )
    .await;
}

#[tokio::test]
async fn the_queue_is_for_those_who_may_see_it() {
    let app = App::start();
    for email in ["ana@example.com", "bia@example.com"] {
        let (user, decision) = denied(&app, email).await;
        ask(&app, user, &decision).await;
        app.pass(Duration::from_secs(60));
    }
    app.get(Actor::User(new_user_id()), "/v1/reviews").await.expect(StatusCode::FORBIDDEN);
    app.get(Actor::Holding(Permission::ReviewsDecide), "/v1/reviews").await.expect(StatusCode::FORBIDDEN);
    let reader = Actor::Holding(Permission::ReviewsRead);
    let page = app.get(reader, "/v1/reviews?page=2&page_size=1").await.expect(StatusCode::OK);
    assert_eq!((&page["total"], page["items"].as_array().unwrap().len()), (&json!(2), 1));
    assert_eq!(page["items"][0]["overdue"], false);
    assert_eq!(app.get(reader, "/v1/reviews?state=lost").await.invalid_fields(), ["state"]);
    let claimed = app.get(reader, "/v1/reviews?state=claimed").await.expect(StatusCode::OK);
    assert_eq!(claimed["total"], 0);
    app.pass(Duration::from_secs(15 * 86_400));
    let page = app.get(reader, "/v1/reviews").await.expect(StatusCode::OK);
    assert_eq!(page["items"][0]["overdue"], true);
    let claim = format!("/v1/reviews/{}/claim", page["items"][0]["review_id"].as_str().unwrap());
    app.call(reader, Method::POST, &claim, None).await.expect(StatusCode::FORBIDDEN);
}
