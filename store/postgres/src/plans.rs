//! Hot queries must have an index: PostgreSQL's own plan reads no table from end to end, and none that grows is filtered
//! row by row.
//!
//! Tables are filled with a few thousand rows and analysed, and plans are generic, as they are in a service that has run
//! for a while.

mod decided;

use ecs_servers::{Database, Engine, Postgres, Template, did_not_run, unavailable};
use ecs_store::personal_data::{Section, held_in};
use serde_json::Value;
use tokio_postgres::{Client, NoTls};

use crate::plan::{FIXED_PLANS, STEADY_PLANS};
use crate::{
    Options, PostgresStore, ageing, attributes, audit, books, consents, credit, dead_letters, decision_log,
    erasures, exports, folds, idempotency, maintenance, notifications, outbox, personal_data, replays,
    research, rights, sessions, users, webhooks,
};

use decided::{of_backtests, of_evaluations, of_policies, of_reviews, of_watch};

const FILL: &str = include_str!("plans.sql");

/// A migrated database of its own, and a connection to it.
async fn filled() -> (Database, Client) {
    let template = Template::new("plans", |url| async move {
        PostgresStore::migrate(&Options::new(url)).await?;
        Ok(())
    });
    let database = Postgres::shared().await.unwrap().database(template).await.unwrap();
    let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(FILL).await.unwrap();
    (database, client)
}

/// The plan's nodes, each as its type, its table and its index.
fn nodes(plan: &Value, found: &mut Vec<(String, String, String)>) {
    let text = |name: &str| plan.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    found.push((text("Node Type"), text("Relation Name"), text("Index Name")));
    for child in plan.get("Plans").and_then(Value::as_array).into_iter().flatten() {
        nodes(child, found);
    }
}

async fn plan(client: &Client, sql: &str) -> Vec<(String, String, String)> {
    client
        .batch_execute(&format!("PREPARE hot AS {sql}"))
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    // Days are named, for a plan leaves out the partitions of others; all else may be anything.
    let of_types = "SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'hot'";
    let types: Vec<String> = client.query_one(of_types, &[]).await.unwrap().get(0);
    let values = types.iter().map(|kind| if kind == "date" { "'2026-11-19'" } else { "NULL" });
    let values = values.collect::<Vec<_>>().join(", ");
    let call = if values.is_empty() { "hot".to_owned() } else { format!("hot({values})") };
    let explained =
        client.simple_query(&format!("EXPLAIN (FORMAT JSON, COSTS OFF) EXECUTE {call}")).await.unwrap();
    let json = explained.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    let plan: Value = serde_json::from_str(json.unwrap()).unwrap();
    client.batch_execute("DEALLOCATE hot").await.unwrap();
    let mut found = Vec::new();
    nodes(&plan[0]["Plan"], &mut found);
    found
}

/// Tables that a request or an event may read whole: the one row of the floor, and the list of partitions.
const SMALL: [&str; 3] = ["raw_floor", "pg_inherits", "pg_class"];

/// Fails when the plan reads a table from end to end, or doesn't use the index.
fn check(sql: &str, plan: &[(String, String, String)], indexes: &[&str]) {
    let scan = plan.iter().find(|(node, table, _)| node == "Seq Scan" && !SMALL.contains(&table.as_str()));
    assert!(scan.is_none(), "a scan in {sql}: {plan:?}");
    for index in indexes {
        assert!(
            plan.iter().any(|(_, _, used)| used.contains(index)),
            "{index} is not used in {sql}: {plan:?}"
        );
    }
}

/// What a statement reads by, in transactions that fix the plans.
fn fixed() -> Vec<(&'static str, &'static [&'static str])> {
    use books::{counted_statements as counted, fate_statements as fates};
    use folds::emotion_statements as emotions;
    use replays::logged_statements as logged;
    vec![
        (
            emotions::FOLD,
            &["users_pkey", "consents_pkey", "emotion_inbox_pkey", "emotional_events_20261119_pkey"],
        ),
        (emotions::RENEW_RAW, &["emotional_events_20261119_pkey"]),
        (emotions::RENEW_ID, &["emotion_inbox_pkey"]),
        (folds::FOLD_TRANSACTIONS, &["users_pkey"]),
        (fates::EMOTIONS, &["emotional_events_20261119_pkey", "emotion_inbox_pkey"]),
        (fates::TRANSACTIONS, &["transactions_pkey"]),
        (fates::LETTERS, &["dead_letters_by_event", "outbox_pkey"]),
        (counted::EMOTIONS, &["emotional_events_20261119_pkey", "emotion_inbox_pkey"]),
        (maintenance::MOVE, &["emotional_events_20261119_by_arrival", "emotional_events_20261119_pkey"]),
        (maintenance::DROP_IDS, &["emotion_inbox_by_arrival"]),
        (logged::ADD, &["emotional_events_20261119_pkey", "emotion_inbox_pkey"]),
        (
            logged::PIECE,
            &[
                "replay_log_pkey",
                "emotional_events_20261119_pkey",
                "emotion_inbox_pkey",
                "emotional_events_summary_pkey",
            ],
        ),
    ]
}

/// What accounts, log-ins and exports of months read by, and the planner is free with.
fn of_accounts() -> Vec<(&'static str, &'static [&'static str])> {
    vec![
        (users::BY_ID, &["users_pkey"]),
        (users::BY_EXTERNAL_ID, &["users_by_external_id"]),
        (users::CREDENTIALS, &["users_by_email"]),
        (users::EMAIL_TAKEN, &["users_by_email"]),
        (erasures::ERASED_AMONG, &["erasures_pkey"]),
        (erasures::TO_DELETE, &["erasures_to_delete"]),
        (erasures::TO_CLOSE, &["erasures_to_close"]),
        (users::PLAIN, &["users_plain"]),
        (attributes::GET, &["user_attributes_pkey"]),
        (attributes::OF, &["user_attributes_pkey"]),
        (attributes::PUT, &["consents_pkey"]),
        (attributes::DELETE, &["user_attributes_pkey"]),
        (
            research::PAGE,
            &["consents_to_research", "user_attributes_pkey", "transactions_by_user", "decisions_by_user"],
        ),
        (research::AGREED, &["consents_pkey"]),
        (sessions::BEGIN, &["users_pkey"]),
        (sessions::FIND, &["sessions_pkey", "users_pkey", "user_rights_pkey"]),
        (sessions::ADVANCE, &["sessions_pkey"]),
        (sessions::END, &["sessions_pkey"]),
        (sessions::END_ALL, &["sessions_of_"]),
        (sessions::PASSWORD, &["users_pkey"]),
        (sessions::CHANGE_PASSWORD, &["users_pkey"]),
        (sessions::DROP_OLD, &["sessions_by_end"]),
        (rights::OF_USER, &["users_pkey", "user_rights_pkey"]),
        (rights::OTHER_ADMINS, &["admins"]),
        (rights::SET_VERSION, &["users_pkey", "newest_change_pkey"]),
        (rights::AFTER, &["changes_pkey"]),
        (rights::DROP_OLD, &["changes_pkey"]),
        (audit::UNSEALED, &["audit_unsealed"]),
        // What isn't sealed is little, so any index will do.
        (audit::STILL_UNSEALED, &["audit_"]),
        (audit::OF_BATCH, &["audit_of_batch"]),
        (audit::BY_SUBJECT, &["audit_of_subject"]),
        (audit::BY_ACTOR, &["audit_of_actor"]),
        (audit::NEWEST, &["audit_entries_pkey"]),
        (audit::SEAL, &["audit_entries_pkey"]),
    ]
}

/// The same of what chains the logs, and of what the log of decisions is read by.
fn of_logs() -> Vec<(&'static str, &'static [&'static str])> {
    use credit::decision_statements as decisions;
    let mut of_batches = audit::CHAIN.hot().map(|sql| (sql, &["audit_batches_pkey"][..])).to_vec();
    of_batches.extend(decision_log::CHAIN.hot().map(|sql| (sql, &["decision_batches_pkey"][..])));
    of_batches.extend([
        (decision_log::UNSEALED, &["decision_log_unsealed"][..]),
        (decision_log::OF_BATCH, &["decision_log_of_batch"]),
        (decision_log::AFTER, &["decision_log_pkey"]),
        (decision_log::OF_USER, &["decision_log_of_user"]),
        (decision_log::WENT, &["decision_log_of_decision"]),
        (decision_log::SEAL, &["decision_log_pkey"]),
        (decisions::BY_IDS, &["decisions_pkey", "credit_limits_pkey"]),
    ]);
    of_batches
}

/// The same of what webhooks cause.
fn of_webhooks() -> Vec<(&'static str, &'static [&'static str])> {
    use webhooks::{deliveries, endpoints};
    vec![
        (notifications::INSERT, &["notifications_pkey", "users_pkey", "webhooks_of_user"]),
        (notifications::BY_IDS, &["notifications_pkey"]),
        (endpoints::INSERT, &["users_pkey", "webhooks_of_user"]),
        (endpoints::OF_USER, &["webhooks_of_user"]),
        (endpoints::FIND, &["webhooks_pkey"]),
        (endpoints::CHANGE, &["webhooks_pkey"]),
        (endpoints::ROTATE, &["webhooks_pkey"]),
        (endpoints::REMOVE, &["webhooks_pkey"]),
        (endpoints::RESEAL, &["webhooks_pkey"]),
        (deliveries::ANY_DUE, &["webhook_deliveries_due"]),
        (deliveries::CLAIM, &["webhook_deliveries_due", "webhook_deliveries_pkey"]),
        (deliveries::WEBHOOKS, &["webhooks_pkey"]),
        (deliveries::SETTLE, &["webhook_deliveries_pkey"]),
        (deliveries::SUCCEED, &["webhooks_pkey"]),
        (deliveries::FAIL, &["webhooks_pkey"]),
        (deliveries::GIVE_UP, &["webhook_deliveries", "webhooks_pkey"]),
        (deliveries::MOVE, &["webhook_deliveries", "webhooks_pkey"]),
        (deliveries::COUNT, &["webhook_deliveries"]),
        (deliveries::PAGE, &["webhook_deliveries_of_webhook"]),
        (deliveries::RESEND, &["webhook_deliveries_pkey", "webhooks_pkey"]),
        (deliveries::FORGET, &["webhook_deliveries_done"]),
    ]
}

/// The same of what goes for its age.
fn of_ageing() -> Vec<(&'static str, &'static [&'static str])> {
    use ageing::statements as aged;
    vec![
        (aged::SUMMARIES, &["emotional_events_summary_by_date"]),
        (aged::DENIALS, &["denials_by_age", "decisions_pkey"]),
        (aged::EXPIRED, &["credit_limits_by_status", "credit_limits_pkey", "decisions_offer_id_key"]),
        (aged::NOTIFICATIONS, &["notifications_by_age", "users_pkey", "notifications_user_id_sequence_key"]),
        (aged::TRANSACTIONS, &["transactions_by_arrival"]),
        (aged::LETTERS, &["dead_letters_waiting", "dead_letters_pkey"]),
        (aged::SECRETS, &["webhooks_replaced", "webhooks_pkey"]),
    ]
}

/// The same of what archives for people cause.
fn of_exports() -> Vec<(&'static str, &'static [&'static str])> {
    use exports::statements;
    let of = |section| personal_data::statements::of(section).page;
    vec![
        (statements::UNDER_WAY, &["exports_"]),
        (statements::PUSH_OUT, &["exports_of_user", "exports_pkey"]),
        (statements::LIST, &["exports_of_user"]),
        (statements::FIND, &["exports_"]),
        (statements::ANY_DUE, &["exports_due"]),
        (statements::CLAIM, &["exports_due", "exports_pkey"]),
        (statements::ADVANCE, &["exports_pkey"]),
        (statements::END, &["exports_pkey"]),
        (statements::DROP_LATER_CHUNKS, &["exports_pkey", "export_chunks_pkey"]),
        (statements::REMOVE, &["exports_"]),
        (statements::EXPIRE, &["exports_ready", "exports_pkey", "export_chunks_pkey"]),
        (statements::WRITE_CHUNK, &["exports_pkey"]),
        (statements::CHUNK, &["exports_", "export_chunks_pkey"]),
        (of(Section::Transactions), &["transactions_by_user"]),
        (of(Section::EmotionEvents), &["emotional_events_20261119_pkey", "emotional_events_20261120_pkey"]),
        (of(Section::EmotionSummaries), &["emotional_events_summary_pkey"]),
        (of(Section::EmotionEventIds), &["emotion_inbox_pkey"]),
        (of(Section::CreditLimits), &["credit_limits_by_user"]),
        (of(Section::Decisions), &["decisions_by_user"]),
        (of(Section::Reviews), &["decision_reviews_of_user"]),
        (of(Section::Notifications), &["notifications_user_id_sequence_key"]),
        (of(Section::Sessions), &["sessions_of_person"]),
        (of(Section::WebhookDeliveries), &["webhooks_of_user", "webhook_deliveries"]),
        (of(Section::Audit), &["audit_of_subject", "audit_of_actor"]),
        (of(Section::DeadLetters), &["dead_letters_of_person"]),
        (of(Section::KeptAnswers), &["idempotency_keys_pkey"]),
    ]
}

/// The same of what else the planner is free with.
fn free() -> Vec<(&'static str, &'static [&'static str])> {
    use books::{counted_statements as counted, mismatch_statements as mismatches};
    use credit::{decision_statements as decisions, offer_statements as offers};
    use dead_letters::{add_statements as add, read_statements as letters};
    use replays::piece_statements as pieces;
    vec![
        (users::LOCK, &["users_pkey"]),
        (users::LOCK_ALL, &["users_pkey"]),
        (consents::GET, &["consents_pkey"]),
        (consents::HISTORY, &["consent_history_of_user"]),
        (folds::READ_FEATURES, &["users_pkey", "transactions_by_user", "emotional_events_summary_pkey"]),
        (users::LOCK_FREE, &["users_pkey"]),
        (erasures::ASKED_FOR_AMONG, &["erasures_pkey"]),
        (consents::GET_ALL, &["consents_pkey"]),
        (decisions::LAST_OF, &["decisions_by_user", "credit_limits_pkey"]),
        (decisions::FACTS_OF, &["credit_limits_by_user", "decisions_by_user"]),
        (offers::FIND, &["credit_limits_pkey"]),
        (offers::PAGE, &["credit_limits_by_user"]),
        (offers::ACCEPT, &["credit_limits_pkey"]),
        (offers::ACTIVATE, &["credit_limits_pkey"]),
        (offers::EXPIRE, &["credit_limits_by_status"]),
        (outbox::CLAIM, &["outbox_by_claim", "outbox_pkey"]),
        (outbox::RELEASE_FUTURE, &["outbox_by_claim"]),
        (outbox::FINISH, &["outbox_pkey"]),
        (notifications::UNREAD, &["notifications_unread"]),
        (notifications::PAGE, &["notifications_user_id_sequence_key"]),
        (notifications::AFTER, &["notifications_user_id_sequence_key"]),
        (notifications::LAST, &["notifications_user_id_sequence_key"]),
        (notifications::MARK_ONE, &["notifications_pkey"]),
        (notifications::MARK_UP_TO, &["notifications"]),
        (idempotency::FIND, &["idempotency_keys_pkey"]),
        (idempotency::LOCK, &["idempotency_keys_pkey"]),
        (idempotency::KEEP, &["idempotency_keys_pkey"]),
        (idempotency::RELEASE, &["idempotency_keys_pkey"]),
        (idempotency::DROP_OLD, &["idempotency_keys_by_age"]),
        (counted::TRANSACTIONS, &["transactions_pkey"]),
        (
            mismatches::NEXT,
            &["emotional_events_20261119_pkey", "emotion_inbox_pkey", "emotional_events_summary_by_date"],
        ),
        (pieces::NEXT, &["emotional_events_20261119_pkey", "emotional_events_summary_by_date"]),
        (pieces::PASSED, &["emotional_events_summary_by_date"]),
        (
            pieces::PIECE,
            &["emotional_events_20261119_pkey", "emotional_events_summary", "emotion_inbox_pkey"],
        ),
        (replays::BRING_BACK, &["emotional_events_summary_pkey"]),
        (replays::LOCK_ROWS, &["emotional_events_summary_pkey"]),
        (replays::ADD, &["emotional_events_summary_pkey"]),
        (maintenance::OLD_IDS, &["emotion_inbox_by_arrival"]),
        (add::FIND, &["dead_letters_by_event"]),
        (add::RETURN, &["dead_letters_pkey"]),
        (letters::LIST_OF_EVENT, &["dead_letters_by_event"]),
        (letters::FULL, &["dead_letters_pkey"]),
        (dead_letters::REPLAY, &["dead_letters_pkey"]),
        (dead_letters::DROP, &["dead_letters_pkey"]),
        (dead_letters::FORGET, &["dead_letters_decided", "outbox_pkey"]),
    ]
}

#[tokio::test]
async fn every_hot_statement_has_its_index() {
    if let Some(reason) = unavailable(Engine::Postgres) {
        return did_not_run("the query plans of PostgreSQL", &reason);
    }
    let (_database, client) = filled().await;
    client.batch_execute(STEADY_PLANS).await.unwrap();
    let all = [
        of_accounts(),
        of_logs(),
        of_policies(),
        of_reviews(),
        of_webhooks(),
        of_exports(),
        of_backtests(),
        of_ageing(),
        of_evaluations(),
        of_watch(),
        free(),
    ];
    for (sql, indexes) in all.concat() {
        check(sql, &plan(&client, sql).await, indexes);
    }
    client.batch_execute(&FIXED_PLANS.replace("true)", "false)")).await.unwrap();
    for (sql, indexes) in fixed() {
        check(sql, &plan(&client, sql).await, indexes);
    }
}

/// However the tables stand when a connection makes its plans: here they are empty, and were never analysed.
#[tokio::test]
async fn the_fold_reads_by_index_even_before_there_is_anything_to_read() {
    if let Some(reason) = unavailable(Engine::Postgres) {
        return did_not_run("the query plans of PostgreSQL", &reason);
    }
    let (_database, client) = filled().await;
    client.batch_execute("TRUNCATE users, emotion_inbox CASCADE; ANALYZE").await.unwrap();
    client.batch_execute(&FIXED_PLANS.replace("true)", "false)")).await.unwrap();
    for (sql, indexes) in fixed() {
        check(sql, &plan(&client, sql).await, indexes);
    }
}

#[tokio::test]
async fn transactions_of_a_window_come_from_the_index_alone() {
    if let Some(reason) = unavailable(Engine::Postgres) {
        return did_not_run("the query plans of PostgreSQL", &reason);
    }
    let (_database, client) = filled().await;
    client.batch_execute("VACUUM transactions").await.unwrap();
    client.batch_execute(STEADY_PLANS).await.unwrap();
    let plan = plan(&client, folds::READ_FEATURES).await;
    let covered =
        plan.iter().any(|(node, _, index)| node == "Index Only Scan" && index == "transactions_by_user");
    assert!(covered, "{plan:?}");
}

/// Whoever adds a table says what becomes of it in an archive.
#[tokio::test]
async fn every_table_is_told_or_left_out_for_a_reason() {
    if let Some(reason) = unavailable(Engine::Postgres) {
        return did_not_run("what an archive leaves out of PostgreSQL", &reason);
    }
    let (_database, client) = filled().await;
    let tables = "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
         AND relnamespace = 'public'::regnamespace";
    let tables: Vec<String> = client.query(tables, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert!(tables.len() > 20, "{tables:?}");
    let forgotten: Vec<_> = tables.iter().filter(|table| held_in(table).is_none()).collect();
    assert!(forgotten.is_empty(), "say in store/src/personal_data/tables.rs what becomes of {forgotten:?}");
}
