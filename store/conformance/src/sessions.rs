//! Sessions and the numbers of their refresh tokens.

use std::time::Duration;

use ecs_domain::Timestamp;
use ecs_store::{NewSession, PasswordChange, Refresh, Refreshed, Retained, Retention, Rights, Store};
use futures::future::join_all;

use crate::Harness;
use crate::fixtures::{after, at, day, new_user, now, register, session_id, user};

/// How long a token may come again in these behaviours, in seconds.
const LEEWAY: i64 = 10;
/// When sessions end, in seconds.
const END: i64 = 3_600;

/// A token is exchanged for its successor, and that for the next, until the session's end.
pub async fn tokens_carry_a_session_to_its_end<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    begin(store, 1, 1).await;
    let rights = Rights::default();
    let renewed =
        |number| Refreshed::Renewed { user: user(1), expires_at: after(END), number, rights: rights.clone() };
    assert_eq!(exchange(store, 1, 0, after(100)).await, renewed(1));
    assert_eq!(exchange(store, 1, 1, after(200)).await, renewed(2));
    assert_eq!(exchange(store, 9, 0, after(200)).await, Refreshed::Unknown);
    assert_eq!(exchange(store, 1, 3, after(200)).await, Refreshed::Unknown, "it was never given out");
    assert_eq!(exchange(store, 1, 2, after(END)).await, Refreshed::Ended);
}

/// A token that comes a second time was stolen: neither the thief nor the owner goes on with this session. Others do.
pub async fn a_token_that_comes_again_ends_its_session<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    begin(store, 1, 1).await;
    begin(store, 1, 2).await;
    exchange(store, 1, 0, after(100)).await;
    exchange(store, 1, 1, after(200)).await;
    assert_eq!(exchange(store, 1, 1, after(300)).await, Refreshed::Reused { user: user(1) });
    for number in 0..3 {
        assert_eq!(exchange(store, 1, number, after(301)).await, Refreshed::Ended, "token {number}");
    }
    assert!(is_renewed(&exchange(store, 2, 0, after(302)).await));
}

/// Who didn't hear the answer asks again and hears the same, until its successor has come.
pub async fn within_the_leeway_a_token_may_come_again<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    begin(store, 1, 1).await;
    let first = exchange(store, 1, 0, after(100)).await;
    assert!(is_renewed(&first));
    // The leeway is counted from the exchange, by a clock that may have been set back since.
    for again in [100, 100 + LEEWAY - 1, 99] {
        assert_eq!(exchange(store, 1, 0, after(again)).await, first);
    }
    assert!(is_renewed(&exchange(store, 1, 1, after(101)).await));
    assert_eq!(exchange(store, 1, 0, after(102)).await, Refreshed::Reused { user: user(1) });
    for (session, comes_again) in [(2, 1_000 + LEEWAY), (3, 500)] {
        begin(store, 1, session).await;
        exchange(store, session, 0, after(1_000)).await;
        let met = exchange(store, session, 0, after(comes_again)).await;
        assert_eq!(met, Refreshed::Reused { user: user(1) }, "at {comes_again}");
    }
}

/// Sixteen exchanges of one token at once: one is the first, and the second ends the session.
pub async fn of_many_exchanges_at_once_one_is_first<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(&*store, [1]).await;
    begin(&*store, 1, 1).await;
    let refresh = Refresh { session: session_id(1), number: 0, now: after(1), leeway: Duration::ZERO };
    let met = join_all((0..16).map(|_| store.refresh_session(refresh))).await;
    let met: Vec<Refreshed> = met.into_iter().map(Result::unwrap).collect();
    let count = |wanted: fn(&Refreshed) -> bool| met.iter().filter(|met| wanted(met)).count();
    assert_eq!(count(|met| matches!(met, Refreshed::Renewed { .. })), 1, "{met:?}");
    assert_eq!(count(|met| matches!(met, Refreshed::Reused { .. })), 1, "{met:?}");
    assert_eq!(count(|met| matches!(met, Refreshed::Ended)), 14, "{met:?}");
}

/// A session ends alone, or all of a user's together.
pub async fn a_log_out_ends_one_session_or_all<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1, 2]).await;
    for (owner, session) in [(1, 1), (1, 2), (1, 3), (2, 4)] {
        begin(store, owner, session).await;
    }
    exchange(store, 1, 0, after(1)).await;
    for session in [1, 1, 999] {
        store.end_session(session_id(session), after(50)).await.unwrap();
    }
    assert_eq!(exchange(store, 1, 1, after(51)).await, Refreshed::Ended);
    assert_eq!(store.end_sessions(user(1), after(52)).await.unwrap(), 2);
    assert_eq!(store.end_sessions(user(1), after(53)).await.unwrap(), 0);
    assert_eq!(exchange(store, 2, 0, after(54)).await, Refreshed::Ended);
    assert!(is_renewed(&exchange(store, 4, 0, after(54)).await));
}

/// A password is replaced only while it is the one that was read, and with it go the sessions, unless only the hash is new.
pub async fn a_password_is_replaced_with_what_hangs_on_it<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    let ana = store.register(new_user(1, "ana@example.com"), None).await.unwrap();
    begin(store, 1, 1).await;
    let change = |from: &str, to: &str, ends_sessions| {
        let (from, to) = (from.to_owned(), to.to_owned());
        store.replace_password(PasswordChange { user: user(1), from, to, now: after(9), ends_sessions })
    };
    assert_eq!(store.password_hash(user(1)).await.unwrap().as_deref(), Some("hash of 1"));
    assert!(change("hash of 1", "stronger", false).await.unwrap());
    assert!(!change("hash of 1", "late", true).await.unwrap());
    assert!(is_renewed(&exchange(store, 1, 0, after(10)).await));
    assert!(change("stronger", "another", true).await.unwrap());
    assert_eq!(exchange(store, 1, 1, after(11)).await, Refreshed::Ended);
    assert_eq!(store.password_hash(user(1)).await.unwrap().as_deref(), Some("another"));
    let changed = store.user(user(1)).await.unwrap().unwrap();
    assert_eq!((changed.created_at, changed.updated_at), (ana.created_at, after(9)));
    assert_eq!(store.password_hash(user(2)).await.unwrap(), None);
}

/// Nothing is begun for nobody.
pub async fn a_session_needs_its_user<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    assert_eq!(store.begin_session(session(1, 1)).await.unwrap(), None);
    assert_eq!(exchange(store, 1, 0, after(1)).await, Refreshed::Unknown);
}

/// A log-in takes its time: the password may be another one when it comes to its end.
pub async fn no_session_outlives_the_password_that_began_it<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(&*store, [1]).await;
    let change = |from: String, to: String| {
        store.replace_password(PasswordChange { user: user(1), from, to, now: after(1), ends_sessions: true })
    };
    let mut hash = "hash of 1".to_owned();
    for round in 1..=20 {
        let first = round * 100;
        let log_in =
            |number| store.begin_session(NewSession { password_hash: hash.clone(), ..session(1, number) });
        let next = format!("another, the {round}.");
        let (before, changed, after_it) = tokio::join!(
            join_all((first..first + 4).map(log_in)),
            change(hash.clone(), next.clone()),
            join_all((first + 4..first + 8).map(log_in)),
        );
        assert!(changed.unwrap());
        for (number, begun) in (first..).zip(before.into_iter().chain(after_it)) {
            let expect = if begun.unwrap().is_some() { Refreshed::Ended } else { Refreshed::Unknown };
            assert_eq!(exchange(&*store, number, 0, after(2)).await, expect, "session {number}");
        }
        assert_eq!(log_in(first + 8).await.unwrap(), None, "with the password of before");
        hash = next;
    }
}

/// Sessions that expired go some time later.
pub async fn sessions_past_their_end_go<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    begin(store, 1, 1).await;
    let retain = |answers_since| {
        let (raw_floor, ids_since) = (day("2026-01-01"), at("2026-01-01T00:00:00Z"));
        store.retain(Retention { raw_floor, ids_since, answers_since, now: now() })
    };
    assert_eq!(retain(after(END)).await.unwrap(), Retained::default());
    assert_eq!(exchange(store, 1, 0, after(END + 1)).await, Refreshed::Ended);
    assert_eq!(retain(after(END + 1)).await.unwrap(), Retained { sessions: 1, ..Retained::default() });
    assert_eq!(exchange(store, 1, 0, after(END + 1)).await, Refreshed::Unknown);
}

fn session(owner: u128, number: u128) -> NewSession {
    let password_hash = new_user(owner, "ana@example.com").password_hash;
    NewSession {
        id: session_id(number),
        user: user(owner),
        password_hash,
        now: now(),
        expires_at: after(END),
    }
}

async fn begin(store: &dyn Store, owner: u128, number: u128) {
    assert!(store.begin_session(session(owner, number)).await.unwrap().is_some());
}

async fn exchange(store: &dyn Store, session: u128, number: u32, now: Timestamp) -> Refreshed {
    let leeway = Duration::from_secs(LEEWAY.unsigned_abs());
    store.refresh_session(Refresh { session: session_id(session), number, now, leeway }).await.unwrap()
}

fn is_renewed(met: &Refreshed) -> bool {
    matches!(met, Refreshed::Renewed { .. })
}
