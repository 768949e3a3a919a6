//! Which values are taken, and what reaches the bus.

use ecs_bus::Subject;
use ecs_bus::payload::TransactionPayload;
use ecs_bus_conformance::Recording;
use ecs_domain::{EventId, TransactionId};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{NOW, USER, request, send, transaction};

#[tokio::test]
async fn a_transaction_is_accepted_and_on_the_bus_with_its_digits() {
    let bus = Recording::taking_all();
    let body = format!(
        r#"{{"userId": "{USER}", "amount": 999999999999.99, "transactionId": "order 7", "currency": "BRL",
            "merchant": "Café", "category": "food", "channel": "pos", "occurredAt": "2024-02-29T10:00:00-03:00"}}"#
    );
    let answer = send(&bus, request(body)).await;
    let id = TransactionId::from(EventId::derive(USER.parse().unwrap(), "order 7"));
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json["status"], "event received");
    assert_eq!(answer.json["userId"], USER);
    assert_eq!(answer.json["transactionId"], id.to_string());
    assert_eq!(answer.json["traceId"].as_str().unwrap().len(), 32);

    let events = bus.events();
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((event.subject, event.key), (Subject::Transactions, USER.parse().unwrap()));
    assert!(event.headers.request_id.is_some() && event.headers.traceparent.is_some());
    assert!(String::from_utf8_lossy(&event.payload).contains(r#""amount":999999999999.99"#));
    let transaction = TransactionPayload::decode(event).unwrap();
    assert_eq!(transaction.id, id);
    assert_eq!(transaction.occurred_at, "2024-02-29T13:00:00Z".parse().unwrap());
    assert_eq!(transaction.merchant.as_deref(), Some("Café"));
    assert_eq!(transaction.client_id.as_deref(), Some("order 7"));
}

#[tokio::test]
async fn what_is_left_out_is_filled_in() {
    let bus = Recording::taking_all();
    let answer = send(&bus, request(transaction().to_string())).await;
    let decoded = TransactionPayload::decode(&bus.events()[0]).unwrap();
    assert_eq!(answer.json["transactionId"], decoded.id.to_string());
    assert_eq!(decoded.id.uuid().get_version_num(), 7);
    assert_eq!(decoded.occurred_at, NOW.parse().unwrap());
    assert_eq!(decoded.currency.as_str(), "BRL");
    assert_eq!((decoded.merchant, decoded.client_id), (None, None));
}

/// The valid transaction with the JSON of one field changed.
async fn check(field: &str, json: &str, expect: Option<&str>) {
    let mut body = transaction();
    body[field] = "HERE".into();
    let bus = Recording::taking_all();
    let answer = send(&bus, request(body.to_string().replace("\"HERE\"", json))).await;
    let expected = expect.map_or(Value::Null, |message| json!([{"field": field, "message": message}]));
    assert_eq!(answer.json["errors"], expected, "{field} {json}");
    assert_eq!(answer.status, if expect.is_some() { 422 } else { 202 });
    assert_eq!(bus.events().len(), usize::from(expect.is_none()));
}

#[tokio::test]
async fn an_amount_is_a_number_above_0_with_2_decimals_of_a_size_that_money_has() {
    let size = Some("must be a number of a size that money has");
    check("amount", "0.01", None).await;
    check("amount", "1e3", None).await;
    check("amount", "12.50", None).await;
    check("amount", "0", Some("must be above 0")).await;
    check("amount", "-5", Some("must be above 0")).await;
    check("amount", "0.005", Some("must have at most 2 decimals")).await;
    check("amount", "1000000000000", Some("must be at most 999999999999.99")).await;
    check("amount", "1e300", size).await;
    check("amount", &"9".repeat(300), size).await;
    check("amount", "1e-300", size).await;
    check("amount", "\"12\"", Some("must be a number")).await;
    check("amount", "null", Some("is required")).await;
    check("amount", "true", Some("must be a number")).await;
    check("amount", "[1]", Some("must be a number")).await;
    check("amount", "{}", Some("must be a number")).await;
}

#[tokio::test]
async fn the_other_fields_are_checked_too() {
    let words = Some("must be 1 to 128 printable characters");
    check("userId", "null", Some("is required")).await;
    check("userId", "\"ana\"", Some("must be a UUID")).await;
    check("userId", "7", Some("must be a string")).await;
    check("currency", "\"USD\"", Some("must be BRL, the only currency here")).await;
    check("currency", "\"brl\"", Some("must be BRL, the only currency here")).await;
    check("currency", "null", None).await;
    for field in ["merchant", "category", "channel", "transactionId"] {
        check(field, "\"\"", words).await;
        check(field, "\"a\\u0000b\"", words).await;
        check(field, &json!("é".repeat(129)).to_string(), words).await;
        check(field, &json!("é".repeat(128)).to_string(), None).await;
        check(field, "7", Some("must be a string")).await;
        check(field, "null", None).await;
    }
    check("occurredAt", "\"soon\"", Some("must be an ISO 8601 date and time")).await;
    check("occurredAt", "\"1969-12-31T23:59:59Z\"", Some("must not be before 1970")).await;
    check("occurredAt", "\"2025-08-20T12:00:01Z\"", Some("must be at most 24 hours in the future")).await;
    check("occurredAt", "\"1997-01-01\"", None).await;
    check("unknown", "[{}]", None).await;
}

#[tokio::test]
async fn all_violations_are_named_at_once() {
    let body = r#"{"currency": "USD", "merchant": "", "occurredAt": "x"}"#;
    let answer = send(&Recording::taking_all(), request(body)).await;
    let errors = answer.json["errors"].as_array().unwrap();
    let fields: Vec<&str> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["userId", "amount", "currency", "occurredAt", "merchant"]);
}

fn status_of(body: Vec<u8>) -> u16 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(send(&Recording::taking_all(), request(body))).status
}

proptest! {
    #[test]
    fn no_bytes_get_more_than_a_4xx(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(status_of(body) < 500);
    }

    #[test]
    fn no_damaged_transaction_gets_more_than_a_4xx(at in 0_usize..200, byte in any::<u8>()) {
        let mut body = transaction().to_string().into_bytes();
        let at = at % body.len();
        body[at] = byte;
        prop_assert!(status_of(body) < 500);
    }

    #[test]
    fn no_number_gets_more_than_a_422(amount in "-?[0-9]{1,40}(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,25})?") {
        let body = format!(r#"{{"userId": "{USER}", "amount": {amount}}}"#);
        prop_assert!([202, 400, 422].contains(&status_of(body.into_bytes())));
    }
}
