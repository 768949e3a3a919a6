//! People who want to be forgotten.

use std::time::Duration;

use ecs_bus::{Bus as _, Event, Headers, Subject};
use ecs_domain::{EventId, UserId};
use ecs_store::{Begun, Claim, Idempotency as _};
use ecs_vault::Kept;
use ecs_work::Supervisor;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Actor, App, BUS_RETENTION, PASSWORD};

/// How long anything may take before a test gives up on it.
const DEADLINE: Duration = Duration::from_secs(60);

fn path(user: UserId) -> String {
    format!("/v1/users/{user}/erasure")
}

/// A token that was stolen is not enough, and who guesses is stopped.
#[tokio::test]
async fn users_ask_for_their_own_with_their_password() {
    let app = App::start();
    let ana = app.register("ana@example.com").await;
    let bia = app.register("bia@example.com").await;
    let ask = async |actor, body: Value| app.post(actor, &path(ana), body).await;
    ask(Actor::Anonymous, json!({"password": PASSWORD})).await.expect(StatusCode::UNAUTHORIZED);
    ask(Actor::User(bia), json!({"password": PASSWORD})).await.expect(StatusCode::FORBIDDEN);
    for body in [json!({}), json!({"password": "another"})] {
        let refused = ask(Actor::User(ana), body).await.expect(StatusCode::FORBIDDEN);
        assert_eq!(refused["detail"], "the password is another one");
    }
    let early = json!({"password": PASSWORD, "with_credit": true});
    ask(Actor::User(ana), early).await.expect(StatusCode::FORBIDDEN);
    let receipt = ask(Actor::User(ana), json!({"password": PASSWORD})).await.expect(StatusCode::ACCEPTED);
    assert_eq!((&receipt["status"], &receipt["closed_at"]), (&json!("requested"), &Value::Null));
    let login = json!({"email": "ana@example.com", "password": PASSWORD});
    app.post(Actor::Anonymous, "/v1/auth/login", login).await.expect(StatusCode::UNAUTHORIZED);
    let told = receipt["receipt"].as_str().unwrap();
    let read = app.get(Actor::Anonymous, &format!("/v1/erasures/{told}")).await;
    assert_eq!(read.expect(StatusCode::OK), receipt);
    app.get(Actor::Anonymous, &format!("/v1/erasures/{ana}")).await.expect(StatusCode::NOT_FOUND);
    assert_eq!(app.get(Actor::Anonymous, "/v1/erasures/x").await.invalid_fields(), ["receipt"]);

    for _ in 0..5 {
        app.post(Actor::User(bia), &path(bia), json!({})).await.expect(StatusCode::FORBIDDEN);
    }
    let right = json!({"password": PASSWORD});
    app.post(Actor::User(bia), &path(bia), right).await.expect(StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn credit_that_was_accepted_is_for_an_officer_to_decide() {
    let app = App::start();
    let ana = app.busy_and_calm("ana@example.com").await;
    let offer = app.offer_to(ana).await;
    app.accept(Actor::User(ana), ana, &offer).await.expect(StatusCode::ACCEPTED);
    let refused = app.post(Actor::User(ana), &path(ana), json!({"password": PASSWORD})).await;
    assert!(refused.expect(StatusCode::CONFLICT)["detail"].as_str().unwrap().contains("privacy officer"));
    app.post(Actor::Operator, &path(ana), json!({})).await.expect(StatusCode::CONFLICT);
    let with_credit = json!({"with_credit": true});
    app.post(Actor::Operator, &path(ana), with_credit).await.expect(StatusCode::ACCEPTED);
    let nobody = UserId::new(Uuid::from_u128(7));
    app.post(Actor::Operator, &path(nobody), json!({})).await.expect(StatusCode::NOT_FOUND);
}

/// The key first, then the rows, a second look, and the end when the bus has forgotten.
#[tokio::test]
async fn an_erasure_goes_its_way_to_the_end() {
    let app = App::start();
    let ana = app.busy_and_calm("ana@example.com").await;
    app.analyse(ana).await.expect(StatusCode::OK);
    let event = Event {
        id: EventId::new(Uuid::now_v7()),
        subject: Subject::Transactions,
        key: ana,
        payload: "{}".into(),
        headers: Headers::default(),
    };
    assert!(app.bus.publish(vec![event]).await.into_iter().all(|result| result.is_ok()));
    let supervisor = Supervisor::new();
    app.role.start(&supervisor);
    let asked = app.post(Actor::User(ana), &path(ana), json!({"password": PASSWORD})).await;
    let receipt = asked.expect(StatusCode::ACCEPTED)["receipt"].as_str().unwrap().to_owned();
    let reaches =
        async |what: &str, field: &str, expect: Value| reaches(&app, &receipt, what, field, expect).await;
    reaches("the first rows", "rows", Value::Null).await;
    let gone = async {
        while app.get(Actor::Operator, &format!("/v1/users/{ana}")).await.status != StatusCode::NOT_FOUND {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.unwrap();
    assert!(app.keyring.vault().kept(&[ana]).await.unwrap() == [Kept::Tombstone]);

    // What a statement wrote that was under way.
    let late = Claim { scope: format!("{ana} POST /late"), key: "1".to_owned(), holder: Uuid::new_v4() };
    app.store.begin_request(&late, [0; 32], app.now(), DEADLINE).await.unwrap();
    app.pass(Duration::from_secs(91));
    reaches("the second look", "status", json!("erased")).await;
    let begun = app.store.begin_request(&late, [1; 32], app.now(), DEADLINE).await.unwrap();
    assert_eq!(begun, Begun::Claimed, "the first one's is gone");

    app.pass(BUS_RETENTION + Duration::from_secs(3_600));
    // It is not closed while the bus still has what was said before: nobody sweeps here but this test.
    for _ in 0..3 {
        app.get(Actor::Anonymous, &format!("/v1/erasures/{receipt}")).await.expect(StatusCode::OK);
    }
    app.bus.prune(Subject::Transactions, app.now()).await.unwrap();
    supervisor.drain(DEADLINE).await;
    let again = Supervisor::new();
    app.role.start(&again);
    let closed = reaches("the end", "status", json!("closed")).await;
    assert!(closed["erased_at"].as_str() < closed["closed_at"].as_str(), "{closed}");
    again.drain(DEADLINE).await;
}

/// The same address may begin anew, as somebody else.
#[tokio::test]
async fn an_address_is_free_again() {
    let app = App::start();
    let ana = app.register("ana@example.com").await;
    app.post(Actor::User(ana), &path(ana), json!({"password": PASSWORD})).await.expect(StatusCode::ACCEPTED);
    let again = app.register("ana@example.com").await;
    assert_ne!(ana, again);
    let call = app.call(Actor::User(again), Method::GET, &format!("/v1/users/{again}"), None).await;
    assert_eq!(call.expect(StatusCode::OK)["email"], "ana@example.com");
}

/// Waits until a field of the receipt has this value, or any but nothing where that is null.
async fn reaches(app: &App, receipt: &str, what: &str, field: &str, expect: Value) -> Value {
    let reached = async {
        loop {
            let told =
                app.get(Actor::Anonymous, &format!("/v1/erasures/{receipt}")).await.expect(StatusCode::OK);
            let there = match &expect {
                Value::Null => !told[field].is_null() && told[field] != json!(0),
                expect => told[field] == *expect,
            };
            if there {
                return told;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, reached).await.unwrap_or_else(|_| panic!("{what} in time"))
}
