//! The books over HTTP.

use std::collections::BTreeSet;

use axum::body::Body;
use ecs_bus::payload::EmotionPayload;
use ecs_domain::consent::ConsentRule;
use ecs_domain::emotion::{EmotionEvent, StressThreshold, Unit};
use ecs_domain::permission::Permission;
use ecs_domain::{Clock as _, UserId, utc_day};
use ecs_store::{EmotionRules, Folds as _};
use ecs_web::Identity;
use ecs_work::retention;
use ecs_work_testkit::platform::emotion;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Scene, get, operator};

impl Scene {
    /// Counts emotions of one user, published or not.
    async fn count(&self, published: bool) -> Vec<EmotionEvent> {
        let (user, now) = (self.platform.user().await, self.platform.clock.now());
        let events: Vec<_> = (0..5).map(|n| emotion(user, &format!("{n}"), now)).collect();
        let emotions: Vec<_> = events.iter().map(|event| EmotionPayload::decode(event).unwrap()).collect();
        if published {
            self.platform.publish(events).await;
        }
        let rules = EmotionRules {
            consent: ConsentRule::Assumed,
            stress: StressThreshold(Unit::new(0.7).unwrap()),
            raw_floor: retention::raw_floor(now, 30),
        };
        self.platform.store.fold_emotions(&emotions, rules, now).await.unwrap();
        emotions
    }

    async fn fates(&self, question: &Value) -> (StatusCode, Value) {
        self.send(post(question.to_string()), Some(operator())).await
    }
}

fn post(body: String) -> Request<Body> {
    let request = Request::post("/v1/operations/books/fates").header("content-type", "application/json");
    request.body(Body::from(body)).unwrap()
}

#[tokio::test]
async fn only_operators_read_the_books() {
    let scene = Scene::open();
    let requests = || {
        let counted = get("/v1/operations/books/counted?ledger=emotions");
        [get("/v1/operations/books"), counted, post("not even JSON".to_owned())]
    };
    let all_but =
        Permission::ALL.iter().copied().filter(|permission| *permission != Permission::OperationsRead);
    let customer = Identity::with(UserId::new(Uuid::nil()), all_but);
    for request in requests() {
        assert_eq!(scene.send(request, None).await.0, StatusCode::UNAUTHORIZED);
    }
    for request in requests() {
        assert_eq!(scene.send(request, Some(customer.clone())).await.0, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn the_books_say_whether_they_balance_and_what_is_off() {
    let scene = Scene::open();
    scene.count(true).await;
    let (status, books) = scene.get("/v1/operations/books").await;
    assert_eq!(
        (status, &books["balances"], &books["complaints"]),
        (StatusCode::OK, &json!(true), &json!([]))
    );
    assert_eq!((&books["emotions"]["accepted"], &books["emotions"]["counted"]), (&json!(5), &json!(5)));
    assert_eq!((&books["transactions"]["accepted"], &books["offers"]["accepted"]), (&json!(0), &json!(0)));

    scene.count(false).await;
    let (_, books) = scene.get("/v1/operations/books").await;
    assert_eq!(books["balances"], json!(false));
    assert_eq!(books["emotions"]["neverAccepted"], json!(5));
    let complaint = books["complaints"][0].as_str().unwrap();
    assert!(complaint.starts_with("5 emotion events are counted, but were never accepted"), "{complaint}");
}

#[tokio::test]
async fn fates_are_told_in_the_order_of_the_keys() {
    let scene = Scene::open();
    let emotions = scene.count(true).await;
    let key = |emotion: &EmotionEvent, days| {
        let day = utc_day(emotion.occurred_at) + jiff::Span::new().days(days);
        json!({ "userId": emotion.user, "eventId": emotion.id, "day": day })
    };
    let keys = [key(&emotions[3], 0), key(&emotions[3], 1), key(&emotions[0], 0)];
    let (status, answer) = scene.fates(&json!({ "ledger": "emotions", "keys": keys })).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({ "fates": ["counted", "unknown", "counted"] })));
    let (_, answer) = scene.fates(&json!({ "ledger": "transactions", "keys": keys })).await;
    assert_eq!(answer, json!({ "fates": ["unknown", "unknown", "unknown"] }));
}

#[tokio::test]
async fn ten_thousand_keys_are_taken_and_no_more() {
    let scene = Scene::open();
    let key = json!({ "userId": Uuid::nil(), "eventId": Uuid::nil(), "day": "2026-11-20" });
    let (status, answer) = scene.fates(&json!({ "ledger": "emotions", "keys": vec![&key; 10_000] })).await;
    assert_eq!((status, answer["fates"].as_array().unwrap().len()), (StatusCode::OK, 10_000));
    let (status, problem) = scene.fates(&json!({ "ledger": "emotions", "keys": vec![&key; 10_001] })).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("keys")));
}

#[tokio::test]
async fn wrong_questions_hear_which_field_is_wrong() {
    let scene = Scene::open();
    let check = |(status, problem): (StatusCode, Value), fields: &[&str]| {
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        let errors: Vec<&str> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["field"].as_str().unwrap())
            .collect();
        assert_eq!(errors, fields, "{problem}");
    };
    check(scene.fates(&json!({})).await, &["ledger", "keys"]);
    check(scene.fates(&json!({ "ledger": "offers", "keys": [] })).await, &["ledger"]);
    let key = json!({ "userId": Uuid::nil(), "eventId": "1", "day": "2026-11-20" });
    check(scene.fates(&json!({ "ledger": "emotions", "keys": [key] })).await, &["keys[0].eventId"]);
    check(scene.fates(&json!({ "ledger": "emotions", "keys": [{}] })).await, &["keys[0].userId"]);
    let key = json!([Uuid::nil(), Uuid::nil(), "2026-11-20"]);
    check(scene.fates(&json!({ "ledger": "emotions", "keys": [key] })).await, &["keys[0]"]);
    check(scene.get("/v1/operations/books/counted?limit=0").await, &["ledger", "limit"]);
    check(scene.get("/v1/operations/books/counted?ledger=emotions&after_day=today").await, &["after_day"]);
    let nil = Uuid::nil();
    check(
        scene.get(&format!("/v1/operations/books/counted?ledger=emotions&after_user={nil}")).await,
        &["after_id"],
    );
}

#[tokio::test]
async fn a_field_that_stands_twice_in_the_query_is_a_problem_of_400() {
    let scene = Scene::open();
    let (status, problem) = scene.get("/v1/operations/books/counted?limit=1&limit=2").await;
    assert_eq!((status, &problem["status"]), (StatusCode::BAD_REQUEST, &json!(400)));
}

#[tokio::test]
async fn counted_events_are_told_page_by_page() {
    let scene = Scene::open();
    let mut expected: BTreeSet<String> = BTreeSet::new();
    for _ in 0..3 {
        expected.extend(scene.count(true).await.iter().map(|emotion| emotion.id.to_string()));
    }
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let (status, page) =
            scene.get(&format!("/v1/operations/books/counted?ledger=emotions&limit=4{after}")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let events = page["events"].as_array().unwrap();
        let Some(last) = events.last() else { break };
        assert!(last["arrivedAt"].as_str().unwrap().parse::<ecs_domain::Timestamp>().is_ok());
        let text = |field: &str| last[field].as_str().unwrap().to_owned();
        after =
            format!("&after_day={}&after_user={}&after_id={}", text("day"), text("userId"), text("eventId"));
        seen.extend(events.iter().map(|event| event["eventId"].as_str().unwrap().to_owned()));
    }
    assert_eq!(seen.len(), 15);
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected);
}
