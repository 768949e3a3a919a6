//! Events that were given up.

use bytes::Bytes;
use ecs_store::DeadLetterRow;

use crate::Harness;
use crate::fixtures::{after, event_id, now, user};

/// Same event, same subject, same group, same bytes: one row. Anything else is another.
pub async fn a_dead_letter_is_kept_once<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let first = letter(1);
    let again = DeadLetterRow { reason: "another try, another reason".to_owned(), at: after(9), ..letter(1) };
    store.add_dead_letters(&[first.clone(), again.clone()]).await.unwrap();
    store.add_dead_letters(&[again]).await.unwrap();
    assert_eq!(store.dead_letters(10).await.unwrap(), [first]);
    let others = [
        DeadLetterRow { payload: Bytes::from_static(b"{}"), ..letter(1) },
        DeadLetterRow { group: "analytics".to_owned(), ..letter(1) },
        DeadLetterRow { subject: "transactions.topic".to_owned(), ..letter(1) },
        letter(2),
    ];
    store.add_dead_letters(&others).await.unwrap();
    assert_eq!(store.dead_letter_count().await.unwrap(), 5);
    let newest_first: Vec<_> = others.into_iter().rev().collect();
    assert_eq!(store.dead_letters(4).await.unwrap(), newest_first);
}

/// What was given up can be looked at, however broken it is.
pub async fn original_bytes_are_kept<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let all: Vec<u8> = (0..=255).collect();
    for (id, payload) in [(1, &all[..]), (2, b""), (3, b"{\"not\": json")] {
        let kept =
            DeadLetterRow { payload: Bytes::copy_from_slice(payload), history: Vec::new(), ..letter(id) };
        store.add_dead_letters(std::slice::from_ref(&kept)).await.unwrap();
        assert_eq!(store.dead_letters(1).await.unwrap(), [kept]);
    }
}

fn letter(id: u128) -> DeadLetterRow {
    DeadLetterRow {
        subject: "user.emotions.topic".to_owned(),
        group: "emotion-processing".to_owned(),
        id: event_id(id),
        key: user(1),
        reason: "the user is unknown".to_owned(),
        history: vec![(now(), "first \"try\"".to_owned()), (after(1), "second".to_owned())],
        payload: Bytes::from_static(b"{\"userId\":1}"),
        schema_version: 1,
        request_id: Some("request-1".to_owned()),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        at: after(2),
    }
}
