//! Calls against a stub of the platform.

use std::time::Duration;

use super::*;
use crate::TransportError;
use crate::stub::{Stub, Trouble};

#[test]
fn bodies_are_those_of_the_contract() {
    let user = UserId::new(uuid::Uuid::from_u128(7));
    let at = "2025-08-19T14:30:00Z".parse().unwrap();
    let emotion = Emotion {
        user,
        at,
        kind: "calm",
        positivity: 0.75,
        intensity: 0.5,
        stress: 0.125,
        client_id: Some("a-1".to_owned()),
    };
    assert_eq!(
        emotion.to_json().unwrap(),
        r#"{"userId":"00000000-0000-0000-0000-000000000007","timestamp":"2025-08-19T14:30:00Z","emotionEvent":{"type":"calm","metrics":{"positivity":0.75,"intensity":0.5,"stress_level":0.125}},"eventId":"a-1"}"#
    );
    let transaction = Transaction {
        user,
        amount: Money::from_minor_units(1177),
        client_id: Some("t-1".to_owned()),
        currency: None,
        merchant: None,
        category: None,
        channel: Some("web".to_owned()),
        at: Some(at),
    };
    assert_eq!(
        to_json(&transaction).unwrap(),
        r#"{"userId":"00000000-0000-0000-0000-000000000007","amount":11.77,"transactionId":"t-1","channel":"web","occurredAt":"2025-08-19T14:30:00Z"}"#
    );
    // Whoever logs one shows nothing of it.
    assert_eq!(format!("{emotion:?} {transaction:?}"), "Emotion(…) Transaction(…)");
}

fn emotion(client_id: Option<&str>) -> Emotion {
    Emotion {
        user: UserId::new(uuid::Uuid::from_u128(7)),
        at: "2025-08-19T14:30:00Z".parse().unwrap(),
        kind: "calm",
        positivity: 0.75,
        intensity: 0.5,
        stress: 0.125,
        client_id: client_id.map(str::to_owned),
    }
}

#[tokio::test]
async fn what_comes_of_a_call_without_retries() {
    let stub = Stub::start().await;
    let client = stub.client.clone().with_retries(Retries::NONE);
    let event = emotion(Some("1"));
    let received = client.emotion(&event).await.unwrap();
    assert_eq!(received.event_id, EventId::derive(event.user, "1"));
    let check = async |trouble, expect: &dyn Fn(&CallError) -> bool| {
        stub.trouble([trouble]);
        let error = client.emotion(&event).await.unwrap_err();
        assert!(expect(&error), "{trouble:?}: {error:?}");
    };
    check(Trouble::Status(422), &|error| match error {
        CallError::Refused { status: 422, problem } => problem.errors[0].field == "amount",
        _ => false,
    })
    .await;
    check(Trouble::Busy(7), &|error| error.retry_after() == Some(Duration::from_secs(7))).await;
    check(Trouble::TakenButBroken, &|error| matches!(error, CallError::Transport(TransportError::Broken)))
        .await;
    check(Trouble::Garbage, &|error| matches!(error, CallError::Transport(TransportError::Unreadable(_))))
        .await;
}

#[tokio::test]
async fn only_calls_with_an_id_of_the_callers_are_repeated() {
    let stub = Stub::start().await;
    stub.trouble([Trouble::Busy(0), Trouble::TakenButBroken]);
    stub.client.emotion(&emotion(Some("1"))).await.unwrap();
    let taken = || {
        let memory = stub.memory.lock().unwrap();
        (memory.requests, memory.events.len())
    };
    assert_eq!(taken(), (3, 1));
    stub.trouble([Trouble::Busy(0)]);
    assert!(stub.client.emotion(&emotion(None)).await.is_err());
    assert_eq!(taken(), (4, 1));
}

#[tokio::test]
async fn nobody_there_is_told_from_a_broken_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::new(&base, &crate::Credentials::default()).unwrap();
    let error = client.with_retries(Retries::NONE).emotion(&emotion(Some("1"))).await.unwrap_err();
    assert!(matches!(error, CallError::Transport(TransportError::Unreachable)), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_never_comes_meets_the_deadline() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let deadline = Duration::from_millis(50);
    let client = Client::new(&base, &crate::Credentials::default()).unwrap().with_deadline(deadline);
    let error = client.with_retries(Retries::NONE).emotion(&emotion(Some("1"))).await.unwrap_err();
    assert!(matches!(error, CallError::Transport(TransportError::Deadline(_))), "{error:?}");
}

#[tokio::test]
async fn the_books_have_more_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::new(&base, &crate::Credentials::default()).unwrap();
    let client = client.with_deadline(Duration::from_millis(50));
    let waits_on = tokio::time::timeout(Duration::from_millis(200), client.books()).await;
    assert!(waits_on.is_err(), "{waits_on:?}");
}

#[tokio::test]
async fn a_stream_of_lines_goes_out_as_one_request() {
    let stub = Stub::start().await;
    let lines: Vec<Bytes> = (0..100).map(|n| emotion(Some(&n.to_string())).to_json().unwrap()).collect();
    let answer = stub.client.emotions_ndjson(futures::stream::iter(lines)).await.unwrap();
    assert_eq!((answer.accepted, answer.rejected.len()), (100, 0));
}

#[tokio::test]
async fn lines_that_are_all_there_go_out_as_one_piece() {
    let stub = Stub::start().await;
    let mut lines = Vec::new();
    for n in 0..10 {
        lines.extend_from_slice(&emotion(Some(&n.to_string())).to_json().unwrap());
        lines.push(b'\n');
    }
    stub.trouble([Trouble::Lines(5)]);
    let answer = stub.client.upload_emotions(Bytes::from(lines)).await.unwrap();
    let again: Vec<u64> =
        answer.rejected.iter().filter(|line| line.retryable).map(|line| line.line).collect();
    assert_eq!((answer.accepted, answer.rejected_total, again), (8, 2, vec![5, 10]));
}
