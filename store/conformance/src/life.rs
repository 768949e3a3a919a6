//! A store's life: closed, opened again.

use bytes::Bytes;
use ecs_domain::consent::Purpose;
use ecs_domain::dead_letter::DeadLetterKind;
use ecs_store::{DeadLetterRow, Folded, LetterFilter, StoreError};

use crate::Harness;
use crate::fixtures::{
    after, approval, day, emotion, event_id, make_offer, message, now, offer_id, register, rules,
    transaction, user,
};

/// Every kind of row is there after reopening, and repeats are known as such.
pub async fn reopening_keeps_everything<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    let emotions = [emotion(1, 1, "2026-11-20T08:00:00Z", [0.5; 3])];
    let transactions = [transaction(1, 2, "2026-11-20T08:00:00Z", 100)];
    store.fold_emotions(&emotions, rules(), now()).await.unwrap();
    store.fold_transactions(&transactions, now()).await.unwrap();
    store.set_consent(user(1), Purpose::EmotionAnalysis, true.into(), now()).await.unwrap();
    make_offer(&*store, 1, 1, now()).await;
    store.accept_offer(user(1), offer_id(1), after(1), message(1, 3), None).await.unwrap();
    store.add_dead_letters(&[letter()]).await.unwrap();
    let summary = harness.summary(user(1), day("2026-11-20")).await;
    drop(store);

    let harness = harness.reopen().await;
    let store = harness.store();
    store.ping().await.unwrap();
    assert!(store.user(user(1)).await.unwrap().is_some());
    assert!(store.consent(user(1), Purpose::EmotionAnalysis).await.unwrap().unwrap().granted);
    assert_eq!(harness.summary(user(1), day("2026-11-20")).await, summary);
    assert_eq!(store.fold_emotions(&emotions, rules(), now()).await.unwrap(), [Folded::Repeated]);
    assert_eq!(store.fold_transactions(&transactions, now()).await.unwrap(), [Folded::Repeated]);
    let standing = store.standing_decision(user(1), after(-1)).await.unwrap().unwrap();
    assert_eq!(standing.id, approval(1, 1, now()).id);
    assert_eq!(standing.offer().and_then(|offer| offer.accepted_at), Some(after(1)));
    assert_eq!(store.outbox_depth().await.unwrap(), 1);
    let letters = store.dead_letters(&LetterFilter::default(), None, 10).await.unwrap();
    let [kept] = letters.as_slice() else { panic!("one letter, not {letters:?}") };
    let kept = store.dead_letter(kept.id).await.unwrap().unwrap();
    assert_eq!((kept.letter.event, kept.payload), (letter().id, Some(letter().payload)));
}

/// After `close` every call says so, and none hangs.
pub async fn a_closed_store_is_unavailable<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(store.as_ref(), [1]).await;
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    let written = store.set_consent(user(1), Purpose::EmotionAnalysis, true.into(), now()).await;
    assert!(matches!(written, Err(StoreError::Unavailable(_))));
}

fn letter() -> DeadLetterRow {
    DeadLetterRow {
        subject: "user.emotions.topic".to_owned(),
        group: "emotion-processing".to_owned(),
        id: event_id(9),
        key: user(9),
        kind: DeadLetterKind::UnknownUser,
        reason: "the user is unknown".to_owned(),
        history: Vec::new(),
        payload: Bytes::from_static(b"{}"),
        schema_version: 1,
        request_id: None,
        traceparent: None,
        at: now(),
    }
}
