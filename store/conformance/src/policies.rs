//! Versions of the credit policy.

use ecs_domain::Timestamp;
use ecs_store::audit::{Entry, EntryFilter};
use ecs_store::{
    Compared, PageRequest, PolicyChange, PolicyChanged, PolicyDraft, PolicyRefusal, PolicyState,
    PolicyVersion, ScheduledPolicy, Store,
};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::Harness;
use crate::fixtures::{after, first_page, now, user};

/// What is drafted is there to the byte, by its name and by its digest.
pub async fn a_draft_is_read_as_it_was_made<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    let made = drafted(store, 1, 3_600).await;
    let expect = PolicyVersion::draft(&draft(1, 3_600));
    assert_eq!(made, expect);
    assert_eq!((made.state, made.approver, made.active_from), (PolicyState::Draft, None, after(3_600)));
    assert_eq!(store.policy_version("policy-1").await.unwrap(), Some(expect.clone()));
    assert_eq!(store.policy_of_digest(&expect.digest).await.unwrap(), Some(expect));
    assert_eq!(store.policy_version("policy-2").await.unwrap(), None);
    assert_eq!(store.policy_of_digest("policy-1").await.unwrap(), None);
    assert_eq!(store.scheduled_policies().await.unwrap(), []);
}

/// A name means one text for ever, and a text has one name.
pub async fn a_version_and_a_text_are_taken_once<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    drafted(store, 1, 3_600).await;
    let same_version = PolicyDraft { digest: digest(2), ..draft(1, 3_600) };
    let same_text = PolicyDraft { version: "policy-2".to_owned(), ..draft(1, 3_600) };
    for taken in [draft(1, 3_600), same_version.clone(), same_text] {
        assert_eq!(store.draft_policy(taken).await.unwrap(), PolicyChanged::Taken);
    }
    assert!(matches!(store.withdraw_policy(change(1, 1, 1)).await.unwrap(), PolicyChanged::Done(_)));
    assert_eq!(store.draft_policy(same_version).await.unwrap(), PolicyChanged::Taken);
    let at_once = (0..8).map(|_| store.draft_policy(draft(3, 3_600)));
    let all: Vec<_> = join_all(at_once).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(all.iter().filter(|changed| matches!(changed, PolicyChanged::Done(_))).count(), 1);
    assert_eq!(all.iter().filter(|changed| **changed == PolicyChanged::Taken).count(), 7);
    assert_eq!(told(store).await.len(), 3, "two drafts and a withdrawal");
}

/// Pages are cut from one list.
pub async fn policies_are_listed_newest_first<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    for number in 1..=5 {
        drafted(store, number, 3_600).await;
    }
    for (page, expect) in [(1, vec![5, 4]), (2, vec![3, 2]), (3, vec![1]), (4, vec![])] {
        let found = store.policy_versions(PageRequest { page, page_size: 2 }).await.unwrap();
        let names: Vec<_> = found.items.into_iter().map(|policy| policy.version).collect();
        let expect: Vec<_> = expect.into_iter().map(|number: u8| format!("policy-{number}")).collect();
        assert_eq!((found.total, names), (5, expect), "page {page}");
    }
}

/// Two people make a policy active, at the instant that was wished for or when everybody has heard of it.
pub async fn a_second_person_makes_a_policy_active<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    for (number, wished) in [(1, 3_600), (2, 0), (3, 60)] {
        drafted(store, number, wished).await;
    }
    let own = store.approve_policy(change(1, 1, 20)).await.unwrap();
    assert_eq!(own, PolicyChanged::Refused(PolicyRefusal::Author));
    assert_eq!(store.approve_policy(change(9, 2, 20)).await.unwrap(), PolicyChanged::Unknown);
    assert_eq!(store.scheduled_policies().await.unwrap(), []);
    let PolicyChanged::Done(approved) = store.approve_policy(change(1, 2, 20)).await.unwrap() else {
        panic!("another person approves it");
    };
    assert_eq!(
        (approved.state, approved.approver, approved.approved_at),
        (PolicyState::Approved, Some(user(2)), Some(after(20)))
    );
    assert_eq!(store.policy_version("policy-1").await.unwrap(), Some(*approved));
    for number in [2, 3] {
        let changed = store.approve_policy(change(number, 2, 20)).await.unwrap();
        assert!(matches!(changed, PolicyChanged::Done(_)), "{changed:?}");
    }
    let scheduled = |number: u8, second| ScheduledPolicy {
        version: format!("policy-{number}"),
        digest: digest(number),
        active_from: after(second),
    };
    let expect = [scheduled(2, 30), scheduled(3, 60), scheduled(1, 3_600)];
    assert_eq!(store.scheduled_policies().await.unwrap(), expect);
    let again = store.approve_policy(change(1, 3, 21)).await.unwrap();
    assert_eq!(again, PolicyChanged::Refused(PolicyRefusal::State(PolicyState::Approved)));
}

/// A policy can be taken back until everybody counts on it.
pub async fn a_policy_is_withdrawn_before_its_time<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    for number in 1..=3 {
        drafted(store, number, 3_600).await;
    }
    for number in [2, 3] {
        store.approve_policy(change(number, 2, 1)).await.unwrap();
    }
    let check = |number, second, expect: Result<PolicyState, PolicyRefusal>| async move {
        let changed = match store.withdraw_policy(change(number, 2, second)).await.unwrap() {
            PolicyChanged::Done(policy) => Ok(policy.state),
            PolicyChanged::Refused(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        };
        assert_eq!(changed, expect, "{number} {second}");
    };
    check(1, 5_000, Ok(PolicyState::Withdrawn)).await;
    check(1, 5_000, Err(PolicyRefusal::State(PolicyState::Withdrawn))).await;
    check(2, 3_590, Ok(PolicyState::Withdrawn)).await;
    check(3, 3_591, Err(PolicyRefusal::TooLate)).await;
    assert_eq!(store.withdraw_policy(change(9, 2, 1)).await.unwrap(), PolicyChanged::Unknown);
    let revived = store.approve_policy(change(2, 2, 2)).await.unwrap();
    assert_eq!(revived, PolicyChanged::Refused(PolicyRefusal::State(PolicyState::Withdrawn)));
    let left: Vec<_> = store.scheduled_policies().await.unwrap();
    assert_eq!(left.iter().map(|policy| policy.version.as_str()).collect::<Vec<_>>(), ["policy-3"]);
}

/// Approvals and withdrawals at once: each is judged by what the one before it left, and each that was done is told.
pub async fn changes_of_a_policy_at_the_same_time_are_in_turn<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    drafted(store, 1, 3_600).await;
    let approvals = (2..10).map(|by| store.approve_policy(change(1, by, 1)));
    let all: Vec<_> = join_all(approvals).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(all.iter().filter(|changed| matches!(changed, PolicyChanged::Done(_))).count(), 1);
    let withdrawals = (2..10).map(|by| store.withdraw_policy(change(1, by, 2)));
    let all: Vec<_> = join_all(withdrawals).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(all.iter().filter(|changed| matches!(changed, PolicyChanged::Done(_))).count(), 1);
    assert_eq!(told(store).await.len(), 3);
}

/// Who did what, with what it changes about what is active.
pub async fn what_is_done_about_policies_is_told<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    drafted(store, 1, 3_600).await;
    store.approve_policy(change(1, 1, 1)).await.unwrap();
    store.approve_policy(change(1, 2, 2)).await.unwrap();
    store.withdraw_policy(change(1, 3, 3)).await.unwrap();
    let after_it = |state: &str| {
        json!({
            "state": state, "digest": digest(1), "active_from": after(3_600), "against": "policy-0",
            "diff": ["- cut_off = 0.3", "+ cut_off = 0.4"]
        })
    };
    let said = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let told: Vec<_> = told(store)
        .await
        .into_iter()
        .map(|entry| {
            assert_eq!(entry.subject, "policy policy-1");
            (entry.act, entry.actor, said(&entry.before), said(&entry.after))
        })
        .collect();
    let entry =
        |act: &str, by, before: Value, state| (act.to_owned(), user(by).uuid(), before, after_it(state));
    let expect = [
        entry("policy.drafted", 1, Value::Null, "draft"),
        entry("policy.approved", 2, json!({"state": "draft"}), "approved"),
        entry("policy.withdrawn", 3, json!({"state": "approved"}), "withdrawn"),
    ];
    assert_eq!(told, expect);
}

/// Whoever gets past this program finds that a policy can't be removed, rewritten or approved by its author.
pub async fn a_policy_stays_as_it_is<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    drafted(store, 1, 3_600).await;
    drafted(store, 2, 3_600).await;
    store.approve_policy(change(1, 2, 1)).await.unwrap();
    let before = store.policy_versions(first_page()).await.unwrap();
    for sql in [
        "DELETE FROM policies",
        "UPDATE policies SET text = ''",
        "UPDATE policies SET digest = version",
        "UPDATE policies SET state = 'draft', approver = NULL, approved_at = NULL WHERE version = 'policy-1'",
        "UPDATE policies SET active_from = created_at WHERE version = 'policy-1'",
        "UPDATE policies SET state = 'approved', approver = author, approved_at = created_at WHERE version = 'policy-2'",
        "UPDATE policies SET state = 'approved' WHERE version = 'policy-2'",
        "INSERT INTO policies (version, digest, text, author, created_at, state, approver, approved_at, active_from)
            SELECT 'policy-9', '9', text, author, created_at, state, approver, approved_at, active_from
            FROM policies WHERE version = 'policy-1'",
    ] {
        let refused = harness.refuses(sql).await;
        assert!(refused, "{sql}");
    }
    assert_eq!(store.policy_versions(first_page()).await.unwrap(), before);
}

fn digest(number: u8) -> String {
    format!("{number:02x}").repeat(32)
}

/// A draft of the first user.
fn draft(number: u8, wished: i64) -> PolicyDraft {
    PolicyDraft {
        version: format!("policy-{number}"),
        digest: digest(number),
        text: format!("version = \"policy-{number}\" # política\r\n"),
        author: user(1),
        active_from: after(wished),
        compared: compared(),
        now: created(number),
    }
}

fn created(number: u8) -> Timestamp {
    now() - std::time::Duration::from_secs(100 - u64::from(number))
}

fn compared() -> Compared {
    let diff = ["- cut_off = 0.3", "+ cut_off = 0.4"].map(ToOwned::to_owned).to_vec();
    Compared { against: "policy-0".to_owned(), diff }
}

fn change(number: u8, by: u128, second: i64) -> PolicyChange {
    PolicyChange {
        version: format!("policy-{number}"),
        by: user(by),
        compared: compared(),
        now: after(second),
    }
}

async fn drafted(store: &dyn Store, number: u8, wished: i64) -> PolicyVersion {
    match store.draft_policy(draft(number, wished)).await.unwrap() {
        PolicyChanged::Done(policy) => *policy,
        other => panic!("{other:?}"),
    }
}

/// The audit log, oldest first.
async fn told(store: &dyn Store) -> Vec<Entry> {
    let mut entries = store.entries(&EntryFilter::default(), None, 1_000).await.unwrap();
    entries.reverse();
    entries
}
