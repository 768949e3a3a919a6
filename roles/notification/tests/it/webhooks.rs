//! Webhooks from a notification to its receiver, and what their users can do with them.

use std::time::Duration;

use axum::body::Body;
use ecs_domain::permission::Permission;
use ecs_domain::{Clock as _, Timestamp, UserId};
use ecs_notification::{Reach, StreamOptions, WebhookOptions};
use ecs_store::{DeliveryClaim, Notifications as _, Webhooks as _};
use ecs_web::Identity;
use ecs_work_testkit::platform::until;
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::receiver::Receiver;
use crate::support::Scene;

/// Calls this machine, and looks often.
fn near() -> WebhookOptions {
    WebhookOptions { reach: Reach::Anywhere, poll: Duration::from_millis(5), ..WebhookOptions::default() }
}

fn scene(webhooks: &WebhookOptions) -> Scene {
    Scene::with_webhooks(StreamOptions::default(), webhooks)
}

impl Scene {
    async fn ask(
        &self,
        method: Method,
        path: &str,
        identity: &Identity,
        body: Option<Value>,
    ) -> (u16, Value) {
        let mut request = self.request(method, path, Some(identity));
        if let Some(body) = body {
            request.headers_mut().insert("content-type", "application/json".parse().unwrap());
            *request.body_mut() = Body::from(body.to_string());
        }
        let (status, answer) = self.call(request).await;
        (status.as_u16(), answer)
    }

    /// Adds a webhook; returns its path and its secret.
    async fn add_webhook(&self, user: UserId, url: &str) -> (String, String) {
        let path = format!("/v1/users/{user}/webhooks");
        let (status, answer) =
            self.ask(Method::POST, &path, &Identity::of(user), Some(json!({"url": url}))).await;
        assert_eq!(status, 201, "{answer}");
        let id = answer["webhook"]["id"].as_str().unwrap();
        (format!("{path}/{id}"), answer["secret"].as_str().unwrap().to_owned())
    }

    async fn deliveries(&self, user: UserId, webhook: &str) -> Vec<Value> {
        let (status, page) =
            self.ask(Method::GET, &format!("{webhook}/deliveries"), &Identity::of(user), None).await;
        assert_eq!(status, 200, "{page}");
        page["items"].as_array().unwrap().clone()
    }

    /// Waits until the newest delivery is in this state.
    async fn delivery(&self, user: UserId, webhook: &str, state: &str, attempts: u64) -> Value {
        let reached = || async {
            let newest = self.deliveries(user, webhook).await.into_iter().next().unwrap_or_default();
            newest["state"] == state
                && newest["log"].as_array().map(Vec::len) == usize::try_from(attempts).ok()
        };
        until(&format!("the delivery is {state} after {attempts}"), reached).await;
        self.deliveries(user, webhook).await.remove(0)
    }

    async fn resend(&self, user: UserId, webhook: &str, delivery: &Value) -> (u16, Value) {
        let path = format!("{webhook}/deliveries/{}/resend", delivery["id"].as_str().unwrap());
        self.ask(Method::POST, &path, &Identity::of(user), None).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_reaches_every_webhook_of_its_user_signed() {
    let (scene, receivers) = (scene(&near()), [Receiver::start([]).await, Receiver::start([]).await]);
    let (user, other) = (scene.platform.user().await, scene.platform.user().await);
    let (first, secret) = scene.add_webhook(user, &receivers[0].url).await;
    let (_, other_secret) = scene.add_webhook(user, &receivers[1].url).await;
    let event = scene.event(user);
    scene.keep(vec![scene.event(other), event.clone(), event.clone()]).await;

    let got = receivers[0].got(1).await.remove(0);
    assert_eq!(got.header("webhook-id"), event.id.to_string());
    assert_eq!(got.header("content-type"), "application/json");
    let sent = Timestamp::from_second(got.header("webhook-timestamp").parse().unwrap()).unwrap();
    assert!(sent.duration_since(scene.platform.clock.now()).abs() < jiff::SignedDuration::from_secs(60));
    assert_eq!((got.signatures_under(&secret), got.signatures_under(&other_secret)), (1, 0));
    let mut data: Value = serde_json::from_slice(&event.payload).unwrap();
    let made: Timestamp = data["createdAt"].as_str().unwrap().parse().unwrap();
    // The store keeps microseconds.
    data["createdAt"] = json!(Timestamp::from_microsecond(made.as_microsecond()).unwrap());
    let expect = json!({"type": "credit.limit_applied", "timestamp": data["createdAt"], "data": data});
    assert_eq!(got.json(), expect);
    assert_eq!(receivers[1].got(1).await[0].signatures_under(&other_secret), 1);

    let delivery = scene.delivery(user, &first, "delivered", 1).await;
    assert_eq!(delivery["id"], json!(event.id));
    assert_eq!((&delivery["log"][0]["status"], &delivery["log"][0]["error"]), (&json!(204), &Value::Null));
    scene.platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_attempt_is_repeated_when_it_is_time() {
    let (scene, receiver) = (scene(&near()), Receiver::start([500, 301]).await);
    let user = scene.platform.user().await;
    let (webhook, secret) = scene.add_webhook(user, &receiver.url).await;
    scene.tell(user, 1).await;
    let waiting = scene.delivery(user, &webhook, "pending", 1).await;
    let next: Timestamp = waiting["next_attempt_at"].as_str().unwrap().parse().unwrap();
    let ahead = next.duration_since(scene.platform.clock.now()).as_secs();
    assert!((1..=6).contains(&ahead), "{ahead} s");

    scene.platform.clock.advance(Duration::from_secs(7));
    scene.delivery(user, &webhook, "pending", 2).await;
    scene.platform.clock.advance(Duration::from_secs(400));
    let delivered = scene.delivery(user, &webhook, "delivered", 3).await;
    let statuses: Vec<&Value> =
        delivered["log"].as_array().unwrap().iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, [500, 301, 204]);
    let got = receiver.got(3).await;
    assert!(got.iter().all(|got| got.signatures_under(&secret) == 1));
    assert!(got.iter().all(|other| other.header("webhook-id") == got[0].header("webhook-id")));
    assert!(got.iter().all(|other| other.body == got[0].body));
    assert_ne!(got[0].header("webhook-timestamp"), got[2].header("webhook-timestamp"));
    scene.platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_is_left_alone_until_its_user_enables_it() {
    let (scene, receiver) = (scene(&near()), Receiver::start([410]).await);
    let (user, own) = {
        let user = scene.platform.user().await;
        (user, Identity::of(user))
    };
    let (webhook, _) = scene.add_webhook(user, &receiver.url).await;
    scene.tell(user, 1).await;
    let failed = scene.delivery(user, &webhook, "failed", 1).await;
    let (_, shown) = scene.ask(Method::GET, &webhook, &own, None).await;
    assert_eq!((&shown["enabled"], &shown["disabled_reason"]), (&json!(false), &json!("gone")));
    assert_eq!(scene.resend(user, &webhook, &failed).await.0, 409);
    scene.tell(user, 1).await;
    assert_eq!(scene.deliveries(user, &webhook).await.len(), 1, "nothing is made for it");

    let (status, shown) = scene.ask(Method::PATCH, &webhook, &own, Some(json!({"enabled": true}))).await;
    assert_eq!((status, &shown["enabled"], &shown["disabled_at"]), (200, &json!(true), &Value::Null));
    assert_eq!(scene.resend(user, &webhook, &failed).await.0, 202);
    scene.delivery(user, &webhook, "delivered", 2).await;
    assert_eq!(receiver.got(2).await[1].header("webhook-id"), failed["id"]);
    scene.platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_for_five_days_is_disabled() {
    let (scene, receiver) = (scene(&near()), Receiver::start([500; 3]).await);
    let user = scene.platform.user().await;
    let (webhook, _) = scene.add_webhook(user, &receiver.url).await;
    scene.tell(user, 1).await;
    scene.delivery(user, &webhook, "pending", 1).await;
    scene.platform.clock.advance(Duration::from_secs(5 * 24 * 3_600 - 60));
    scene.delivery(user, &webhook, "pending", 2).await;
    scene.platform.clock.advance(Duration::from_secs(3_600));
    scene.delivery(user, &webhook, "failed", 3).await;
    let (_, shown) = scene.ask(Method::GET, &webhook, &Identity::of(user), None).await;
    assert_eq!(shown["disabled_reason"], "failing", "{shown}");
    scene.platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_secret_changes_both_sign() {
    let (scene, receiver) = (scene(&near()), Receiver::start([]).await);
    let user = scene.platform.user().await;
    let (webhook, old) = scene.add_webhook(user, &receiver.url).await;
    let path = format!("{webhook}/rotate-secret");
    let (status, rotated) = scene.ask(Method::POST, &path, &Identity::of(user), None).await;
    let new = rotated["secret"].as_str().unwrap();
    assert_eq!((status, rotated["webhook"]["previous_secret_until"].is_string()), (200, true));
    scene.tell(user, 1).await;
    let got = receiver.got(1).await.remove(0);
    assert_eq!((got.signatures_under(&old), got.signatures_under(new)), (1, 1));
    scene.platform.clock.advance(Duration::from_secs(25 * 3_600));
    scene.tell(user, 1).await;
    let got = receiver.got(2).await.remove(1);
    assert_eq!((got.signatures_under(&old), got.signatures_under(new)), (0, 1));
    scene.platform.drain().await;
}

/// A process that dies between its claim and its settlement may have sent already. Its successor sends again, and the receiver knows
/// it by the id.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_process_attempted_is_sent_again_under_the_same_id() {
    let (scene, receiver) =
        (scene(&WebhookOptions { poll: Duration::from_secs(3_600), ..near() }), Receiver::start([]).await);
    let user = scene.platform.user().await;
    let (webhook, _) = scene.add_webhook(user, &receiver.url).await;
    let (store, clock) = (&scene.platform.store, &scene.platform.clock);
    let told = ecs_bus::payload::NotificationPayload::decode(&scene.event(user)).unwrap();
    // Nobody is woken by what a test keeps itself.
    store.add_notifications(std::slice::from_ref(&told), clock.now()).await.unwrap();
    let lease = Duration::from_secs(60);
    let claim = DeliveryClaim { now: clock.now(), lease, most: 9, most_per_host: 9, busy_hosts: Vec::new() };
    assert_eq!(store.claim_deliveries(claim).await.unwrap()[0].attempt, 1);
    let claimed = scene.deliveries(user, &webhook).await.remove(0);
    scene.resend(user, &webhook, &claimed).await;
    assert_eq!(receiver.all().len(), 0, "it is another's while the lease lasts");
    clock.advance(lease + Duration::from_secs(1));
    assert_eq!(scene.resend(user, &webhook, &claimed).await.0, 202);
    assert_eq!(receiver.got(1).await[0].header("webhook-id"), told.id.to_string());
    let delivered = scene.delivery(user, &webhook, "delivered", 1).await;
    assert_eq!((&delivered["attempts"], &delivered["log"][0]["number"]), (&json!(2), &json!(2)));
    scene.platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_holds_up_nobody_else() {
    let (scene, receiver) = (scene(&near()), Receiver::start([]).await);
    let silent = Receiver::silent().await;
    let user = scene.platform.user().await;
    scene.add_webhook(user, &silent.url).await;
    scene.add_webhook(user, &receiver.url).await;
    scene.tell(user, 40).await;
    receiver.got(40).await;
    let stopping = std::time::Instant::now();
    scene.platform.drain().await;
    assert!(stopping.elapsed() < near().patience, "a stop doesn't wait for it either");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_may_not_be_called_are_refused_by_name() {
    let scene = scene(&WebhookOptions::default());
    let user = scene.platform.user().await;
    let (path, own) = (format!("/v1/users/{user}/webhooks"), Identity::of(user));
    for body in [
        json!({}),
        json!({"url": null}),
        json!({"url": 7}),
        json!({"url": "nonsense"}),
        json!({"url": "http://example.com/"}),
        json!({"url": "https://ana:secret@example.com/"}),
        json!({"url": "https://127.1/"}),
        json!({"url": "https://[::ffff:10.0.0.1]/"}),
        json!({"url": "https://localhost./"}),
    ] {
        let (status, problem) = scene.ask(Method::POST, &path, &own, Some(body.clone())).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("url")), "{body}: {problem}");
    }
    for number in 0..5 {
        scene.add_webhook(user, &format!("https://example.com/{number}")).await;
    }
    let (status, _) = scene.ask(Method::POST, &path, &own, Some(json!({"url": "https://example.com"}))).await;
    assert_eq!(status, 409);
    let (_, list) = scene.ask(Method::GET, &path, &own, None).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 5);
    assert!(!list.to_string().contains("whsec_"), "a secret is told once");
    let first = format!("{path}/{}", list["items"][0]["id"].as_str().unwrap());
    let inside = Some(json!({"url": "https://169.254.169.254/latest"}));
    assert_eq!(scene.ask(Method::PATCH, &first, &own, inside).await.0, 422);
    assert_eq!(scene.ask(Method::DELETE, &first, &own, None).await.0, 204);
    assert_eq!(scene.ask(Method::GET, &first, &own, None).await.0, 404);
    scene.platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_their_users_alone() {
    let scene = scene(&WebhookOptions { poll: Duration::from_secs(3_600), ..WebhookOptions::default() });
    let (user, other) = (scene.platform.user().await, scene.platform.user().await);
    let (webhook, _) = scene.add_webhook(user, "https://example.com/hooks").await;
    let id = webhook.rsplit('/').next().unwrap();
    let delivery = Uuid::new_v4();
    let calls = |of: UserId| {
        let base = format!("/v1/users/{of}/webhooks/{id}");
        [
            (Method::GET, base.clone(), None),
            (Method::GET, format!("{base}/deliveries"), None),
            (Method::PATCH, base.clone(), Some(json!({"enabled": false}))),
            (Method::DELETE, base.clone(), None),
            (Method::POST, format!("{base}/rotate-secret"), None),
            (Method::POST, format!("{base}/deliveries/{delivery}/resend"), None),
        ]
    };
    let stranger = Identity::of(other);
    for (method, path, body) in calls(user) {
        assert_eq!(scene.ask(method.clone(), &path, &stranger, body.clone()).await.0, 403, "{method} {path}");
        let everything = Identity::with(other, Permission::ALL.iter().copied());
        let expect = if method == Method::GET { 200 } else { 403 };
        assert_eq!(scene.ask(method.clone(), &path, &everything, body).await.0, expect, "{method} {path}");
    }
    for (method, path, body) in calls(other) {
        assert_eq!(scene.ask(method.clone(), &path, &stranger, body).await.0, 404, "{method} {path}");
    }
    let list = format!("/v1/users/{user}/webhooks");
    assert_eq!(scene.ask(Method::GET, &list, &stranger, None).await.0, 403);
    let mine = Some(json!({"url": "https://example.com/mine"}));
    assert_eq!(scene.ask(Method::POST, &list, &stranger, mine).await.0, 403);
    let nobody = UserId::new(Uuid::new_v4());
    let (path, url) = (format!("/v1/users/{nobody}/webhooks"), Some(json!({"url": "https://example.com"})));
    assert_eq!(scene.ask(Method::POST, &path, &Identity::of(nobody), url).await.0, 404);
    assert_eq!(scene.ask(Method::GET, &webhook, &Identity::of(user), None).await.0, 200, "nothing happened");
    scene.platform.drain().await;
}
