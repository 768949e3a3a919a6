//! What goes for its age is told in the audit log, in the transaction in which it goes.

use ecs_domain::Timestamp;
use ecs_store::audit::{Act, Entry, EntryFilter, PLATFORM};
use ecs_store::{Aged, Due, Retained, Retention, Store, Swept};
use serde_json::Value;

use crate::Harness;
use crate::dead_letters::letter;
use crate::fixtures::{
    after, day, denial, emotion, make_offer, new_decision, now, register, rules, transaction, user,
};
use crate::webhooks::notification;

const DAY: i64 = 86_400;
/// More than any behaviour here writes.
const ALL: usize = 1_000;

/// What the log tells of a class of data, the newest first.
async fn told(store: &dyn Store, class: &str) -> Vec<Entry> {
    let subject = Some(format!("retention {class}"));
    let filter = EntryFilter { actor: Some(PLATFORM), subject, act: Some(Act::RowsDropped) };
    store.entries(&filter, None, ALL).await.unwrap()
}

/// How many rows of a class went, as the log has it, and that it says so of rows from before this time.
async fn rows_told(store: &dyn Store, class: &str, before: &str) -> u64 {
    let rows = |entry: &Entry| {
        let after: Value = serde_json::from_str(&entry.after).unwrap();
        assert_eq!((after["before"].as_str(), entry.before.as_str()), (Some(before), "null"), "{class}");
        assert_eq!(after.as_object().unwrap().len(), 2, "{class}: {after}");
        after["rows"].as_u64().filter(|rows| *rows > 0).unwrap()
    };
    told(store, class).await.iter().map(rows).sum()
}

/// Each transaction that dropped something has its entry, and one that found nothing has none.
pub async fn what_goes_for_its_age_is_told<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    let long_ago = after(-100 * DAY);
    leave_old_rows(store, long_ago).await;
    let before = after(-50 * DAY);
    for (rows, expect, entries) in [
        (Aged::Summaries, 1, 1),
        (Aged::Decisions, 2, 1),
        (Aged::Notifications, 3, 1),
        (Aged::Transactions, 25, 3),
        (Aged::WaitingLetters, 1, 1),
        (Aged::ReplacedSecrets, 0, 0),
    ] {
        let due = Due { rows, before, now: after(7), most: 10 };
        let mut gone = 0;
        loop {
            match store.drop_aged(due).await.unwrap() {
                0 => break,
                more => gone += more,
            }
        }
        assert_eq!(gone, expect, "{rows:?}");
        assert_eq!(rows_told(store, rows.class(), &before.to_string()).await, expect, "{rows:?}");
        let told = told(store, rows.class()).await;
        // An engine may take decisions and offers one after the other.
        assert!(told.len() == entries || (rows, told.len()) == (Aged::Decisions, 2), "{told:?}");
        assert!(told.iter().all(|entry| entry.at == after(7).as_microsecond()));
    }
    for number in 1..=3 {
        let id = user(number).to_string();
        let told = store.entries(&EntryFilter::default(), None, ALL).await.unwrap();
        let told = told.iter().filter(|entry| entry.act == Act::RowsDropped.as_str());
        assert!(told.into_iter().all(|entry| !format!("{entry:?}").contains(&id)));
    }
}

/// One summary, a denial and an offer, three notifications, 25 transactions and a letter.
async fn leave_old_rows(store: &dyn Store, at: Timestamp) {
    register(store, [1, 2, 3]).await;
    let event = emotion(1, 1, "2025-08-18T08:00:00Z", [0.5; 3]);
    store.fold_emotions(&[event], rules(), now()).await.unwrap();
    store.record_decision(new_decision(denial(1, 1, at)), None).await.unwrap();
    make_offer(store, 2, 2, at).await;
    let notifications = [1, 2, 3].map(|number| notification(number, number));
    store.add_notifications(&notifications, at).await.unwrap();
    let transactions: Vec<_> = (0..25).map(|id| transaction(1, id, "2026-01-01T08:00:00Z", 100)).collect();
    store.fold_transactions(&transactions, at).await.unwrap();
    store.add_dead_letters(&[ecs_store::DeadLetterRow { at, ..letter(1) }]).await.unwrap();
}

fn next_day() -> Retention {
    let (raw_floor, ids_since, answers_since) = (day("2026-11-21"), after(-7 * DAY), after(-DAY));
    Retention { raw_floor, ids_since, answers_since, now: after(7) }
}

/// Raw rows, of whom some may still be delivered again, and ids that may not.
async fn leave_old_events(store: &dyn Store) {
    register(store, [1]).await;
    let at = "2026-11-20T08:00:00Z";
    for (number, at, arrived) in
        [(1, at, after(-8 * DAY)), (2, at, now()), (3, "2025-08-19T08:00:00Z", after(-8 * DAY))]
    {
        store.fold_emotions(&[emotion(1, number, at, [0.5; 3])], rules(), arrived).await.unwrap();
    }
}

/// What was moved out of the raw rows is told as gone from there.
pub async fn what_retention_drops_is_told<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    leave_old_events(store).await;
    let dropped = store.retain(next_day()).await.unwrap();
    assert_eq!(dropped, Retained { raw_rows: 2, ids: 1, ..Retained::default() });
    store.retain(next_day()).await.unwrap();
    let since = next_day().ids_since.to_string();
    assert_eq!(rows_told(store, Swept::RawRows.class(), "2026-11-21").await, 2);
    assert_eq!(rows_told(store, Swept::Ids.class(), &since).await, 1);
    for swept in [Swept::Answers, Swept::Sessions, Swept::Changes] {
        assert_eq!(told(store, swept.class()).await, [], "{swept:?}");
    }
}

/// While the log can't be written nothing goes, whole partitions included.
pub async fn nothing_goes_untold<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    register(store, [1]).await;
    let event = emotion(1, 1, "2026-11-20T08:00:00Z", [0.5; 3]);
    store.fold_emotions(&[event], rules(), after(-8 * DAY)).await.unwrap();
    store.fold_transactions(&[transaction(1, 1, "2026-01-01T08:00:00Z", 100)], now()).await.unwrap();
    let due = Due { rows: Aged::Transactions, before: after(1), now: after(7), most: 10 };
    harness.run("ALTER TABLE audit_entries RENAME TO lost_entries").await;
    assert!(store.drop_aged(due).await.is_err());
    assert!(store.retain(next_day()).await.is_err());
    harness.run("ALTER TABLE lost_entries RENAME TO audit_entries").await;
    assert_eq!(store.drop_aged(due).await.unwrap(), 1);
    assert_eq!(store.retain(next_day()).await.unwrap().raw_rows, 1);
}
