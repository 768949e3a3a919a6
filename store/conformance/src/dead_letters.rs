//! Events that were given up.

use std::time::Duration;

use bytes::Bytes;
use ecs_domain::Timestamp;
use ecs_domain::dead_letter::{DeadLetterKind, DeadLetterState};
use ecs_store::{
    DeadLetterRow, EventKey, Fate, FullLetter, Ledger, Letter, LetterCount, LetterFilter, LetterId, Store,
};

use crate::Harness;
use crate::fixtures::{after, day, event_id, now, user};

const LEASE: Duration = Duration::from_secs(30);

/// Same event, same subject, same group, same bytes: one row. Anything else is another.
pub async fn a_dead_letter_is_kept_once<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let first = letter(1);
    let again = DeadLetterRow { reason: "another try, another reason".to_owned(), at: after(9), ..letter(1) };
    store.add_dead_letters(&[first.clone(), again.clone()]).await.unwrap();
    store.add_dead_letters(&[again]).await.unwrap();
    let kept = full(&*store).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(as_added(&kept[0]), first);
    assert_eq!((kept[0].letter.state, kept[0].letter.state_at), (DeadLetterState::Waiting, None));
    let others = [
        DeadLetterRow { payload: Bytes::from_static(b"{}"), ..letter(1) },
        DeadLetterRow { group: "analytics".to_owned(), ..letter(1) },
        DeadLetterRow { subject: "transactions.topic".to_owned(), ..letter(1) },
        letter(2),
    ];
    store.add_dead_letters(&others).await.unwrap();
    let newest_first: Vec<_> = others.into_iter().rev().chain([first]).collect();
    assert_eq!(full(&*store).await.iter().map(as_added).collect::<Vec<_>>(), newest_first);
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
        let newest = full(&*store).await.remove(0);
        assert_eq!((as_added(&newest), newest.payload), (kept.clone(), Some(kept.payload)));
    }
}

/// Each part of a filter keeps others out.
pub async fn letters_are_found_by_each_of_their_properties<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let wanted = DeadLetterRow { reason: "It broke over 100% of Ana's events".to_owned(), ..letter(1) };
    let others = [
        DeadLetterRow { subject: "transactions.topic".to_owned(), ..letter(2) },
        DeadLetterRow { group: "analytics".to_owned(), ..letter(3) },
        DeadLetterRow { kind: DeadLetterKind::GaveUp, ..letter(4) },
        DeadLetterRow { key: user(2), ..letter(5) },
        DeadLetterRow { at: after(100), ..letter(6) },
        DeadLetterRow { at: after(-100), ..letter(7) },
        letter(8),
    ];
    store.add_dead_letters(&[wanted]).await.unwrap();
    store.add_dead_letters(&others).await.unwrap();
    store.drop_dead_letters(&[LetterId(8)], user(99), now()).await.unwrap();
    let check = async |filter: LetterFilter, expect: &[u128]| {
        let letters = store.dead_letters(&filter, None, 100).await.unwrap();
        let events: Vec<_> = letters.iter().rev().map(|letter| letter.event).collect();
        assert_eq!(events, expect.iter().copied().map(event_id).collect::<Vec<_>>(), "{filter:?}");
    };
    let all = LetterFilter::default;
    check(all(), &[1, 2, 3, 4, 5, 6, 7, 8]).await;
    check(LetterFilter { subject: Some("transactions.topic".to_owned()), ..all() }, &[2]).await;
    check(LetterFilter { group: Some("analytics".to_owned()), ..all() }, &[3]).await;
    check(LetterFilter { kind: Some(DeadLetterKind::GaveUp), ..all() }, &[4]).await;
    check(LetterFilter { key: Some(user(2)), ..all() }, &[5]).await;
    check(LetterFilter { since: Some(after(100)), ..all() }, &[6]).await;
    check(LetterFilter { until: Some(after(2)), ..all() }, &[7]).await;
    check(LetterFilter { state: Some(DeadLetterState::Dropped), ..all() }, &[8]).await;
    check(LetterFilter { event: Some(event_id(4)), ..all() }, &[4]).await;
    check(LetterFilter { reason: Some("100% of ana".to_owned()), ..all() }, &[1]).await;
    check(LetterFilter { reason: Some("1__%".to_owned()), ..all() }, &[]).await;
    let both = LetterFilter { reason: Some("broke".to_owned()), key: Some(user(2)), ..all() };
    check(both, &[]).await;
}

/// Newest first, behind the last one of the page before, whatever comes in meanwhile.
pub async fn letters_come_in_pages<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    store.add_dead_letters(&(1..=7).map(letter).collect::<Vec<_>>()).await.unwrap();
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = store.dead_letters(&LetterFilter::default(), before, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 3);
        before = Some(last.id);
        seen.extend(page.iter().map(|letter| letter.event));
        store.add_dead_letters(&[letter(100 + seen.len() as u128)]).await.unwrap();
    }
    assert_eq!(seen, (1..=7).rev().map(event_id).collect::<Vec<_>>());
}

/// How many there are of each sort.
pub async fn letters_are_counted_by_sort<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    assert_eq!(store.count_dead_letters().await.unwrap(), []);
    let gave_up = DeadLetterRow { kind: DeadLetterKind::GaveUp, ..letter(4) };
    store.add_dead_letters(&[letter(1), letter(2), letter(3), gave_up]).await.unwrap();
    store.drop_dead_letters(&[LetterId(1)], user(99), now()).await.unwrap();
    let count = |kind, state, count| LetterCount {
        subject: letter(1).subject,
        group: letter(1).group,
        kind,
        state,
        count,
    };
    let expect = [
        count(DeadLetterKind::GaveUp, DeadLetterState::Waiting, 1),
        count(DeadLetterKind::UnknownUser, DeadLetterState::Dropped, 1),
        count(DeadLetterKind::UnknownUser, DeadLetterState::Waiting, 2),
    ];
    assert_eq!(store.count_dead_letters().await.unwrap(), expect);
}

/// The event goes into the outbox as it was, and the letter no longer holds it. Once: a letter that doesn't wait isn't
/// replayed.
pub async fn a_replay_moves_the_event_into_the_outbox<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let letters: Vec<_> = (1..=3).map(|id| DeadLetterRow { schema_version: 7, ..letter(id) }).collect();
    store.add_dead_letters(&letters).await.unwrap();
    let ids = [LetterId(2), LetterId(1), LetterId(99)];
    assert_eq!(
        store.replay_dead_letters(&ids, user(99), after(5)).await.unwrap(),
        [LetterId(1), LetterId(2)]
    );
    assert_eq!(store.replay_dead_letters(&ids, user(99), after(6)).await.unwrap(), []);
    assert_eq!(store.drop_dead_letters(&ids, user(99), after(6)).await.unwrap(), []);

    let rows = store.claim_outbox(10, now(), LEASE).await.unwrap();
    assert_eq!(rows.len(), 2, "in the order of the letters: {rows:?}");
    for (row, was) in rows.iter().zip(&letters) {
        assert_eq!((row.id, &row.subject, row.key), (was.id, &was.subject, was.key));
        assert_eq!((&row.payload, row.schema_version), (&was.payload, 7));
        assert_eq!((&row.request_id, &row.traceparent), (&was.request_id, &was.traceparent));
    }
    let replayed = one(&*store, 1).await;
    assert_eq!(replayed.payload, None);
    let Letter { state, state_at, replays, .. } = replayed.letter;
    assert_eq!((state, state_at, replays), (DeadLetterState::Replayed, Some(after(5)), 1));
    assert_eq!(one(&*store, 3).await.letter.state, DeadLetterState::Waiting);
}

/// It may be given up again before or after the row has left the outbox; either way its letter waits again, as one.
pub async fn a_replayed_event_that_fails_again_waits_again<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let again = DeadLetterRow {
        kind: DeadLetterKind::GaveUp,
        reason: "it broke again".to_owned(),
        history: vec![(after(20), "it broke again".to_owned())],
        at: after(21),
        ..letter(1)
    };
    store.add_dead_letters(&[letter(1), letter(2)]).await.unwrap();
    store.replay_dead_letters(&[LetterId(1)], user(99), after(5)).await.unwrap();
    store.add_dead_letters(std::slice::from_ref(&again)).await.unwrap();
    store.add_dead_letters(std::slice::from_ref(&again)).await.unwrap();

    let back = one(&*store, 1).await;
    let Letter { state, state_at, replays, kind, attempts, .. } = back.letter;
    assert_eq!((state, state_at, replays), (DeadLetterState::Waiting, Some(after(21)), 1));
    assert_eq!((kind, back.letter.reason.as_str()), (DeadLetterKind::GaveUp, "it broke again"));
    assert_eq!((back.letter.at, &back.payload), (after(21), &Some(again.payload.clone())));
    let joined: Vec<_> = letter(1).history.into_iter().chain(again.history.clone()).collect();
    assert_eq!((back.history, attempts), (joined, 3));
    assert_eq!(full(&*store).await.len(), 2, "under its old number");

    store.replay_dead_letters(&[LetterId(1)], user(99), after(30)).await.unwrap();
    let rows = store.claim_outbox(10, now(), LEASE).await.unwrap();
    store.finish_outbox(&rows).await.unwrap();
    store.add_dead_letters(&[again]).await.unwrap();
    let back = one(&*store, 1).await;
    assert_eq!(
        (back.letter.state, back.letter.replays, back.history.len()),
        (DeadLetterState::Waiting, 2, 4)
    );
}

/// However often it comes back, a letter's history stays within bounds, and its newest attempts are there.
pub async fn a_history_has_an_end<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    for round in 0..60 {
        let attempt = (after(round), format!("attempt {round}"));
        let history = vec![attempt.clone(), attempt];
        store.add_dead_letters(&[DeadLetterRow { history, ..letter(1) }]).await.unwrap();
        store.replay_dead_letters(&[LetterId(1)], user(99), after(round)).await.unwrap();
    }
    let history = one(&*store, 1).await.history;
    assert!((10..=100).contains(&history.len()), "{}", history.len());
    assert_eq!(history.last().unwrap().1, "attempt 59");
}

/// Its values are gone, the rest of it isn't. When the event is given up once more, somebody has to decide again.
pub async fn a_dropped_letter_keeps_its_ids_and_no_payload<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    store.add_dead_letters(&[letter(1), letter(2)]).await.unwrap();
    let ids = [LetterId(1), LetterId(99)];
    assert_eq!(store.drop_dead_letters(&ids, user(99), after(5)).await.unwrap(), [LetterId(1)]);
    assert_eq!(store.drop_dead_letters(&ids, user(99), after(6)).await.unwrap(), []);
    assert_eq!(store.replay_dead_letters(&ids, user(99), after(6)).await.unwrap(), []);
    assert_eq!(store.outbox_depth().await.unwrap(), 0);
    let dropped = one(&*store, 1).await;
    let Letter { state, state_at, .. } = dropped.letter;
    assert_eq!((state, state_at, &dropped.payload), (DeadLetterState::Dropped, Some(after(5)), &None));
    assert_eq!(as_added(&dropped), DeadLetterRow { payload: Bytes::new(), ..letter(1) });

    let resent = DeadLetterRow { payload: Bytes::from_static(b"{\"sent\":\"again\"}"), ..letter(1) };
    store.add_dead_letters(std::slice::from_ref(&resent)).await.unwrap();
    let back = one(&*store, 1).await;
    assert_eq!((back.letter.state, back.payload), (DeadLetterState::Waiting, Some(resent.payload)));
    assert_eq!(full(&*store).await.len(), 2);
}

/// Waiting and dropped ones are dead-lettered, replayed ones on their way until something else is known of them.
pub async fn the_books_know_of_replays<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    store.add_dead_letters(&[letter(1), letter(2)]).await.unwrap();
    let key = |id| EventKey { day: day("2026-11-20"), user: user(1), id: event_id(id) };
    let check = async |expect: [Fate; 3]| {
        let fates = store.fates(Ledger::Emotions, &[key(1), key(2), key(3)]).await.unwrap();
        assert_eq!(fates, expect);
        let events = [1, 2, 3].map(event_id);
        assert_eq!(store.letter_fates(&letter(1).subject, &events).await.unwrap(), expect);
    };
    check([Fate::DeadLettered, Fate::DeadLettered, Fate::Unknown]).await;
    store.replay_dead_letters(&[LetterId(1)], user(99), after(5)).await.unwrap();
    store.drop_dead_letters(&[LetterId(2)], user(99), after(5)).await.unwrap();
    check([Fate::Replayed { in_outbox: true }, Fate::DeadLettered, Fate::Unknown]).await;
    let rows = store.claim_outbox(10, now(), LEASE).await.unwrap();
    store.finish_outbox(&rows).await.unwrap();
    check([Fate::Replayed { in_outbox: false }, Fate::DeadLettered, Fate::Unknown]).await;
    assert_eq!(store.ledger_totals(Ledger::Emotions).await.unwrap().dead_lettered, 1);
    // Another letter of the same event, of bytes that were sent once more, still waits.
    let other = DeadLetterRow { group: "analytics".to_owned(), ..letter(1) };
    store.add_dead_letters(&[other]).await.unwrap();
    check([Fate::DeadLettered, Fate::DeadLettered, Fate::Unknown]).await;
}

/// What was decided long ago goes, what waits stays, and so does what the outbox still holds.
pub async fn decided_letters_are_forgotten<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    store.add_dead_letters(&(1..=4).map(letter).collect::<Vec<_>>()).await.unwrap();
    store.drop_dead_letters(&[LetterId(1)], user(99), after(10)).await.unwrap();
    store.replay_dead_letters(&[LetterId(2)], user(99), after(20)).await.unwrap();
    let rows = store.claim_outbox(10, now(), LEASE).await.unwrap();
    store.finish_outbox(&rows).await.unwrap();
    store.replay_dead_letters(&[LetterId(3)], user(99), after(20)).await.unwrap();
    let left = async || full(&*store).await.iter().map(|letter| letter.letter.id.0).collect::<Vec<_>>();
    let forget = async |before: Timestamp, limit| store.forget_dead_letters(before, limit).await.unwrap();
    assert_eq!((forget(after(10), 10).await, left().await), (0, vec![4, 3, 2, 1]));
    assert_eq!((forget(after(100), 1).await, left().await.len()), (1, 3));
    assert_eq!((forget(after(100), 10).await, left().await), (1, vec![4, 3]));
}

/// Replays at the same time publish each event once.
pub async fn replays_at_the_same_time_are_one<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    store.add_dead_letters(&(1..=20).map(letter).collect::<Vec<_>>()).await.unwrap();
    let ids: Vec<_> = (1..=20).map(LetterId).collect();
    let replays =
        futures::future::join_all((0..8).map(|_| store.replay_dead_letters(&ids, user(99), after(5)))).await;
    let mut replayed: Vec<_> = replays.into_iter().flat_map(Result::unwrap).collect();
    replayed.sort_unstable();
    assert_eq!(replayed, ids);
    assert_eq!(store.outbox_depth().await.unwrap(), 20);
}

async fn full(store: &dyn Store) -> Vec<FullLetter> {
    let mut found = Vec::new();
    for letter in store.dead_letters(&LetterFilter::default(), None, 100).await.unwrap() {
        let full = store.dead_letter(letter.id).await.unwrap().unwrap();
        assert_eq!(full.letter, letter, "lists and single letters agree");
        found.push(full);
    }
    found
}

async fn one(store: &dyn Store, id: i64) -> FullLetter {
    store.dead_letter(LetterId(id)).await.unwrap().unwrap()
}

fn as_added(full: &FullLetter) -> DeadLetterRow {
    let FullLetter { letter, history, payload, schema_version, request_id, traceparent } = full.clone();
    DeadLetterRow {
        subject: letter.subject,
        group: letter.group,
        id: letter.event,
        key: letter.key,
        kind: letter.kind,
        reason: letter.reason,
        history,
        payload: payload.unwrap_or_default(),
        schema_version,
        request_id,
        traceparent,
        at: letter.at,
    }
}

pub(crate) fn letter(id: u128) -> DeadLetterRow {
    DeadLetterRow {
        subject: "user.emotions.topic".to_owned(),
        group: "emotion-processing".to_owned(),
        id: event_id(id),
        key: user(1),
        kind: DeadLetterKind::UnknownUser,
        reason: "the user is unknown".to_owned(),
        history: vec![(now(), "first \"try\"".to_owned()), (after(1), "second".to_owned())],
        payload: Bytes::from_static(b"{\"userId\":1}"),
        schema_version: 1,
        request_id: Some("request-1".to_owned()),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        at: after(2),
    }
}
