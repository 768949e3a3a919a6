//! Keeping notifications, and listing them.

use ecs_bus::Event;
use ecs_bus::payload::NotificationPayload;
use ecs_domain::UserId;
use ecs_domain::permission::Permission;
use ecs_store::{Notifications as _, PageRequest};
use ecs_web::Identity;
use ecs_work_testkit::platform::malformed;
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::support::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_that_comes_again_is_kept_once_and_numbers_rise_per_user() {
    let scene = Scene::open();
    let (user, other) = (scene.platform.user().await, scene.platform.user().await);
    let (first, second) = (scene.event(user), scene.event(user));
    scene.keep(vec![first.clone(), scene.event(other), first.clone()]).await;
    scene.keep(vec![second, first]).await;
    let page = PageRequest { page: 1, page_size: 10 };
    let kept = scene.platform.store.notifications(user, page).await.unwrap();
    let sequences: Vec<u64> = kept.items.iter().map(|item| item.sequence).collect();
    assert_eq!((kept.total, sequences), (2, vec![2, 1]), "newest first");
    assert!(scene.platform.letters().await.is_empty());
    scene.platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_for_nobody_become_dead_letters() {
    let scene = Scene::open();
    let user = scene.platform.user().await;
    let event = scene.event(user);
    scene.keep(vec![scene.event(UserId::new(Uuid::new_v4())), malformed(event.clone()), event]).await;
    let mut reasons: Vec<String> =
        scene.platform.letters().await.into_iter().map(|letter| letter.reason).collect();
    reasons.sort();
    assert_eq!(reasons.len(), 2);
    assert!(reasons[0].starts_with("its payload is malformed"), "{reasons:?}");
    assert!(reasons[1].starts_with("no account has this user id"), "{reasons:?}");
    let page = PageRequest { page: 1, page_size: 10 };
    assert_eq!(scene.platform.store.notifications(user, page).await.unwrap().total, 1);
    scene.platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_reads_what_they_were_told_page_by_page() {
    let scene = Scene::open();
    let user = scene.platform.user().await;
    let events: Vec<Event> = (0..3).map(|_| scene.event(user)).collect();
    let last = NotificationPayload::decode(&events[2]).unwrap();
    scene.keep(events).await;
    let path = format!("/v1/users/{user}/notifications?page=1&page_size=1");
    let (status, page) = scene.get(&path, Some(Identity::of(user))).await;
    assert_eq!(status, StatusCode::OK);
    let created_at = &page["items"][0]["created_at"];
    assert!(created_at.as_str().unwrap().parse::<ecs_domain::Timestamp>().is_ok());
    let expected = json!({
        "total": 3,
        "unread": 3,
        "page": 1,
        "page_size": 1,
        "items": [{
            "id": last.id,
            "sequence": 3,
            "type": "CREDIT_LIMIT_APPLIED",
            "title": "Your credit limit is active",
            "message": "A credit limit of 5000.00 at 14.25 % per year is now available to you.",
            "offer_id": last.about.offer(),
            "created_at": created_at,
            "read_at": null,
        }],
    });
    assert_eq!(page, expected);
    scene.platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_read_nothing() {
    let scene = Scene::open();
    let user = scene.platform.user().await;
    scene.keep(vec![scene.event(user)]).await;
    let stranger = UserId::new(Uuid::new_v4());
    let reader = Identity::with(stranger, [Permission::UsersReadAny]);
    let own = Some(Identity::of(user));
    let check = async |path: String, identity: Option<Identity>, expect: u16| {
        let (status, body) = scene.get(&path, identity.clone()).await;
        assert_eq!(status.as_u16(), expect, "{path} {identity:?}: {body}");
        body
    };
    let list = format!("/v1/users/{user}/notifications");
    check(list.clone(), None, 401).await;
    check(list.clone(), Some(Identity::of(stranger)), 403).await;
    check(format!("{list}?page=0"), Some(Identity::of(stranger)), 403).await;
    check(list.clone(), Some(Identity::with(stranger, [Permission::OperationsRead])), 403).await;
    let body = check(list.clone(), Some(reader), 200).await;
    assert_eq!((&body["total"], &body["page_size"]), (&json!(1), &json!(10)));
    let body = check("/v1/users/me/notifications".to_owned(), own.clone(), 422).await;
    assert_eq!(body["errors"][0]["field"], "user_id");
    let body = check(format!("{list}?page=0"), own.clone(), 422).await;
    assert_eq!(body["errors"][0]["field"], "page");
    let body = check(format!("{list}?page_size=101"), own, 422).await;
    assert_eq!(body["errors"][0]["field"], "page_size");
    scene.platform.drain().await;
}
