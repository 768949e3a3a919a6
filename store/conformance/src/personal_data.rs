//! Everything that is held on a person.

use ecs_store::Store;
use ecs_store::personal_data::{PersonalRow, Section};
use serde_json::{Value, json};

use crate::Harness;
use crate::biography::live;
use crate::fixtures::{register, transaction, user};

/// Somebody with something everywhere finds a row in every section, with its columns in their order, and nothing of anybody else.
pub async fn a_person_is_told_everything<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    for of in 1..=2 {
        live(store, of).await;
    }
    let other = user(2).to_string();
    for section in Section::ALL {
        let rows = all(store, 1, *section, 100).await;
        assert!(!rows.is_empty(), "{section:?} is empty");
        for row in &rows {
            let columns: Vec<&str> = row.members().map(|(name, _)| name).collect();
            assert_eq!(columns, section.columns(), "{section:?}");
            let line = row.to_string();
            assert!(!line.contains(&other) && !line.contains('\n') && !line.contains("hash of"), "{line}");
        }
        let counted = store.count_personal_data(user(1), *section).await.unwrap();
        assert_eq!(counted, rows.len() as u64, "{section:?}");
    }
}

/// Whoever isn't there has nothing, and whoever has done nothing has an account.
pub async fn nothing_is_told_of_somebody_else<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    live(store, 1).await;
    register(store, [3]).await;
    for section in Section::ALL {
        assert_eq!(all(store, 9, *section, 100).await.len(), 0, "{section:?}");
        let expect = usize::from(*section == Section::Profile);
        assert_eq!(all(store, 3, *section, 100).await.len(), expect, "{section:?}");
        assert_eq!(store.count_personal_data(user(3), *section).await.unwrap(), expect as u64);
    }
}

/// In pages of any size there is the same, each row once, also where many have the same time.
pub async fn pages_follow_each_other<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    live(store, 1).await;
    let noon = |number: u128| transaction(1, 1_000 + number, "2026-11-20T12:00:00Z", 100);
    let at_once: Vec<_> = (0..20).map(noon).collect();
    store.fold_transactions(&at_once, crate::fixtures::now()).await.unwrap();
    for section in Section::ALL {
        let whole = lines(&all(store, 1, *section, 1_000).await);
        for most in [1, 2, 7] {
            assert_eq!(lines(&all(store, 1, *section, most).await), whole, "{section:?} by {most}");
        }
    }
    assert_eq!(all(store, 1, Section::Transactions, 7).await.len(), 23);
}

/// Every engine says the same, to the digit.
pub async fn rows_are_told_in_the_same_words<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    live(store, 1).await;
    let transactions = lines(&all(store, 1, Section::Transactions, 10).await);
    let amounts: Vec<bool> = [r#""amount":999999999999.00,"#, r#""amount":12.30,"#, r#""amount":0.05,"#]
        .iter()
        .map(|digits| transactions.iter().any(|line| line.contains(digits)))
        .collect();
    assert_eq!(amounts, [true; 3], "{transactions:?}");
    let first = |section| async move { lines(&all(store, 1, section, 10).await).remove(0) };
    assert!(first(Section::CreditLimits).await.contains(r#""credit_limit":5000.01,"interest_rate":14.25,"#));
    check(
        store,
        Section::Profile,
        json!({"id": user(1), "email": "user1@example.com", "external_id": null,
            "created_at": "2026-11-20T11:00:00.000000Z", "updated_at": "2026-11-20T11:00:00.000000Z"}),
    )
    .await;
    check(
        store,
        Section::Consents,
        json!({"purpose": "emotion-analysis", "granted": true, "text_version": 1, "locale": "pt-BR",
            "updated_at": "2026-11-20T12:00:03.000000Z"}),
    )
    .await;
    check(
        store,
        Section::Access,
        json!({"roles": ["analyst", "operator"], "permissions": ["users:read-any"], "granted_by": user(99),
            "granted_at": "2026-11-20T12:00:03.000000Z"}),
    )
    .await;
    check(
        store,
        Section::EmotionEventIds,
        json!({"day": "2026-10-01", "arrived_at": "2026-11-20T12:00:04.000000Z", "fate": "counted"}),
    )
    .await;
    check(
        store,
        Section::KeptAnswers,
        json!({"key": "order 7", "call": "POST /v1/users/{user_id}/credit-analysis",
            "created_at": "2026-11-20T12:00:00.000000Z"}),
    )
    .await;
    check(
        store,
        Section::Reviews,
        json!({"requested_at": "2026-11-20T12:00:00.000000Z", "due_at": "2026-12-05T12:00:00.000000Z", "outcome": "overturned",
            "comment": "please look again", "explanation": "seen and judged"}),
    )
    .await;
    check(store, Section::Outbox, json!({"payload": {"number": 120}, "schema_version": 1})).await;
    check(store, Section::WebhookDeliveries, json!({"state": "pending", "attempts": 1, "host": "host1"}))
        .await;
}

/// What is kept in words of the program is told as what it means.
pub async fn what_is_kept_inside_is_told<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    live(store, 1).await;
    let event = lines(&all(store, 1, Section::EmotionEvents, 10).await).remove(1);
    let told = concat!(
        r#""day":"2026-11-20","occurred_at":"2026-11-20T08:00:00.123456Z","arrived_at":"2026-11-20T12:00:04.000000Z","#,
        r#""kind":"calm","positivity":0.800000000,"intensity":0.250000000,"stress":0.123456789}"#,
    );
    assert!(event.ends_with(told), "{event}");
    let letters = values(&all(store, 1, Section::DeadLetters, 10).await);
    assert_eq!(letters[0]["payload"], json!({"amount": 12.3}));
    assert_eq!(letters[1]["payload"], json!({"hex": "ff00"}));
    assert_eq!(letters[0]["history"].as_array().unwrap().len(), 2);
    let decision = values(&all(store, 1, Section::Decisions, 10).await).remove(0);
    assert_eq!(decision["risk_score"], json!(0.1 + 0.2));
    assert!(decision["features"].is_object() && decision["contributions"].is_array(), "{decision}");
}

/// What was done to somebody is told whole; what they did to another, without what that one had.
pub async fn what_was_done_is_told_to_both<H: Harness>() {
    let harness = H::start().await;
    let store = &*harness.store();
    live(store, 1).await;
    let access = |of: u128| async move {
        let rows = values(&all(store, of, Section::Audit, 100).await);
        rows.into_iter().find(|row| row["act"] == "access.changed").unwrap()
    };
    let (subject, granter) = (access(1).await, access(99).await);
    assert_eq!(subject["after"]["roles"], json!(["analyst", "operator"]));
    assert_eq!((&granter["before"], &granter["after"]), (&Value::Null, &Value::Null));
    assert_eq!((&subject["subject"], &granter["actor"]), (&json!(user(1)), &json!(user(99))));
    assert_eq!(subject["number"], granter["number"]);
}

/// A row of the section has these members.
async fn check(store: &dyn Store, section: Section, expect: Value) {
    let rows = values(&all(store, 1, section, 10).await);
    let has = |row: &Value| expect.as_object().unwrap().iter().all(|(name, value)| row[name] == *value);
    assert!(rows.iter().any(has), "{section:?}: no {expect} in {rows:?}");
}

async fn all(store: &dyn Store, of: u128, section: Section, most: usize) -> Vec<PersonalRow> {
    let (mut rows, mut place) = (Vec::new(), None);
    loop {
        let page = store.personal_data(user(of), section, place.as_ref(), most).await.unwrap();
        assert!(page.rows.len() <= most);
        rows.extend(page.rows);
        match page.next {
            Some(next) => place = Some(next),
            None => return rows,
        }
    }
}

fn lines(rows: &[PersonalRow]) -> Vec<String> {
    rows.iter().map(ToString::to_string).collect()
}

fn values(rows: &[PersonalRow]) -> Vec<Value> {
    rows.iter().map(|row| serde_json::from_str(&row.to_string()).unwrap()).collect()
}
