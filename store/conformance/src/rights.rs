//! Rights of users, and the list of what changed.

use std::time::Duration;

use ecs_domain::Timestamp;
use ecs_domain::permission::{Access, Permission, Refusal, Role};
use ecs_store::{
    Change, Changes, NewSession, PasswordChange, Refresh, Refreshed, Retention, Rights, RightsChange,
    RightsChanged, Store,
};
use futures::future::join_all;
use uuid::Uuid;

use crate::Harness;
use crate::fixtures::{after, at, day, new_user, now, register, session_id, user};

/// How many changes are asked for where all are wanted.
const ALL: usize = 1_000;

/// Nobody may do anything at first; what was granted is read as it was written, and has the number of its change.
pub async fn rights_are_replaced_as_a_whole<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    assert_eq!(store.rights(user(1)).await.unwrap(), Some(Rights::default()));
    assert_eq!(store.rights(user(9)).await.unwrap(), None);
    let access = Access::of([Role::Operator, Role::Analyst], [Permission::UsersReadAny]);
    let (first, before) = done(change(store, 1, &access, after(1)).await);
    assert_eq!((&first.access, before), (&access, Access::default()));
    assert_eq!(store.rights(user(1)).await.unwrap().as_ref(), Some(&first));
    // What changes nothing is no change.
    assert_eq!(done(change(store, 1, &access, after(2)).await), (first.clone(), access.clone()));
    let (second, before) = done(change(store, 1, &Access::default(), after(2)).await);
    assert_eq!((second.access, before), (Access::default(), access));
    assert!(second.version > first.version && first.version >= number_at(after(1)));
    assert_eq!(change(store, 9, &Access::default(), after(2)).await, RightsChanged::Unknown);
}

/// What the granter doesn't hold they neither give nor take, and a refusal leaves no trace.
pub async fn a_refused_change_changes_nothing<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1, 2]).await;
    let admin = Access::of([Role::Admin], []);
    done(change(store, 1, &admin, after(1)).await);
    let told = list(store, None).await;
    let weak = RightsChange { held: [Permission::UsersReadAny].into(), ..wanted(2, &admin, after(2)) };
    let refused = RightsChanged::Refused(Refusal::NotHeld(Permission::UsersCreate));
    assert_eq!(store.change_rights(weak).await.unwrap(), refused);
    let last = RightsChanged::Refused(Refusal::LastAdmin);
    assert_eq!(change(store, 1, &Access::default(), after(2)).await, last);
    assert_eq!(store.rights(user(1)).await.unwrap().unwrap().access, admin);
    assert_eq!(store.rights(user(2)).await.unwrap(), Some(Rights::default()));
    assert_eq!(list(store, None).await, told);
    done(change(store, 2, &admin, after(3)).await);
    done(change(store, 1, &Access::default(), after(4)).await);
}

/// Eight admins give up at the same time: one of them stays.
pub async fn of_admins_who_leave_at_once_one_stays<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let users = 1..=8;
    register(&*store, users.clone()).await;
    for admin in users.clone() {
        done(change(&*store, admin, &Access::of([Role::Admin], []), now()).await);
    }
    let none = Access::default();
    let left = join_all(users.map(|admin| change(&*store, admin, &none, after(1)))).await;
    let refused = left.iter().filter(|left| **left == RightsChanged::Refused(Refusal::LastAdmin)).count();
    assert_eq!(refused, 1, "{left:?}");
}

/// A session begins with what its user may do, and goes on with what they may do by then.
pub async fn sessions_tell_what_their_user_may_do<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    let access = Access::of([Role::Analyst], []);
    let (rights, _) = done(change(store, 1, &access, now()).await);
    assert_eq!(begin(store, 1, 1).await, rights);
    let (rights, _) = done(change(store, 1, &Access::default(), after(1)).await);
    let refresh = Refresh { session: session_id(1), number: 0, now: after(2), leeway: Duration::ZERO };
    let Refreshed::Renewed { rights: renewed, .. } = store.refresh_session(refresh).await.unwrap() else {
        panic!("it was the next token");
    };
    assert_eq!(renewed, rights);
}

/// Whatever ends what a token says is told, and nothing else.
pub async fn what_ends_a_token_is_told<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1, 2]).await;
    for number in 1..=3 {
        begin(store, 1, number).await;
    }
    assert_eq!(list(store, None).await, []);
    store.end_session(session_id(1), after(1)).await.unwrap();
    store.end_session(session_id(1), after(2)).await.unwrap();
    store.end_session(session_id(9), after(2)).await.unwrap();
    let stolen = |at| Refresh { session: session_id(2), number: 0, now: at, leeway: Duration::ZERO };
    store.refresh_session(stolen(after(3))).await.unwrap();
    store.refresh_session(stolen(after(4))).await.unwrap();
    store.end_sessions(user(1), after(5)).await.unwrap();
    store.end_sessions(user(9), after(5)).await.unwrap();
    let password = |from: &str, ends_sessions| PasswordChange {
        user: user(2),
        from: from.to_owned(),
        to: format!("{from}, anew"),
        now: after(6),
        ends_sessions,
    };
    assert!(store.replace_password(password("hash of 2", false)).await.unwrap());
    assert!(store.replace_password(password("hash of 2, anew", true)).await.unwrap());
    done(change(store, 2, &Access::of([Role::Analyst], []), after(7)).await);
    let told: Vec<Uuid> = list(store, None).await.iter().map(|change| change.subject).collect();
    let [one, two] = [1, 2].map(|number| user(number).uuid());
    assert_eq!(told, [session_id(1), session_id(2), one, two, two]);
    let versions = [1, 2].map(|number| store.rights(user(number)));
    let versions = join_all(versions).await.into_iter().map(|rights| rights.unwrap().unwrap().version);
    let told = list(store, None).await;
    assert!(versions.eq([told[2].number, told[4].number]));
}

/// A follower goes on behind what it was told, or begins at a time, and learns how far there is to go.
pub async fn a_follower_goes_on_behind_the_last_change<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    assert_eq!(store.changes(None, now(), ALL).await.unwrap(), Changes::default());
    for second in 1..=4 {
        store.end_sessions(user(1), after(second)).await.unwrap();
    }
    let all = list(store, None).await;
    assert_eq!(all.len(), 4);
    let newest = all[3].number;
    assert_eq!(store.changes(None, now(), 2).await.unwrap(), Changes { changes: all[..2].to_vec(), newest });
    assert_eq!(list(store, Some(all[1].number)).await, all[2..]);
    let since = store.changes(None, after(3), ALL).await.unwrap();
    assert_eq!(since.changes, all[2..]);
    let behind = store.changes(Some(newest), now(), ALL).await.unwrap();
    assert_eq!(behind, Changes { changes: Vec::new(), newest });
    // A clock that was set back gives no lower numbers.
    store.end_sessions(user(1), after(-1_000)).await.unwrap();
    assert_eq!(list(store, Some(newest)).await.len(), 1);
}

/// Whoever follows while many write misses nothing that was committed below what it was told.
pub async fn no_change_appears_behind_a_follower<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    let users = 1..=16;
    register(&*store, users.clone()).await;
    let writing = async {
        for round in 0..5 {
            let ends = users.clone().map(|number| store.end_sessions(user(number), after(round)));
            join_all(ends).await.into_iter().for_each(|ended| assert_eq!(ended.unwrap(), 0));
        }
    };
    let following = async {
        let mut told: Vec<Change> = Vec::new();
        while told.len() < 80 {
            told.extend(list(&*store, told.last().map(|change| change.number)).await);
            tokio::task::yield_now().await;
        }
        told
    };
    let within = Duration::from_secs(60);
    let both = async { tokio::join!(writing, following).1 };
    let told = tokio::time::timeout(within, both).await.expect("every change is told");
    assert_eq!(told, list(&*store, None).await);
}

/// Changes go when no token is left that doesn't know of them; numbers go on as if they were there.
pub async fn old_changes_go<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    for second in [1, 2, 100] {
        store.end_sessions(user(1), after(second)).await.unwrap();
    }
    let all = list(store, None).await;
    let (raw_floor, ids_since) = (day("2026-01-01"), at("2026-01-01T00:00:00Z"));
    let retention = Retention { raw_floor, ids_since, answers_since: after(50), now: now() };
    assert_eq!(store.retain(retention).await.unwrap().changes, 2);
    assert_eq!(list(store, None).await, all[2..]);
    assert_eq!(store.rights(user(1)).await.unwrap().unwrap().version, all[2].number);
    store.retain(Retention { answers_since: after(500), ..retention }).await.unwrap();
    store.end_sessions(user(1), after(3)).await.unwrap();
    assert!(store.rights(user(1)).await.unwrap().unwrap().version > all[2].number);
}

fn number_at(at: Timestamp) -> u64 {
    u64::try_from(at.as_microsecond()).unwrap()
}

/// A change by somebody who holds everything.
fn wanted(owner: u128, access: &Access, now: Timestamp) -> RightsChange {
    let held = Permission::ALL.iter().copied().collect();
    RightsChange { user: user(owner), access: access.clone(), granter: user(99), held, now }
}

async fn change(store: &dyn Store, owner: u128, access: &Access, now: Timestamp) -> RightsChanged {
    store.change_rights(wanted(owner, access, now)).await.unwrap()
}

fn done(changed: RightsChanged) -> (Rights, Access) {
    match changed {
        RightsChanged::Done { rights, before } => (rights, before),
        refused => panic!("{refused:?}"),
    }
}

async fn list(store: &dyn Store, after: Option<u64>) -> Vec<Change> {
    store.changes(after, Timestamp::UNIX_EPOCH, ALL).await.unwrap().changes
}

async fn begin(store: &dyn Store, owner: u128, number: u128) -> Rights {
    let password_hash = new_user(owner, "ana@example.com").password_hash;
    let expires_at = after(3_600);
    let new = NewSession { id: session_id(number), user: user(owner), password_hash, now: now(), expires_at };
    store.begin_session(new).await.unwrap().expect("the password is theirs")
}
