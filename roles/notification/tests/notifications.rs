//! The role over the embedded bus and store, and its endpoint in process.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use ecs_bus::payload::NotificationPayload;
use ecs_bus::{Event, Headers, Subject};
use ecs_domain::permission::Permission;
use ecs_domain::{Clock as _, OfferId, UserId};
use ecs_notification::{Deps, Notification};
use ecs_store::{Notifications as _, PageRequest};
use ecs_web::auth::{SecretKey, Tokens};
use ecs_web::{Auth, Identity, Secret};
use ecs_work::retention;
use ecs_work_testkit::platform::{Platform, malformed, terms};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

struct Scene {
    platform: Platform,
    auth: Arc<Auth>,
    role: Notification,
}

impl Scene {
    fn open() -> Self {
        let platform = Platform::open();
        let key = SecretKey::new(Secret::new("a secret of at least thirty-two bytes")).unwrap();
        let auth = Arc::new(Auth {
            tokens: Tokens::new(&key),
            internal_key: Secret::new("internal"),
            clock: platform.clock.clone(),
        });
        let role = Notification::create(Deps {
            auth: Arc::clone(&auth),
            bus: platform.bus.clone(),
            store: platform.store.clone(),
            clock: platform.clock.clone(),
            bus_retention: retention::OTHERS_ON_BUS,
            delivery_limit: 10,
        });
        role.start(&platform.supervisor);
        Self { platform, auth, role }
    }

    fn event(&self, user: UserId) -> Event {
        let (offer, now) = (OfferId::new(Uuid::new_v4()), self.platform.clock.now());
        let terms = terms();
        let of_activation = ecs_domain::notification::Notification::of_activation;
        let notification = of_activation(user, offer, terms.credit_limit, terms.interest_rate, now);
        NotificationPayload::event(&notification, Headers::current())
    }

    async fn keep(&self, events: Vec<Event>) {
        self.platform.publish(events).await;
        self.platform.settled(Subject::Notifications).await;
    }

    async fn get(&self, path: &str, identity: Option<Identity>) -> (StatusCode, Value) {
        let mut request = Request::get(path);
        if let Some(identity) = identity {
            let now = self.platform.clock.now();
            let token = self.auth.tokens.issue(&identity, now, Duration::from_secs(60)).unwrap();
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = self.role.routes().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}

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
    assert!(reasons[0].starts_with("the payload is malformed"), "{reasons:?}");
    assert_eq!(reasons[1], "unknown user");
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
        "page": 1,
        "page_size": 1,
        "items": [{
            "id": last.id,
            "sequence": 3,
            "type": "CREDIT_LIMIT_APPLIED",
            "title": "Your credit limit is active",
            "message": "A credit limit of 5000.00 at 14.25 % per year is now available to you.",
            "offer_id": last.offer,
            "created_at": created_at,
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
