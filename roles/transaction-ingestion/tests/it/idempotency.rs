//! Transactions that a request's key names.

use std::sync::Arc;

use ecs_bus::payload::TransactionPayload;
use ecs_bus_conformance::Recording;
use ecs_domain::{EventId, TransactionId};
use serde_json::{Value, json};

use crate::support::{Answer, OTHER, USER, request, send, transaction};

async fn send_with(bus: &Arc<Recording>, keys: &[&str], body: &Value) -> Answer {
    let mut request = request(body.to_string());
    for key in keys {
        request.headers_mut().append("idempotency-key", key.parse().unwrap());
    }
    send(bus, request).await
}

#[tokio::test]
async fn a_key_is_as_good_as_an_id_in_the_body() {
    let check = async |keys: &[&str], in_body: Option<&str>, expect: &str| {
        let bus = Recording::taking_all();
        let mut body = transaction();
        body["transactionId"] = in_body.into();
        let answer = send_with(&bus, keys, &body).await;
        let id = TransactionId::from(EventId::derive(USER.parse().unwrap(), expect));
        assert_eq!((answer.status, &answer.json["transactionId"]), (202, &json!(id)));
        let decoded = TransactionPayload::decode(&bus.events()[0]).unwrap();
        assert_eq!((decoded.id, decoded.client_id.as_deref()), (id, Some(expect)));
    };
    check(&["order 7"], None, "order 7").await;
    check(&["\"order 7\""], None, "order 7").await;
    check(&[], Some("order 7"), "order 7").await;
    check(&["another"], Some("order 7"), "order 7").await;
}

#[tokio::test]
async fn a_header_that_is_no_key_is_refused_by_its_name() {
    for keys in [&["a", "b"][..], &["\"open"], &[""], &[&"x".repeat(129)]] {
        let bus = Recording::taking_all();
        let answer = send_with(&bus, keys, &transaction()).await;
        assert_eq!((answer.status, &answer.json["errors"][0]["field"]), (422, &json!("Idempotency-Key")));
        assert!(bus.events().is_empty(), "{keys:?}");
    }

    // Who may not send for the user hears that, and nothing of the key.
    let body = json!({"userId": OTHER, "amount": 12.5});
    assert_eq!(send_with(&Recording::taking_all(), &["\"open"], &body).await.status, 403);
}
