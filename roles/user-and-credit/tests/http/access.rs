//! Who may make which call.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Actor, App, new_user_id};

/// A call about Ana, and what comes of it: for anybody, a service, another user, Ana herself, an operator.
struct Call {
    method: Method,
    path: String,
    body: Option<Value>,
    statuses: [u16; 5],
}

#[tokio::test]
async fn each_call_is_open_to_those_it_is_meant_for() {
    let app = App::start();
    let ana = app.register("ana@example.com").await;
    let bia = app.register("bia@example.com").await;
    let call = |method, path: String, body, statuses| Call { method, path, body, statuses };
    let consent = format!("/v1/users/{ana}/consents/emotion-analysis");
    let offer = format!("/v1/credit-offers/{ana}/accept");
    let (account, accept) = (json!({"externalId": "partner-1"}), json!({"userId": ana}));
    let calls = [
        call(Method::POST, "/v1/users".into(), Some(account), [401, 401, 403, 403, 201]),
        call(Method::GET, format!("/v1/users/{ana}"), None, [401, 401, 403, 200, 200]),
        call(Method::POST, format!("/v1/users/{ana}/credit-analysis"), None, [401, 401, 403, 200, 200]),
        call(Method::GET, format!("/v1/users/{ana}/offers"), None, [401, 401, 403, 200, 200]),
        call(Method::POST, offer, Some(accept), [401, 401, 403, 404, 404]),
        call(Method::GET, consent.clone(), None, [401, 401, 403, 200, 200]),
        call(Method::PUT, consent.clone(), None, [401, 401, 403, 200, 403]),
        call(Method::DELETE, consent, None, [401, 401, 403, 204, 403]),
    ];
    let actors = [Actor::Anonymous, Actor::Service, Actor::User(bia), Actor::User(ana), Actor::Operator];
    for Call { method, path, body, statuses } in calls {
        for (actor, expect) in actors.into_iter().zip(statuses) {
            let reply = app.call(actor, method.clone(), &path, body.clone()).await;
            assert_eq!(reply.status.as_u16(), expect, "{method} {path} by {actor:?}: {}", reply.body);
        }
    }
}

#[tokio::test]
async fn that_a_user_is_unknown_is_told_only_to_those_who_may_act_for_them() {
    let app = App::start();
    let (nobody, ana) = (new_user_id(), app.register("ana@example.com").await);
    let paths = [
        (Method::GET, format!("/v1/users/{nobody}")),
        (Method::POST, format!("/v1/users/{nobody}/credit-analysis")),
        (Method::GET, format!("/v1/users/{nobody}/offers")),
        (Method::GET, format!("/v1/users/{nobody}/consents/emotion-analysis")),
    ];
    for (method, path) in paths {
        let check = async |actor, expect: StatusCode| {
            let reply = app.call(actor, method.clone(), &path, None).await;
            assert_eq!(reply.status, expect, "{method} {path} by {actor:?}");
        };
        check(Actor::User(ana), StatusCode::FORBIDDEN).await;
        check(Actor::Operator, StatusCode::NOT_FOUND).await;
        check(Actor::User(nobody), StatusCode::NOT_FOUND).await;
    }
}

#[tokio::test]
async fn who_may_not_provision_hears_that_and_not_what_is_wrong_with_the_body() {
    let app = App::start();
    let ana = app.register("ana@example.com").await;
    for body in ["{", "[]", "{}"] {
        let reply = app.send(Actor::User(ana), Method::POST, "/v1/users", Some(body.to_owned())).await;
        reply.expect(StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn who_asks_is_known_before_the_body_is_read() {
    let app = App::start();
    for path in ["/v1/users".to_owned(), format!("/v1/credit-offers/{}/accept", new_user_id())] {
        let reply = app.send(Actor::Anonymous, Method::POST, &path, Some("{".to_owned())).await;
        reply.expect(StatusCode::UNAUTHORIZED);
        let reply = app.send(Actor::Operator, Method::POST, &path, Some("{".to_owned())).await;
        reply.expect(StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn an_id_in_a_path_is_a_uuid() {
    let app = App::start();
    let operator = Actor::Operator;
    assert_eq!(app.get(operator, "/v1/users/42").await.invalid_fields(), ["user_id"]);
    assert_eq!(app.get(operator, "/v1/users/42/offers").await.invalid_fields(), ["user_id"]);
    let analysis = app.call(operator, Method::POST, "/v1/users/42/credit-analysis", None).await;
    assert_eq!(analysis.invalid_fields(), ["user_id"]);
    assert_eq!(app.accept(operator, new_user_id(), "42").await.invalid_fields(), ["offer_id"]);
}
