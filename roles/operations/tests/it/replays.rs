//! Replaying over HTTP.

use std::time::{Duration, Instant};

use axum::body::Body;
use ecs_domain::UserId;
use ecs_domain::permission::Permission;
use ecs_web::Identity;
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
