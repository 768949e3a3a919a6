//! Every example of a request is sent to a running platform, and is answered as the document says.
//!
//! An example can't know the ids of the platform that it meets: those are put in its place. Everything else is sent as it
//! stands.

use std::collections::BTreeMap;

use ecs_domain::UserId;
use ecs_domain::permission::Permission;
use serde_json::{Value, json};

use super::contract::Contract;
use super::document::{examples, operations};
use crate::support::http::Answer;
use crate::support::{INTERNAL_KEY, TestApp, emotion, eventually};

/// What must have happened before the others, in this order.
const FIRST: [&str; 12] = [
    "POST /v1/auth/register",
    "POST /v1/auth/login",
    "POST /v1/auth/refresh",
    "PUT /v1/auth/password",
    "POST /v1/users",
    "PUT /v1/users/{user_id}/consents/{purpose}",
    "POST /v1/users/{user_id}/webhooks",
    "POST /v1/users/{user_id}/exports",
    "POST /v1/emotions/stream",
    "POST /v1/transactions",
    "POST /v1/users/{user_id}/credit-analysis",
    "POST /v1/credit-offers/{offer_id}/accept",
];

/// What the others must come before.
const LAST: [&str; 3] = [
    "DELETE /v1/users/{user_id}/consents/{purpose}",
    "DELETE /v1/users/{user_id}/webhooks/{webhook_id}",
    "DELETE /v1/users/{user_id}/exports/{export_id}",
];

/// A platform with a person, and what is there by now.
struct Stage {
    app: TestApp,
    user: UserId,
    /// What stands in paths and bodies, by its name.
    ids: BTreeMap<&'static str, String>,
}

/// A request as the document has it.
struct Example<'a> {
    call: &'a str,
    operation: &'a Value,
    /// Its content type and its body.
    body: Option<(&'a str, &'a Value)>,
}

#[tokio::test]
async fn every_example_of_a_request_is_answered_as_documented() {
    let contract = Contract::get();
    let mut calls: Vec<(String, &Value)> = operations(contract.document())
        .map(|(method, path, operation)| (format!("{method} {path}"), operation))
        .collect();
    calls.sort_by_key(|(call, _)| {
        let first = FIRST.iter().position(|first| first == call);
        (LAST.contains(&call.as_str()), first.unwrap_or(FIRST.len()))
    });
    let mut stage = Stage::set().await;
    for (call, operation) in &calls {
        let content = operation["requestBody"]["content"].as_object();
        let bodies = content.into_iter().flatten().flat_map(|(media_type, content)| {
            examples(content).into_iter().map(move |example| Some((media_type.as_str(), example)))
        });
        let mut bodies: Vec<_> = bodies.collect();
        if bodies.is_empty() {
            assert!(operation.get("requestBody").is_none(), "{call} has no example");
            bodies.push(None);
        }
        stage.prepare(call).await;
        for body in bodies {
            stage.play(&Example { call, operation, body }).await;
        }
    }
    stage.app.stop().await;
}

impl Stage {
    async fn set() -> Self {
        let app = TestApp::start().await;
        let nobody = uuid::Uuid::nil();
        let ids = [
            ("purpose", "emotion-analysis".to_owned()),
            ("file", "start.js".to_owned()),
            ("version", "policy-3".to_owned()),
            ("user_id", nobody.to_string()),
        ];
        Self { app, user: UserId::new(nobody), ids: ids.into() }
    }

    /// Brings about what the call needs beside its example.
    async fn prepare(&mut self, call: &str) {
        match call {
            "POST /v1/users/{user_id}/credit-analysis" => self.earn().await,
            "PUT /v1/users/{user_id}/attributes" => self.agree("demographics").await,
            "POST /v1/users/{user_id}/erasure" => {
                // Whoever asks has the example's password, and no credit.
                self.ids.insert("former", self.user.to_string());
                self.user = self.app.person("wants-to-go").await.id;
                self.ids.insert("user_id", self.user.to_string());
            }
            "POST /v1/reviews/{review_id}/claim" => self.be_asked_for_a_review().await,
            "GET /v1/erasures/{receipt}" => {
                let receipt = self.app.receipt_of_somebody().await;
                self.ids.insert("receipt", receipt);
            }
            "POST /v1/policies/{version}/approve" => {
                self.ids.insert("version", self.app.draft_policy("to-be-approved").await);
            }
            "POST /v1/policies/{version}/withdraw" => {
                self.ids.insert("version", self.app.draft_policy("to-be-withdrawn").await);
            }
            backtests if backtests.contains("/backtests/{backtest_id}") => {
                let backtest = self.app.backtest("policy-1", "2026-01-01", "2026-12-31").await;
                self.ids.insert("backtest_id", backtest["id"].as_str().unwrap().to_owned());
            }
            letters if letters.contains("/dead-letters/") => self.lose_an_event(letters).await,
            _ => {}
        }
    }

    /// Somebody else is denied, for nobody reviews a decision about themselves.
    async fn be_asked_for_a_review(&mut self) {
        let denied = self.app.person("was-denied").await;
        let decided = self.app.analyse(&denied).await;
        let path = format!("/v1/decisions/{}/review", decided["decision_id"].as_str().unwrap());
        let review = self.app.as_person(&denied, "POST", &path, None).await.expect_status(201);
        self.ids.insert("review_id", review["review_id"].as_str().unwrap().to_owned());
    }

    /// Consent to another purpose than the examples'.
    async fn agree(&self, purpose: &str) {
        let (bearer, path) = (self.bearer(), format!("/v1/users/{}/consents/{purpose}", self.user));
        let headers = [("authorization", bearer.as_str())];
        self.app.http.call("PUT", &path, &headers, None).await.expect_status(200);
    }

    /// A history for which there is an offer.
    async fn earn(&self) {
        let bearer = self.bearer();
        for n in 0..10 {
            let body = json!({"userId": self.user, "amount": 300, "transactionId": format!("earned-{n}")});
            let headers = [("authorization", bearer.as_str())];
            self.app.http.post("/v1/transactions", &headers, &body).await.expect_status(202);
            let calm = emotion(self.user, self.app.platform_now(), &format!("calm-{n}"), (0.85, 0.4, 0.1));
            self.app.emotion(&calm).await.expect_status(202);
        }
        self.app.settled().await;
    }

    /// An event of somebody without an account becomes a dead letter.
    async fn lose_an_event(&mut self, name: &str) {
        let stranger = UserId::new(uuid::Uuid::from_u128(7));
        let event = emotion(stranger, self.app.platform_now(), name, (0.5, 0.5, 0.5));
        self.app.emotion(&event).await.expect_status(202);
        self.app.settled().await;
        let letters =
            self.app.http.get("/v1/operations/dead-letters", &[("authorization", &self.bearer())]).await;
        self.ids.insert("letter_id", letters.expect_status(200)["items"][0]["id"].to_string());
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.app.token(self.user, Permission::ALL))
    }

    async fn play(&mut self, example: &Example<'_>) {
        let (method, template) = example.call.split_once(' ').unwrap();
        let path = self.path(template, example.operation);
        let bearer = self.bearer();
        let mut headers = Vec::new();
        match example.operation["security"][0].as_object().and_then(|scheme| scheme.keys().next()) {
            None => {}
            Some(scheme) if scheme == "bearer" => headers.push(("authorization", bearer.as_str())),
            Some(_) => headers.push(("x-internal-key", INTERNAL_KEY)),
        }
        let mut bytes = Vec::new();
        if let Some((media_type, body)) = example.body {
            headers.push(("content-type", media_type));
            bytes = self.filled(body);
        }
        if example.operation["responses"]["200"]["content"].get("text/event-stream").is_some() {
            let head = self.app.http.head_of(method, &path, &headers).await;
            assert_eq!(head.status, 200, "{}", example.call);
            return;
        }
        let answer = self.app.http.send(method, &path, &headers, bytes).await;
        let said = String::from_utf8_lossy(&answer.body);
        assert!(
            answer.status.is_success(),
            "{}: {} {said}\nto {:?}",
            example.call,
            answer.status,
            example.body
        );
        self.note(example.call, &answer).await;
    }

    /// The path with what stands in it and what its query must have.
    fn path(&self, template: &str, operation: &Value) -> String {
        let fill = |segment: &str| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            None => segment.to_owned(),
            Some(name) => self.ids.get(name).unwrap_or_else(|| panic!("{template}: no {name} yet")).clone(),
        };
        let path: Vec<String> = template.split('/').map(fill).collect();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let query: Vec<String> = parameters
            .filter(|parameter| parameter["in"] == "query" && parameter["required"] == true)
            .map(|parameter| {
                let example = [parameter.get("example"), parameter.pointer("/schema/enum/0")];
                let value = example.into_iter().flatten().next().and_then(Value::as_str);
                format!(
                    "{}={}",
                    parameter["name"].as_str().unwrap(),
                    value.unwrap_or_else(|| panic!("{parameter}"))
                )
            })
            .collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{mark}{}", path.join("/"), query.join("&"))
    }

    /// The body with this platform's ids. A text stands for itself, JSON lines are filled line by line.
    fn filled(&self, body: &Value) -> Vec<u8> {
        if let Value::String(text) = body {
            let line = |line: &str| match serde_json::from_str::<Value>(line) {
                Ok(value) => String::from_utf8(self.filled(&value)).unwrap(),
                Err(_) => line.to_owned(),
            };
            return text.lines().map(line).collect::<Vec<_>>().join("\n").into_bytes();
        }
        let mut body = body.clone();
        self.fill(&mut body);
        serde_json::to_vec(&body).unwrap()
    }

    fn fill(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match (name.as_str(), value) {
                        ("userId" | "user_id", value) => *value = json!(self.user),
                        ("refresh_token", value) => *value = json!(self.ids["refresh_token"]),
                        // Of dead letters.
                        ("ids", value) => *value = json!([self.ids["letter_id"].parse::<i64>().unwrap()]),
                        (_, value) => self.fill(value),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.fill(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Keeps what later calls need.
    async fn note(&mut self, call: &str, answer: &Answer) {
        match call {
            "POST /v1/auth/register" => {
                let id = answer.json()["id"].as_str().unwrap().to_owned();
                self.user = id.parse().unwrap();
                self.ids.insert("user_id", id);
            }
            "POST /v1/auth/login" | "POST /v1/auth/refresh" | "PUT /v1/auth/password" => {
                let token = answer.json()["refresh_token"].as_str().unwrap().to_owned();
                self.ids.insert("refresh_token", token);
            }
            "POST /v1/users/{user_id}/webhooks" => {
                let webhook = answer.json()["webhook"]["id"].as_str().unwrap().to_owned();
                self.ids.insert("webhook_id", webhook);
            }
            "POST /v1/users/{user_id}/exports" => {
                let export = answer.json()["id"].as_str().unwrap().to_owned();
                let path = format!("/v1/users/{}/exports/{export}", self.user);
                let bearer = self.bearer();
                eventually("the archive is ready", async || {
                    let shown =
                        self.app.http.get(&path, &[("authorization", &bearer)]).await.expect_status(200);
                    (shown["state"] == "ready").then_some(())
                })
                .await;
                self.ids.insert("export_id", export);
            }
            "POST /v1/users/{user_id}/credit-analysis" => {
                let offer = answer.json()["offer"]["offer_id"].as_str().unwrap().to_owned();
                self.ids.insert("offer_id", offer);
                let decision = answer.json()["decision_id"].as_str().unwrap().to_owned();
                self.ids.insert("decision_id", decision);
            }
            "POST /v1/users/{user_id}/erasure" => {
                let former = self.ids["former"].clone();
                self.user = former.parse().unwrap();
                self.ids.insert("user_id", former);
            }
            "POST /v1/credit-offers/{offer_id}/accept" => {
                let path = format!("/v1/users/{}/notifications", self.user);
                let bearer = self.bearer();
                let told = eventually("the notification is there", async || {
                    let page =
                        self.app.http.get(&path, &[("authorization", &bearer)]).await.expect_status(200);
                    page["items"][0]["id"].as_str().map(str::to_owned)
                });
                let told = told.await;
                self.ids.insert("delivery_id", told.clone());
                self.ids.insert("notification_id", told);
            }
            _ => {}
        }
    }
}
