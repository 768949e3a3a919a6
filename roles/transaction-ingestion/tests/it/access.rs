//! Who may send which transaction, and in which order that is found out.

use axum::body::Body;
use ecs_bus::PublishError;
use ecs_bus_conformance::Recording;
use ecs_domain::permission::Permission;
use http::Request;
use serde_json::json;

use crate::support::{OTHER, USER, request, request_with, send, token, transaction};

async fn check(token: &str, content_type: &str, body: &str, expect: u16) {
    let bus = Recording::taking_all();
    let answer = send(&bus, request_with(token, content_type, body.to_owned())).await;
    assert_eq!(answer.status, expect, "{content_type} {body:.80}");
    assert_eq!(bus.events().len(), usize::from(expect == 202));
}

#[tokio::test]
async fn the_token_comes_first_then_the_body_then_the_user() {
    let own = token(&[]);
    let huge = "x".repeat(70_000);
    for body in ["{", &huge, "{}"] {
        check("forged", "application/json", body, 401).await;
        check("forged", "text/plain", body, 401).await;
    }
    check(&own, "text/plain", &huge, 415).await;
    check(&own, "application/json", &huge, 413).await;
    check(&own, "application/json", "{", 400).await;
    // Nobody is told what is wrong with a transaction that they may not send anyway.
    check(&own, "application/json", &json!({"userId": OTHER, "amount": 0}).to_string(), 403).await;
    check(&own, "application/json", &json!({"userId": USER, "amount": 0}).to_string(), 422).await;
    check(&own, "application/json", &json!({"userId": "nobody", "amount": 1}).to_string(), 422).await;
    check(&own, "application/json", &json!({"userId": OTHER, "amount": 1}).to_string(), 403).await;
    check(&own, "application/json", &json!({"userId": USER, "amount": 1}).to_string(), 202).await;

    let without_token = Request::post("/v1/transactions").body(Body::from("{")).unwrap();
    assert_eq!(send(&Recording::taking_all(), without_token).await.status, 401);
}

#[tokio::test]
async fn others_transactions_need_the_permission_for_them() {
    let body = json!({"userId": OTHER, "amount": 1}).to_string();
    check(&token(&[Permission::TransactionsWriteAny]), "application/json", &body, 202).await;
    let others =
        Permission::ALL.iter().copied().filter(|permission| *permission != Permission::TransactionsWriteAny);
    check(&token(&others.collect::<Vec<_>>()), "application/json", &body, 403).await;
}

#[tokio::test]
async fn what_the_bus_does_not_take_is_not_accepted() {
    let check = async |error: PublishError, expect: u16, retry_after: Option<&str>| {
        let answer =
            send(&Recording::refusing(move |_| Some(error.clone())), request(transaction().to_string()))
                .await;
        let header = answer.headers.get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!((answer.status, header), (expect, retry_after), "{}", answer.json);
        assert!(!answer.json.to_string().contains("10.0.0.7"), "{}", answer.json);
    };
    let retry_after = std::time::Duration::from_secs(3);
    check(PublishError::WindowFull { retry_after }, 503, Some("3")).await;
    check(PublishError::Unavailable("10.0.0.7 is gone".to_owned()), 503, Some("1")).await;
    check(PublishError::Closed, 503, Some("1")).await;
    check(PublishError::TooLarge { bytes: 9, limit: 8 }, 413, None).await;
}
