//! Replaying over HTTP.

use std::time::{Duration, Instant};

use axum::body::Body;
use ecs_bus::{Bus as _, Frontier, Subject};
use ecs_domain::permission::Permission;
use ecs_domain::{Clock as _, UserId, utc_day};
use ecs_web::Identity;
use ecs_work_testkit::platform::emotion;
use http::{Request, StatusCode};
use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::{Scene, get, operator};

fn post() -> Request<Body> {
    Request::post("/v1/operations/replay").body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_replay_is_asked_for_until_it_has_switched() {
    let scene = Scene::open();
    assert_eq!(scene.get("/v1/operations/replay").await, (StatusCode::OK, json!({"replay": null})));
    let (status, done) = loop {
        let (status, answer) = scene.send(post(), Some(operator())).await;
        if answer["phase"] == json!("switched") {
            break (status, answer);
        }
        assert_eq!(answer["switchedAt"], json!(null), "{answer}");
    };
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&done["healed"], &done["kept"]), (&json!(0), &json!(0)), "{done}");
    assert_eq!(scene.get("/v1/operations/replay").await, (StatusCode::OK, json!({"replay": done})));
}

/// A switch over many rows takes longer than a request may. Broken off with it, it would never be done.
#[tokio::test]
async fn a_client_that_gives_up_breaks_nothing_off() {
    let scene = Scene::open();
    let given_up = timeout(Duration::ZERO, scene.send(post(), Some(operator()))).await;
    assert!(given_up.is_err(), "it was over before anybody could give up");
    let deadline = Instant::now() + Duration::from_secs(30);
    while scene.get("/v1/operations/replay").await.1["replay"]["phase"] != json!("switched") {
        assert!(Instant::now() < deadline, "it was broken off");
        tokio::task::yield_now().await;
    }
}

fn days(query: &str) -> Request<Body> {
    Request::post(format!("/v1/operations/replay{query}")).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn days_are_replayed_from_the_log() {
    let scene = Scene::open();
    let platform = &scene.platform;
    let user = platform.user().await;
    platform.publish(vec![emotion(user, "e", platform.clock.now())]).await;
    // The log's first day, whatever the clock says now.
    let page = platform.bus.log(Subject::Emotions, &Frontier::default(), 1).await.unwrap();
    let day = utc_day(page.records[0].published_at);
    let done = loop {
        let (status, answer) = scene.send(days(&format!("?from={day}&to={day}")), Some(operator())).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        if answer["phase"] == json!("switched") {
            break answer;
        }
    };
    assert_eq!((&done["from"], &done["to"], &done["healed"]), (&json!(day), &json!(day), &json!(0)));
    assert_eq!(scene.get("/v1/operations/replay").await, (StatusCode::OK, json!({"replay": done})));
    let check = async |query: &str, field: &str, expect: &str| {
        let (status, answer) = scene.send(days(query), Some(operator())).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
        let error = &answer["errors"][0];
        assert!(error["field"] == field && answer.to_string().contains(expect), "{query}: {answer}");
    };
    check("?from=2020-01-01&to=2026-11-20", "from", "the day 2020-01-01 began before the log does").await;
    check("?from=2020-01-01", "to", "is needed, too").await;
    check("?to=2020-01-01", "from", "is needed, too").await;
    check("?from=2020-01-02&to=2020-01-01", "to", "there are no days").await;
    check("?from=today&to=2020-01-01", "from", "must be a day").await;
}

#[tokio::test]
async fn looking_and_doing_need_their_permissions() {
    let scene = Scene::open();
    let may = |permissions: &[Permission]| {
        Some(Identity::with(UserId::new(Uuid::nil()), permissions.iter().copied()))
    };
    let check = async |request, identity, expect| {
        assert_eq!(scene.send(request, identity).await.0, expect);
    };
    check(post(), None, StatusCode::UNAUTHORIZED).await;
    check(post(), may(&[Permission::OperationsRead]), StatusCode::FORBIDDEN).await;
    check(get("/v1/operations/replay"), may(&[]), StatusCode::FORBIDDEN).await;
    check(get("/v1/operations/replay"), may(&[Permission::OperationsRead]), StatusCode::OK).await;
    check(post(), may(&[Permission::OperationsWrite]), StatusCode::OK).await;
}
