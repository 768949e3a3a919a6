//! The audit log: entries with what they tell, batches behind them.

use std::time::Duration;

use ecs_domain::consent::Purpose;
use ecs_domain::permission::{Access, Permission, Role};
use ecs_store::audit::{Act, Batch, Entry, EntryFilter, FIRST, NewEntry, Totals, digest};
use ecs_store::{NewSession, PasswordChange, Refresh, RightsChange, Store};
use ecs_vault::Kept;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::Harness;
use crate::dead_letters::letter;
use crate::fixtures::{after, new_user, now, register, session_id, user};

/// More than any behaviour here writes.
const ALL: usize = 1_000;

/// Each write that is audited has its entry, and what changed nothing has none.
pub async fn what_is_done_is_told<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1, 2]).await;
    let purpose = Purpose::EmotionAnalysis;
    for granted in [true, true, false] {
        store.set_consent(user(1), purpose, granted.into(), after(1)).await.unwrap();
    }
    for access in [Access::of([Role::Operator], []), Access::of([Role::Operator], []), Access::default()] {
        let held = Permission::ALL.iter().copied().collect();
        let change = RightsChange { user: user(1), access, granter: user(2), held, now: after(2) };
        store.change_rights(change).await.unwrap();
    }
    store.end_sessions(user(1), after(3)).await.unwrap();
    store.end_sessions(user(9), after(3)).await.unwrap();
    reuse_a_token(store).await;
    let change = |from: &str, ends_sessions| PasswordChange {
        user: user(1),
        from: from.to_owned(),
        to: "another".to_owned(),
        now: after(5),
        ends_sessions,
    };
    assert!(store.replace_password(change("hash of 1", false)).await.unwrap());
    assert!(store.replace_password(change("another", true)).await.unwrap());
    let told = store.entries(&EntryFilter::default(), None, ALL).await.unwrap();
    let told: Vec<_> =
        told.iter().rev().map(|entry| (entry.act.as_str(), entry.actor, said(entry))).collect();
    let (one, two) = (user(1).uuid(), user(2).uuid());
    let consent = |granted: Option<bool>| json!({"purpose": purpose.as_str(), "granted": granted});
    let access = |roles: &[&str]| json!({"roles": roles, "permissions": []});
    let session = json!({"session": session_id(1)});
    let expect = [
        ("consent.changed", one, (consent(None), consent(Some(true)))),
        ("consent.changed", one, (consent(Some(true)), consent(Some(false)))),
        ("access.changed", two, (access(&[]), access(&["operator"]))),
        ("access.changed", two, (access(&["operator"]), access(&[]))),
        ("sessions.ended", one, (Value::Null, json!({"sessions": 0}))),
        ("token.reused", one, (Value::Null, session)),
        ("password.changed", one, (Value::Null, Value::Null)),
    ];
    assert_eq!(told, expect);
}

/// What an operator does about a dead letter is told once for each that it was done about.
pub async fn what_is_done_about_letters_is_told<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    store.add_dead_letters(&[letter(1), letter(2)]).await.unwrap();
    let ids = [1, 2, 7].map(ecs_store::LetterId);
    store.replay_dead_letters(&ids[..1], user(99), after(1)).await.unwrap();
    store.drop_dead_letters(&ids, user(99), after(2)).await.unwrap();
    let told = store.entries(&EntryFilter::default(), None, ALL).await.unwrap();
    let told: Vec<_> =
        told.iter().map(|entry| (entry.act.as_str(), entry.subject.as_str(), entry.actor)).collect();
    let by = user(99).uuid();
    let expect =
        [("dead-letter.dropped", "dead-letter 2", by), ("dead-letter.replayed", "dead-letter 1", by)];
    assert_eq!(told, expect);
}

/// Entries are found by who, whom and what, and come in pages.
pub async fn entries_are_found_and_come_in_pages<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    for number in 0..6 {
        let (actor, act) = (user(number % 2), if number < 3 { Act::LetterShown } else { Act::SessionsEnded });
        let subject = format!("subject {}", number % 3);
        note(store, NewEntry { actor, act, subject, ..entry(number) }).await;
    }
    let found = async |actor: Option<u128>, subject: Option<&str>, act: Option<Act>| {
        let filter = EntryFilter { actor: actor.map(user), subject: subject.map(str::to_owned), act };
        let found = store.entries(&filter, None, ALL).await.unwrap();
        found.iter().map(|entry| entry.at - entry_at(0)).collect::<Vec<_>>()
    };
    assert_eq!(found(None, None, None).await, [5, 4, 3, 2, 1, 0]);
    assert_eq!(found(Some(1), None, None).await, [5, 3, 1]);
    assert_eq!(found(None, Some("subject 1"), None).await, [4, 1]);
    assert_eq!(found(Some(0), Some("subject 1"), None).await, [4]);
    assert_eq!(found(Some(0), None, Some(Act::LetterShown)).await, [2, 0]);
    assert_eq!(found(None, Some("subject 1"), Some(Act::LetterShown)).await, [1]);
    assert_eq!(found(None, None, Some(Act::SessionsEnded)).await, [5, 4, 3]);
    let first = store.entries(&EntryFilter::default(), None, 4).await.unwrap();
    let rest = store.entries(&EntryFilter::default(), Some(first[3].number), 4).await.unwrap();
    assert_eq!(rest.iter().map(|entry| entry.at - entry_at(0)).collect::<Vec<_>>(), [1, 0]);
}

/// Batches follow each other, hold every entry once, and can be computed again.
pub async fn batches_chain_every_entry<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    assert_eq!(store.seal(now(), ALL).await.unwrap(), None);
    assert_eq!(store.audit_totals().await.unwrap(), Totals::default());
    for number in 0..5 {
        note(store, entry(number)).await;
    }
    let mut sealed = Vec::new();
    while let Some(batch) = store.seal(after(1), 2).await.unwrap() {
        sealed.push(batch);
    }
    assert_eq!(sealed.iter().map(|batch| batch.entries).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(store.batches(1, ALL).await.unwrap(), sealed);
    let oldest_unsealed = Some(entry_at(9));
    note(store, entry(9)).await;
    let newest = sealed.last().copied();
    let totals = Totals { sealed: 5, unsealed: 1, oldest_unsealed, newest };
    assert_eq!(store.audit_totals().await.unwrap(), totals);
    store.seal(after(1), 2).await.unwrap();
    assert_eq!(store.batches(2, 1).await.unwrap(), sealed[1..2]);
    assert_eq!(store.entries_of(None).await.unwrap(), []);
    assert_eq!(chained(store, &sealed).await, 5);
}

/// Eight seal at the same time while others write: one chain, and every entry in it once.
pub async fn of_those_who_seal_at_once_one_does<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let writing = async {
        for round in 0..5 {
            join_all((0..8).map(|number| note(&*store, entry(round * 8 + number)))).await;
        }
    };
    let sealing = join_all((0..8).map(|_| async {
        let mut sealed = 0;
        for _ in 0..5 {
            sealed += store.seal(now(), 3).await.unwrap().map_or(0, |batch| batch.entries);
            tokio::task::yield_now().await;
        }
        sealed
    }));
    let ((), sealed) = tokio::join!(writing, sealing);
    let mut sealed: u64 = sealed.into_iter().sum();
    while let Some(batch) = store.seal(now(), ALL).await.unwrap() {
        sealed += batch.entries;
    }
    assert_eq!(sealed, 40);
    let batches = store.batches(1, ALL).await.unwrap();
    assert!(batches.iter().map(|batch| batch.number).eq(1..=batches.len() as u64));
    assert_eq!(chained(&*store, &batches).await, 40);
}

/// Whoever's key can't be opened here holds nobody else's entry up, and theirs are neither lost nor changed.
pub async fn an_entry_whose_key_is_not_to_be_had_waits_alone<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1, 2, 3]).await;
    let wrapped = take_key(&harness, 1).await;
    for (of, sessions) in [(1, 1), (1, 2), (2, 3), (1, 4), (3, 5)] {
        note(store, ended(of, sessions)).await;
    }
    let mut sealed = Vec::new();
    while let Some(batch) = store.seal(after(1), 1).await.unwrap() {
        sealed.push(batch);
    }
    assert_eq!(sealed.iter().map(|batch| batch.entries).collect::<Vec<_>>(), [1, 1]);
    let waiting = store.entries_of(None).await.unwrap();
    let waiting: Vec<_> = waiting.iter().map(|entry| entry.after.as_str()).collect();
    assert_eq!(waiting, [1, 2, 4].map(|sessions| ended(1, sessions).after.to_string()), "to the byte");
    let told = async || {
        let told = store.entries(&EntryFilter::default(), None, ALL).await.unwrap();
        told.iter().rev().map(|entry| said(entry).1).collect::<Vec<_>>()
    };
    let all: Vec<_> = (1..=5).map(|sessions| ended(1, sessions).after).collect();
    assert_eq!(told().await, all);
    // The process was given the master key.
    assert!(harness.keyring().vault().rewrap(user(1), FOREIGN, &wrapped).await.unwrap());
    sealed.extend(store.seal(after(2), ALL).await.unwrap());
    assert_eq!((chained(store, &sealed).await, store.entries_of(None).await.unwrap()), (5, vec![]));
    assert_eq!(told().await, all);
    // What can't be read here hides nothing of others.
    take_key(&harness, 1).await;
    let lost = json!("unreadable");
    assert_eq!(told().await, [lost.clone(), lost.clone(), all[2].clone(), lost, all[4].clone()]);
    // An erasure needs no key.
    note(store, ended(1, 6)).await;
    assert_eq!(store.seal(after(3), ALL).await.unwrap(), None);
    harness.keyring().destroy(user(1), after(4)).await.unwrap();
    sealed.extend(store.seal(after(5), ALL).await.unwrap());
    assert_eq!((chained(store, &sealed).await, sealed.last().unwrap().entries), (6, 1));
    assert_eq!(told().await.last(), Some(&Value::Null));
}

/// What no keyring of these tests has wrapped.
const FOREIGN: &[u8] = b"wrapped under another master key";

/// Makes of a person's key one that nobody here can open. Returns how it was.
async fn take_key<H: Harness>(harness: &H, of: u128) -> Vec<u8> {
    let vault = harness.keyring().vault();
    let kept = vault.kept(&[user(of)]).await.unwrap();
    let [Kept::Key(wrapped)] = &kept[..] else { panic!("user {of} has no key") };
    assert!(vault.rewrap(user(of), wrapped, FOREIGN).await.unwrap());
    wrapped.clone()
}

/// So many sessions of a user's ended.
fn ended(of: u128, sessions: u64) -> NewEntry {
    NewEntry::of_oneself(user(of), Act::SessionsEnded, Value::Null, json!({"sessions": sessions}), now())
}

/// Computes the chain again. Returns how many entries it holds.
async fn chained(store: &dyn Store, batches: &[Batch]) -> usize {
    let (mut previous, mut count) = (FIRST, 0);
    for batch in batches {
        let entries = store.entries_of(Some(batch.number)).await.unwrap();
        assert_eq!(entries.len() as u64, batch.entries);
        assert_eq!(digest(batch.number, &previous, &entries), batch.digest, "batch {}", batch.number);
        (previous, count) = (batch.digest, count + entries.len());
    }
    count
}

/// A thief uses the owner's last token.
async fn reuse_a_token(store: &dyn Store) {
    let password_hash = new_user(1, "ana@example.com").password_hash;
    let new =
        NewSession { id: session_id(1), user: user(1), password_hash, now: now(), expires_at: after(3_600) };
    assert!(store.begin_session(new).await.unwrap().is_some());
    for _ in 0..3 {
        let refresh = Refresh { session: session_id(1), number: 0, now: after(4), leeway: Duration::ZERO };
        store.refresh_session(refresh).await.unwrap();
    }
}

fn said(entry: &Entry) -> (Value, Value) {
    let read = |text: &str| serde_json::from_str(text).unwrap();
    (read(&entry.before), read(&entry.after))
}

/// So many microseconds later.
fn entry(micros: u128) -> NewEntry {
    let at = now() + Duration::from_micros(u64::try_from(micros).unwrap());
    NewEntry::of_letter(user(1), Act::LetterShown, ecs_store::LetterId(1), at)
}

fn entry_at(micros: u128) -> i64 {
    entry(micros).at.as_microsecond()
}

async fn note(store: &dyn Store, entry: NewEntry) {
    store.note(entry).await.unwrap();
}
