//! Calls with an `Idempotency-Key`: each key has one effect and one answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ecs_cache::Cache;
use ecs_domain::features::Features;
use ecs_domain::scorecard::Assessment;
use ecs_domain::{Timestamp, UserId};
use ecs_store::{Credit as _, Outbox as _, PageRequest};
use ecs_web::RequestContext;
use ecs_web::handles::{CreditAnalysis, HandleError};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use crate::support::{Actor, App, PASSWORD, Reply, Setup, new_user_id};

const REGISTER: &str = "/v1/auth/register";

fn login(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD})
}

fn is_replay(reply: &Reply) -> bool {
    reply.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

/// Sends it three times: the first is answered anew, the others get the same bytes.
async fn thrice(app: &App, actor: Actor, path: &str, body: Value, expect: StatusCode) -> Value {
    let first = app.keyed(actor, path, "key-1", &body).await;
    assert_eq!(first.status, expect, "{path}: {}", first.body);
    assert!(!is_replay(&first), "{path}");
    for key in ["key-1", "\"key-1\""] {
        let again = app.keyed(actor, path, key, &body).await;
        assert!(is_replay(&again), "{path} {key}: {}", again.body);
        assert_eq!((again.status, &again.bytes), (first.status, &first.bytes), "{path} {key}");
        assert_eq!(again.headers["content-type"], first.headers["content-type"], "{path} {key}");
    }
    first.body
}

/// A repetition may come after the secret was changed.
#[tokio::test]
async fn a_key_keeps_its_answer_while_the_platforms_secret_is_changed() {
    let app = App::start();
    let first = app.keyed(Actor::Anonymous, REGISTER, "key-1", &login("ana@example.com")).await;
    let app = app.with_another_key();
    let again = app.keyed(Actor::Anonymous, REGISTER, "key-1", &login("ana@example.com")).await;
    assert!(is_replay(&again), "{}", again.body);
    assert_eq!(again.bytes, first.bytes);
    let other = app.keyed(Actor::Anonymous, REGISTER, "key-1", &login("bia@example.com")).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    let second = app.keyed(Actor::Anonymous, REGISTER, "key-2", &login("bia@example.com")).await;
    assert_eq!(second.status, StatusCode::CREATED);
}

async fn offers(app: &App, user: UserId) -> u64 {
    app.store.offers(user, PageRequest { page: 1, page_size: 10 }).await.unwrap().total
}

#[tokio::test]
async fn each_call_that_creates_has_one_effect_and_one_answer() {
    let app = App::start();
    let user = thrice(&app, Actor::Anonymous, REGISTER, login("ana@example.com"), StatusCode::CREATED).await;
    let ana: UserId = user["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(app.get(Actor::User(ana), &format!("/v1/users/{ana}")).await.expect(StatusCode::OK), user);

    app.transactions(ana, 10, 50_000).await;
    app.emotions(ana, 5, [0.8, 0.4, 0.1]).await;
    let path = format!("/v1/users/{ana}/credit-analysis");
    let analysis = thrice(&app, Actor::User(ana), &path, json!({}), StatusCode::OK).await;
    assert_eq!(analysis["repeated"], false);
    app.pass(Duration::from_secs(300));
    let later = app.keyed(Actor::User(ana), &path, "key-1", &json!({})).await;
    assert_eq!((is_replay(&later), &later.body), (true, &analysis), "also when the decision stands no more");
    assert_eq!(offers(&app, ana).await, 1);

    let path = format!("/v1/credit-offers/{}/accept", analysis["offer"]["offer_id"].as_str().unwrap());
    thrice(&app, Actor::User(ana), &path, json!({"userId": ana}), StatusCode::ACCEPTED).await;
    assert_eq!(app.store.outbox_depth().await.unwrap(), 1);
}

#[tokio::test]
async fn a_provision_is_made_once_for_each_key() {
    let app = App::start();
    let operator = Actor::User(new_user_id());
    let body = json!({"email": "ana@example.com"});
    app.keyed(operator, "/v1/users", "key-1", &body).await.expect(StatusCode::FORBIDDEN);
    // Each of these is another operator.
    let first = app.keyed(Actor::Operator, "/v1/users", "key-1", &body).await;
    assert_eq!((first.status, is_replay(&first)), (StatusCode::CREATED, false), "the refusal was not kept");
    let taken = app.keyed(Actor::Operator, "/v1/users", "key-1", &body).await;
    assert_eq!(
        (taken.status, is_replay(&taken)),
        (StatusCode::CONFLICT, false),
        "keys are their caller's own"
    );
}

#[tokio::test]
async fn an_answer_that_is_no_good_news_is_final_too() {
    let app = App::start();
    let ana = app.busy_and_calm("ana@example.com").await;
    thrice(&app, Actor::Anonymous, REGISTER, login("ana@example.com"), StatusCode::CONFLICT).await;
    let offer = app.offer_to(ana).await;
    let accept = |offer: &str| format!("/v1/credit-offers/{offer}/accept");
    let unknown = accept(&new_user_id().to_string());
    thrice(&app, Actor::User(ana), &unknown, json!({"userId": ana}), StatusCode::NOT_FOUND).await;
    app.pass(Duration::from_secs(7 * 24 * 3600));
    let gone = app.keyed(Actor::User(ana), &accept(&offer), "key-2", &json!({"userId": ana})).await;
    let again = app.keyed(Actor::User(ana), &accept(&offer), "key-2", &json!({"userId": ana})).await;
    assert_eq!((gone.status, &gone.bytes), (StatusCode::GONE, &again.bytes));
    assert_eq!(again.headers["content-type"], "application/problem+json");
    let nobody = new_user_id();
    let path = format!("/v1/users/{nobody}/credit-analysis");
    thrice(&app, Actor::User(nobody), &path, Value::Null, StatusCode::NOT_FOUND).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_one_is_worked_on() {
    let app = App::start();
    let body = login("ana@example.com");
    let register = || app.keyed(Actor::Anonymous, REGISTER, "key-1", &body);
    let (a, b, c, d) = tokio::join!(register(), register(), register(), register());
    let replies = [a, b, c, d];
    let made: Vec<_> =
        replies.iter().filter(|reply| reply.status == StatusCode::CREATED && !is_replay(reply)).collect();
    assert_eq!(made.len(), 1, "{replies:?}");
    for reply in &replies {
        match reply.status {
            StatusCode::CREATED => assert_eq!(reply.bytes, made[0].bytes),
            StatusCode::CONFLICT => assert_eq!(reply.headers["retry-after"], "1", "{reply:?}"),
            other => panic!("{other}: {reply:?}"),
        }
    }
    assert_eq!(register().await.bytes, made[0].bytes);
}

#[tokio::test]
async fn a_key_of_another_request_is_refused() {
    let app = App::start();
    let ana = app.busy_and_calm("ana@example.com").await;
    let bia = login("bia@example.com");
    app.keyed(Actor::Anonymous, REGISTER, "key-1", &bia).await.expect(StatusCode::CREATED);
    let other = app.keyed(Actor::Anonymous, REGISTER, "key-1", &login("eva@example.com")).await;
    assert_eq!(other.invalid_fields(), ["Idempotency-Key"]);
    app.post(Actor::Anonymous, REGISTER, login("eva@example.com")).await.expect(StatusCode::CREATED);
    assert!(is_replay(&app.keyed(Actor::Anonymous, REGISTER, "key-1", &bia).await));

    let offer = app.offer_to(ana).await;
    let accept = async |offer: &str, body: Value| {
        app.keyed(Actor::User(ana), &format!("/v1/credit-offers/{offer}/accept"), "key-1", &body).await
    };
    let body = json!({"userId": ana});
    accept(&new_user_id().to_string(), body.clone()).await.expect(StatusCode::NOT_FOUND);
    assert_eq!(accept(&offer, body.clone()).await.invalid_fields(), ["Idempotency-Key"], "another path");
    let path = format!("/v1/users/{ana}/credit-analysis");
    app.keyed(Actor::User(ana), &path, "key-1", &json!({})).await.expect(StatusCode::OK);
    let other = app.keyed(Actor::User(ana), &path, "key-1", &json!({"a": 1})).await;
    assert_eq!(other.invalid_fields(), ["Idempotency-Key"], "another body, though it is not looked at");
}

#[tokio::test]
async fn what_is_not_valid_takes_no_key() {
    let app = App::start();
    for body in [json!({}), json!({"email": "ana", "password": PASSWORD}), json!([])] {
        let reply = app.keyed(Actor::Anonymous, REGISTER, "key-1", &body).await;
        reply.expect(StatusCode::UNPROCESSABLE_ENTITY);
    }
    thrice(&app, Actor::Anonymous, REGISTER, login("ana@example.com"), StatusCode::CREATED).await;
}

#[tokio::test]
async fn that_a_header_is_no_key_is_told_to_those_who_may_make_the_call() {
    let app = App::start();
    let (ana, bia) = (app.register("ana@example.com").await, new_user_id());
    let long = "x".repeat(129);
    let path = format!("/v1/users/{ana}/credit-analysis");
    app.keyed(Actor::User(bia), &path, &long, &json!({})).await.expect(StatusCode::FORBIDDEN);
    app.keyed(Actor::User(bia), "/v1/users", &long, &json!({})).await.expect(StatusCode::FORBIDDEN);
    let calls = [
        (Actor::User(ana), path, json!({})),
        (Actor::Operator, "/v1/users".to_owned(), json!({"externalId": "1"})),
        (Actor::Anonymous, REGISTER.to_owned(), login("bia@example.com")),
        (Actor::User(ana), format!("/v1/credit-offers/{bia}/accept"), json!({"userId": ana})),
    ];
    for (actor, path, body) in calls {
        assert_eq!(app.keyed(actor, &path, &long, &body).await.invalid_fields(), ["Idempotency-Key"]);
    }
}

/// A model whose first call waits until it may go on, or fails; later ones answer at once.
struct SlowStart {
    calls: AtomicU32,
    entered: Notify,
    gate: Semaphore,
    fails: bool,
}

impl SlowStart {
    fn new(fails: bool) -> Arc<Self> {
        let (calls, entered, gate) = (AtomicU32::new(0), Notify::new(), Semaphore::new(0));
        Arc::new(Self { calls, entered, gate, fails })
    }
}

#[async_trait]
impl CreditAnalysis for SlowStart {
    async fn assess(&self, _: &Features, _: &RequestContext) -> Result<Assessment, HandleError> {
        let is_first = self.calls.fetch_add(1, Ordering::SeqCst) == 0;
        if is_first && self.fails {
            let retry_after = Duration::from_secs(1);
            return Err(HandleError::Unavailable { role: "credit-analysis", retry_after });
        }
        if is_first {
            self.entered.notify_one();
            self.gate.acquire().await.unwrap().forget();
        }
        Ok(Assessment::unexplained("financial-1", 0.1))
    }
}

fn with_model(model: &Arc<SlowStart>) -> App {
    let model = Arc::clone(model) as Arc<dyn CreditAnalysis>;
    App::with(Setup { model: Some(model), cache: Cache::none(), ..Setup::default() })
}

#[tokio::test]
async fn an_outage_is_not_kept() {
    let app = with_model(&SlowStart::new(true));
    let ana = app.register("ana@example.com").await;
    let path = format!("/v1/users/{ana}/credit-analysis");
    let down = app.keyed(Actor::User(ana), &path, "key-1", &json!({})).await;
    down.expect(StatusCode::SERVICE_UNAVAILABLE);
    thrice(&app, Actor::User(ana), &path, json!({}), StatusCode::OK).await;
}

#[tokio::test]
async fn a_request_that_was_given_up_frees_its_key() {
    let model = SlowStart::new(false);
    let app = with_model(&model);
    let ana = app.register("ana@example.com").await;
    app.transactions(ana, 1, 10_000).await;
    let path = format!("/v1/users/{ana}/credit-analysis");
    let nothing = json!({});
    let request = || app.keyed(Actor::User(ana), &path, "key-1", &nothing);
    tokio::select! {
        reply = request() => panic!("the model has not answered: {reply:?}"),
        () = model.entered.notified() => {}
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let reply = request().await;
        if reply.status == StatusCode::OK {
            break;
        }
        assert_eq!(reply.status, StatusCode::CONFLICT, "{}", reply.body);
        assert!(tokio::time::Instant::now() < deadline, "the key is free");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(offers(&app, ana).await, 1);
}

#[tokio::test]
async fn a_request_that_outlives_its_claim_has_no_second_effect() {
    let model = SlowStart::new(false);
    let app = with_model(&model);
    let ana = app.register("ana@example.com").await;
    app.transactions(ana, 1, 10_000).await;
    let path = format!("/v1/users/{ana}/credit-analysis");
    let nothing = json!({});
    let request = || app.keyed(Actor::User(ana), &path, "key-1", &nothing);
    let repetition = async {
        model.entered.notified().await;
        request().await.expect(StatusCode::CONFLICT);
        app.pass(Duration::from_secs(60));
        let repeated = request().await;
        model.gate.add_permits(1);
        repeated
    };
    let (outlived, repeated) = tokio::join!(request(), repetition);
    assert_eq!((repeated.status, &repeated.body["repeated"]), (StatusCode::OK, &json!(false)));
    assert_eq!(outlived.status, StatusCode::CONFLICT, "{}", outlived.body);
    assert_eq!(request().await.bytes, repeated.bytes);
    assert_eq!(offers(&app, ana).await, 1);
    let standing = app.store.standing_decision(ana, Timestamp::MIN).await.unwrap().unwrap();
    assert_eq!(json!(standing.id), repeated.body["decision_id"]);
}

#[tokio::test]
async fn the_document_tells_what_a_body_too_large_comes_to() {
    let app = App::start();
    let user = new_user_id();
    let path = format!("/v1/users/{user}/credit-analysis");
    let body = json!("x".repeat(64 * 1024));
    let reply = app.keyed(Actor::User(user), &path, "key-1", &body).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    let document = serde_json::to_value(ecs_user_and_credit::UserAndCredit::openapi()).unwrap();
    let answers = &document["paths"]["/v1/users/{user_id}/credit-analysis"]["post"]["responses"];
    assert_eq!(answers["413"]["description"], reply.body["detail"]);
}
