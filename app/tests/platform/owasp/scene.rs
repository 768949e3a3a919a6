//! A platform with a victim who has one of everything, and somebody else who is after it.

use ecs_domain::UserId;
use ecs_domain::permission::Permission;
use ecs_web::auth::service_keys::PERMISSIONS;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::calls::{Call, Ids, NO_STREAM, Who, calls};
use crate::support::http::Answer;
use crate::support::keys::KeyList;
use crate::support::{Person, TestApp, emotion, eventually};

pub(super) struct Scene {
    pub(super) app: TestApp,
    pub(super) victim: Person,
    pub(super) other: Person,
    /// The victim's.
    pub(super) ids: Ids,
    _keys: TempDir,
}

/// The key that is listed for this alone.
pub(super) fn key_for(permission: Permission) -> String {
    format!("the key for {permission} alone")
}

/// The key that is listed for everything that keys open, but not for this.
pub(super) fn key_for_all_but(permission: Permission) -> String {
    format!("the key for all but {permission}")
}

impl Scene {
    pub(super) async fn set() -> Self {
        let keys = tempfile::tempdir().unwrap();
        let list = KeyList::within(keys.path());
        list.write(listed());
        let app = TestApp::with(&[("ECS_SERVICE_KEYS_FILE", list.file())]).await;
        let (victim, other) = (app.person("victim").await, app.person("other").await);
        app.live_well(&victim).await;
        let webhooks = format!("/v1/users/{}/webhooks", victim.id);
        // Nobody is there, so nothing is delivered.
        let webhook = json!({"url": "https://hooks.invalid/victim"});
        let webhook = app.as_person(&victim, "POST", &webhooks, Some(&webhook)).await.expect_status(201);
        app.settled().await;
        let offer = app.offer(&victim).await;
        app.accept(&victim, &offer).await.expect_status(202);
        let told =
            eventually("the victim is notified", async || app.notifications(&victim).await.pop()).await;
        let decisions = format!("/v1/users/{}/decisions", victim.id);
        let decisions = app.as_person(&victim, "GET", &decisions, None).await.expect_status(200);
        let decision = decisions["items"][0]["decision_id"].as_str().unwrap().to_owned();
        let review = format!("/v1/decisions/{decision}/review");
        let comment = json!({"comment": "what the victim has to say"});
        let review = app.as_person(&victim, "POST", &review, Some(&comment)).await.expect_status(201);
        let version = app.draft_policy("policy-9").await;
        let backtest = app.backtest(&version, "2026-01-01", "2026-12-31").await;
        let ids = [
            ("decision_id", decision),
            ("review_id", review["review_id"].as_str().unwrap().to_owned()),
            ("user_id", victim.id.to_string()),
            ("offer_id", offer),
            ("notification_id", told["id"].as_str().unwrap().to_owned()),
            ("webhook_id", webhook["webhook"]["id"].as_str().unwrap().to_owned()),
            ("delivery_id", told["id"].as_str().unwrap().to_owned()),
            ("export_id", app.export(&victim).await["id"].as_str().unwrap().to_owned()),
            ("receipt", app.receipt_of_somebody().await),
            ("letter_id", lose_an_event(&app).await),
            ("version", version),
            ("backtest_id", backtest["id"].as_str().unwrap().to_owned()),
            ("purpose", "emotion-analysis".to_owned()),
            ("file", "start.js".to_owned()),
        ];
        Self { app, victim, other, ids: ids.into(), _keys: keys }
    }

    /// What must be in no answer to anybody else.
    fn secrets(&self) -> Vec<String> {
        let ids = ["user_id", "offer_id", "notification_id", "webhook_id", "export_id"]
            .map(|name| self.ids[name].clone());
        let said = ["victim@example.com", "what the victim has to say"].map(str::to_owned);
        [ids.to_vec(), said.to_vec()].concat()
    }

    #[track_caller]
    pub(super) fn tells_nothing(&self, asked: &str, answer: &Answer) {
        let said = String::from_utf8_lossy(&answer.body);
        for secret in self.secrets() {
            assert!(!said.contains(&secret), "{asked} tells {secret}: {said}");
        }
    }

    /// Makes a call about these.
    pub(super) async fn make(
        &self,
        call: &Call,
        method: &str,
        ids: &Ids,
        credentials: &[(&str, &str)],
    ) -> Answer {
        let headers = [credentials, &[NO_STREAM]].concat();
        self.app.http.call(method, &call.path(ids), &headers, call.body(ids).as_ref()).await
    }

    /// The same with a token of this user.
    pub(super) async fn bearing(&self, call: &Call, ids: &Ids, user: UserId, may: &[Permission]) -> Answer {
        let bearer = format!("Bearer {}", self.app.token(user, may));
        self.make(call, &call.method, ids, &[("authorization", &bearer)]).await
    }

    /// Everything that the victim can read of what is theirs.
    pub(super) async fn belongings(&self) -> Vec<(String, Value)> {
        let mut belongings = Vec::new();
        for call in calls() {
            if matches!(call.who, Who::OwnOr(_)) && call.method == "GET" && !call.is_stream() {
                let answer = self.bearing(&call, &self.ids, self.victim.id, &[]).await;
                belongings.push((call.template.to_owned(), answer.expect_status(200)));
            }
        }
        assert!(belongings.len() >= 4, "{belongings:?}");
        belongings
    }
}

/// For each permission a key that has it alone, and one that has all the others.
fn listed() -> impl Iterator<Item = (String, Vec<Permission>)> {
    PERMISSIONS.into_iter().flat_map(|one| {
        let others = PERMISSIONS.into_iter().filter(|other| *other != one).collect();
        [(key_for(one), vec![one]), (key_for_all_but(one), others)]
    })
}

/// The number of a dead letter.
async fn lose_an_event(app: &TestApp) -> String {
    let stranger = UserId::new(uuid::Uuid::from_u128(7));
    app.emotion(&emotion(stranger, app.platform_now(), "lost", (0.5, 0.5, 0.5))).await.expect_status(202);
    app.settled().await;
    let bearer = format!("Bearer {}", app.token(stranger, Permission::ALL));
    let letters = app.http.get("/v1/operations/dead-letters", &[("authorization", &bearer)]).await;
    letters.expect_status(200)["items"][0]["id"].to_string()
}
