//! Marking as read.

use axum::body::Body;
use ecs_domain::UserId;
use ecs_domain::permission::Permission;
use ecs_web::Identity;
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::Scene;

impl Scene {
    async fn read_up_to(&self, user: UserId, identity: &Identity, body: &str) -> (u16, Value) {
        let path = format!("/v1/users/{user}/notifications/read");
        let mut request = self.request(Method::POST, &path, Some(identity));
        request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        *request.body_mut() = Body::from(body.to_owned());
        let (status, answer) = self.call(request).await;
        (status.as_u16(), answer)
    }

    async fn read_one(&self, user: UserId, identity: &Identity, id: &str) -> (u16, Value) {
        let path = format!("/v1/users/{user}/notifications/{id}/read");
        let (status, answer) = self.call(self.request(Method::PUT, &path, Some(identity))).await;
        (status.as_u16(), answer)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_marks_notifications_as_read() {
    let scene = Scene::open();
    let user = scene.platform.user().await;
    let own = Identity::of(user);
    scene.tell(user, 4).await;
    let list = format!("/v1/users/{user}/notifications");
    let (_, page) = scene.get(&list, Some(own.clone())).await;
    assert_eq!((&page["unread"], &page["items"][0]["read_at"]), (&json!(4), &Value::Null));

    let id = page["items"][1]["id"].as_str().unwrap();
    let (status, item) = scene.read_one(user, &own, id).await;
    assert_eq!((status, &item["id"], &item["sequence"]), (200, &json!(id), &json!(3)));
    assert!(item["read_at"].is_string(), "{item}");
    assert_eq!(scene.read_one(user, &own, id).await, (200, item.clone()), "the first time stands");

    let marked = |marked: u64, unread: u64| (200, json!({"marked": marked, "unread": unread}));
    assert_eq!(scene.read_up_to(user, &own, "{\"upTo\": 2}").await, marked(2, 1));
    assert_eq!(scene.read_up_to(user, &own, "{\"upTo\": 3}").await, marked(0, 1));
    assert_eq!(scene.read_up_to(user, &own, "{\"upTo\": 4711}").await, marked(1, 0));
    let (_, page) = scene.get(&list, Some(own)).await;
    assert_eq!((&page["unread"], &page["items"][1]), (&json!(0), &item));
    assert!(page["items"].as_array().unwrap().iter().all(|item| item["read_at"].is_string()), "{page}");
    scene.platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_marks_for_somebody_else() {
    let scene = Scene::open();
    let (user, other) = (scene.platform.user().await, scene.platform.user().await);
    scene.tell(user, 1).await;
    let (own, stranger) = (Identity::of(user), Identity::of(other));
    let reader = Identity::with(other, Permission::ALL.iter().copied());
    let (_, page) = scene.get(&format!("/v1/users/{user}/notifications"), Some(own.clone())).await;
    let id = page["items"][0]["id"].as_str().unwrap().to_owned();
    for identity in [&stranger, &reader] {
        assert_eq!(scene.read_one(user, identity, &id).await.0, 403);
        assert_eq!(scene.read_up_to(user, identity, "{\"upTo\": 1}").await.0, 403);
        assert_eq!(
            scene.read_up_to(user, identity, "nonsense").await.0,
            403,
            "it is said before the body is"
        );
    }
    assert_eq!(scene.read_one(other, &stranger, &id).await.0, 404, "another's looks like none");
    assert_eq!(scene.read_one(user, &own, &Uuid::new_v4().to_string()).await.0, 404);
    let (_, page) = scene.get(&format!("/v1/users/{user}/notifications"), Some(own)).await;
    assert_eq!(page["unread"], 1);
    scene.platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_as_a_number_is_refused_by_its_name() {
    let scene = Scene::open();
    let user = scene.platform.user().await;
    let own = Identity::of(user);
    let check = async |body: &str, expect: u16, field: Option<&str>| {
        let (status, problem) = scene.read_up_to(user, &own, body).await;
        assert_eq!((status, problem["errors"][0]["field"].as_str()), (expect, field), "{body}: {problem}");
    };
    check("{}", 422, Some("upTo")).await;
    check("{\"upTo\": null}", 422, Some("upTo")).await;
    check("{\"upTo\": 0}", 422, Some("upTo")).await;
    check("{\"upTo\": -1}", 422, Some("upTo")).await;
    check("{\"upTo\": 1.5}", 422, Some("upTo")).await;
    check("{\"upTo\": \"1\"}", 422, Some("upTo")).await;
    check("[1]", 422, Some("body")).await;
    check("{\"upTo\"", 400, None).await;
    let (status, problem) = scene.read_one(user, &own, "7").await;
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("notification_id")));
    scene.platform.drain().await;
}
