//! Archives of what is held on a person, and those who build them.

use std::time::Duration;

use ecs_domain::Timestamp;
use ecs_store::audit::EntryFilter;
use ecs_store::{Export, ExportEnd, ExportHold, ExportState, NewExport, Progress, RequestedExport, Store};
use futures::future::join_all;
use serde_json::json;

use crate::Harness;
use crate::biography::export_id;
use crate::fixtures::{after, now, register, user};

/// How long a claim lasts, in seconds.
const LEASE: i64 = 60;
/// How long an archive is kept, in seconds.
const KEPT: i64 = 7 * 86_400;

/// What was asked for is found by the person, and by nobody else.
pub async fn an_export_is_its_users<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1, 2]).await;
    assert_eq!(store.request_export(new(9, 1, 0)).await.unwrap(), RequestedExport::UnknownUser);
    let made = request(store, 1, 1, 0).await;
    assert_eq!(
        (made.state, made.requested_at, made.progress),
        (ExportState::Pending, now(), Progress::default())
    );
    assert_eq!(store.exports(user(1)).await.unwrap(), std::slice::from_ref(&made));
    assert_eq!(store.export(user(1), export_id(1)).await.unwrap(), Some(made));
    finish(store, 10, b"bytes").await;
    for (of, number) in [(2, 1), (1, 2), (9, 1)] {
        assert_eq!(store.export(user(of), export_id(number)).await.unwrap(), None, "{number} of {of}");
        assert_eq!(store.export_chunk(user(of), export_id(number), 0).await.unwrap(), None);
        assert!(!store.remove_export(user(of), export_id(number)).await.unwrap());
    }
    assert_eq!(store.exports(user(2)).await.unwrap(), []);
    assert_eq!(store.export_chunk(user(1), export_id(1), 0).await.unwrap(), Some(b"bytes".to_vec()));
}

/// However many ask at once, one export is made, and whoever asks while it is under way is told of it.
pub async fn of_those_who_ask_at_once_one_is_first<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(&*store, [1, 2]).await;
    let asked = join_all((1..=8).map(|number| store.request_export(new(1, number, 0)))).await;
    let asked: Vec<_> = asked.into_iter().map(Result::unwrap).collect();
    let made: Vec<_> = asked
        .iter()
        .filter_map(|asked| if let RequestedExport::Made(made) = asked { Some(made) } else { None })
        .collect();
    let [made] = made[..] else { panic!("{asked:?}") };
    assert_eq!(asked.iter().filter(|asked| **asked == RequestedExport::UnderWay(made.clone())).count(), 7);
    request(&*store, 2, 20, 0).await;
    claim(&*store, 1).await;
    let other = store.request_export(new(1, 9, 2)).await.unwrap();
    let RequestedExport::UnderWay(other) = other else { panic!("{other:?}") };
    assert_eq!((other.id, other.state), (made.id, ExportState::Running));
}

/// A person keeps so many; the oldest goes with its archive when another one is asked for.
pub async fn a_person_keeps_so_many_exports<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1, 2]).await;
    request(store, 2, 90, 0).await;
    finish(store, 0, b"another's").await;
    for number in 1..=4 {
        let second = i64::try_from(number).unwrap() * 10;
        request(store, 1, number, second).await;
        finish(store, second + 1, &[u8::try_from(number).unwrap()]).await;
    }
    let kept: Vec<_> = store.exports(user(1)).await.unwrap().iter().map(|export| export.id).collect();
    assert_eq!(kept, [4, 3, 2].map(export_id), "newest first");
    assert_eq!(store.export_chunk(user(1), export_id(1), 0).await.unwrap(), None);
    assert_eq!(store.export_chunk(user(1), export_id(2), 0).await.unwrap(), Some(vec![2]));
    assert_eq!(store.exports(user(2)).await.unwrap().len(), 1);
}

/// Many workers claim at once, and each export is one's: the longest due first.
pub async fn claims_of_exports_do_not_overlap<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    register(&*store, 1..=6).await;
    for of in 1..=6 {
        request(&*store, of, of, -i64::try_from(of).unwrap()).await;
    }
    assert_eq!(claim(&*store, 0).await.unwrap().id, export_id(6));
    let claims = join_all((0..8).map(|_| store.claim_export(now(), lease()))).await;
    let mut claimed: Vec<_> = claims.into_iter().filter_map(Result::unwrap).map(|hold| hold.id).collect();
    // One that another was about to claim was passed over, so not all may have found one.
    while let Some(hold) = claim(&*store, 0).await {
        claimed.push(hold.id);
    }
    claimed.sort();
    assert_eq!(claimed, [1, 2, 3, 4, 5].map(export_id));
}

/// Who doesn't put the end of the lease off is taken for dead. Another attempt begins at the beginning, and the first one writes nothing
/// any more.
pub async fn an_attempt_that_lost_its_lease_writes_nothing<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    request(store, 1, 1, 0).await;
    let first = claim(store, 10).await.unwrap();
    assert_eq!((first.user, first.attempt, first.requested_at), (user(1), 1, now()));
    let (some, all) = (Progress { done: 3, total: 9 }, Progress { done: 9, total: 9 });
    assert!(store.write_export_chunk(first, 0, b"first".to_vec()).await.unwrap());
    assert!(store.write_export_chunk(first, 1, b"dead".to_vec()).await.unwrap());
    assert!(store.advance_export(first, some, after(100)).await.unwrap());
    assert_eq!(found(store).await.progress, some);
    assert_eq!(claim(store, 99).await, None);
    let second = claim(store, 100).await.unwrap();
    assert_eq!((second.id, second.attempt), (first.id, 2));
    assert_eq!(found(store).await.progress, Progress::default());
    assert_eq!(
        store.export_chunk(user(1), export_id(1), 0).await.unwrap(),
        None,
        "it begins at the beginning"
    );
    assert!(!store.write_export_chunk(first, 0, b"late".to_vec()).await.unwrap());
    assert!(!store.advance_export(first, all, after(999)).await.unwrap());
    assert!(!store.end_export(first, ready(all, 110)).await.unwrap());
    assert!(!store.end_export(first, ExportEnd::Failed { failure: "late", at: after(110) }).await.unwrap());
    assert!(store.write_export_chunk(second, 0, b"second".to_vec()).await.unwrap());
    assert!(store.end_export(second, ready(all, 120)).await.unwrap());
    assert!(!store.write_export_chunk(second, 1, b"behind the end".to_vec()).await.unwrap());
    assert_eq!(chunks(store).await, [b"second".to_vec()]);
    let export = found(store).await;
    assert_eq!((export.state, export.progress, export.bytes), (ExportState::Ready, all, Some(7)));
    assert_eq!((export.finished_at, export.expires_at), (Some(after(120)), Some(after(120 + KEPT))));
    assert_eq!(claim(store, 100_000).await, None);
}

/// An attempt is given back for another one, or given up for good, and leaves nothing behind.
pub async fn an_attempt_is_given_back_or_up<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    request(store, 1, 1, 0).await;
    let first = claim(store, 0).await.unwrap();
    store.write_export_chunk(first, 0, vec![0; 9]).await.unwrap();
    assert!(store.end_export(first, ExportEnd::Again(after(30))).await.unwrap());
    assert_eq!((found(store).await.state, chunks(store).await.len()), (ExportState::Pending, 0));
    assert_eq!(claim(store, 29).await, None);
    let second = claim(store, 30).await.unwrap();
    store.write_export_chunk(second, 0, vec![0; 9]).await.unwrap();
    assert!(
        store.end_export(second, ExportEnd::Failed { failure: "internal", at: after(31) }).await.unwrap()
    );
    let export = found(store).await;
    assert_eq!((export.state, export.failure.as_deref()), (ExportState::Failed, Some("internal")));
    assert_eq!(
        (export.finished_at, export.expires_at, chunks(store).await.len()),
        (Some(after(31)), None, 0)
    );
    assert_eq!(claim(store, 100_000).await, None);
    request(store, 1, 2, 32).await;
}

/// Archives are dropped when their time has come; that they were there stays known.
pub async fn archives_expire<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1, 2]).await;
    request(store, 1, 1, 0).await;
    finish(store, 10, b"old").await;
    request(store, 2, 2, 20).await;
    finish(store, 20, b"new").await;
    for (at, expect) in [(10 + KEPT - 1, 0), (10 + KEPT, 1), (10 + KEPT, 0)] {
        assert_eq!(store.expire_exports(after(at), 10).await.unwrap(), expect, "at {at}");
    }
    assert_eq!((found(store).await.state, chunks(store).await.len()), (ExportState::Expired, 0));
    assert!(store.export_chunk(user(2), export_id(2), 0).await.unwrap().is_some());
}

/// What was removed is gone with its archive, and whoever was building it learns that nobody waits for it.
pub async fn a_removed_export_is_gone<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    request(store, 1, 1, 0).await;
    let hold = claim(store, 0).await.unwrap();
    store.write_export_chunk(hold, 0, vec![0; 9]).await.unwrap();
    assert!(store.remove_export(user(1), export_id(1)).await.unwrap());
    assert!(!store.remove_export(user(1), export_id(1)).await.unwrap());
    assert!(!store.write_export_chunk(hold, 1, vec![0; 9]).await.unwrap());
    assert!(!store.advance_export(hold, Progress::default(), after(99)).await.unwrap());
    assert_eq!(chunks(store).await.len(), 0);
    request(store, 1, 2, 1).await;
}

/// Who asked for an archive on whom stands in the audit log, once.
pub async fn asking_for_an_export_is_audited<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1, 2]).await;
    let officer = NewExport { actor: user(2), ..new(1, 1, 0) };
    for _ in 0..2 {
        store.request_export(officer).await.unwrap();
    }
    let told = store.entries(&EntryFilter::default(), None, 10).await.unwrap();
    let [entry] = &told[..] else { panic!("{told:?}") };
    assert_eq!((entry.act.as_str(), entry.actor), ("export.requested", user(2).uuid()));
    assert_eq!(entry.subject, user(1).to_string());
    assert_eq!(entry.after, json!({"export": export_id(1)}).to_string());
}

/// Whoever built one when the store is opened is dead where only one process may have it open.
pub async fn reopening_keeps_exports<H: Harness>() {
    let harness = H::start().await;
    register(&*harness.store(), [1]).await;
    request(&*harness.store(), 1, 1, 0).await;
    let first = claim(&*harness.store(), 10).await.unwrap();
    let harness = harness.reopen().await;
    let store = &*harness.store();
    let again = if H::is_shared() { 10 + LEASE } else { 10 };
    assert_eq!(claim(store, again).await.unwrap().attempt, 2);
    assert!(!store.write_export_chunk(first, 0, vec![0; 9]).await.unwrap());
}

fn new(of: u128, number: u128, second: i64) -> NewExport {
    NewExport { id: export_id(number), user: user(of), actor: user(of), keep: 3, now: after(second) }
}

async fn request(store: &dyn Store, of: u128, number: u128, second: i64) -> Export {
    match store.request_export(new(of, number, second)).await.unwrap() {
        RequestedExport::Made(made) => made,
        other => panic!("{other:?}"),
    }
}

fn lease() -> Duration {
    Duration::from_secs(LEASE.unsigned_abs())
}

async fn claim(store: &dyn Store, second: i64) -> Option<ExportHold> {
    store.claim_export(after(second), lease()).await.unwrap()
}

fn ready(progress: Progress, second: i64) -> ExportEnd {
    let expires_at: Timestamp = after(second + KEPT);
    ExportEnd::Ready { progress, bytes: 7, at: after(second), expires_at }
}

/// Builds the archive that is due, of one chunk.
async fn finish(store: &dyn Store, second: i64, bytes: &[u8]) {
    let hold = claim(store, second).await.unwrap();
    assert!(store.write_export_chunk(hold, 0, bytes.to_vec()).await.unwrap());
    assert!(store.end_export(hold, ready(Progress::default(), second)).await.unwrap());
}

/// The first export of the first user.
async fn found(store: &dyn Store) -> Export {
    store.export(user(1), export_id(1)).await.unwrap().unwrap()
}

/// Its chunks.
async fn chunks(store: &dyn Store) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    while let Some(chunk) =
        store.export_chunk(user(1), export_id(1), u32::try_from(chunks.len()).unwrap()).await.unwrap()
    {
        chunks.push(chunk);
    }
    chunks
}
