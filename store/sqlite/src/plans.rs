//! Hot queries must have an index: SQLite's own plan says SEARCH, and never SCAN of a table.

use rusqlite::Connection;

use crate::{
    audit, books, consents, credit, dead_letters, folds, idempotency, maintenance, migrations, notifications,
    outbox, replays, rights, sessions, users, webhooks,
};

/// The statement's plan, line by line. Parameters are left unbound: plans don't look at them.
fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut rows = statement.raw_query();
    let mut lines = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        lines.push(row.get(3).unwrap());
    }
    lines
}

/// What accounts and log-ins cause.
fn statements_of_accounts() -> Vec<&'static str> {
    vec![
        users::BY_ID,
        users::BY_EXTERNAL_ID,
        users::CREDENTIALS,
        users::EMAIL_TAKEN,
        sessions::BEGIN,
        sessions::FIND,
        sessions::ADVANCE,
        sessions::END,
        sessions::END_ALL,
        sessions::PASSWORD,
        sessions::CHANGE_PASSWORD,
        rights::OF_USER,
        rights::SET_VERSION,
        rights::AFTER,
        audit::UNSEALED,
        audit::OF_BATCH,
        audit::BY_SUBJECT,
        audit::BY_ACTOR,
        audit::NEWEST,
        audit::LAST,
        audit::SEAL,
        audit::BATCHES,
        audit::NEWEST_BATCH,
    ]
}

/// What events and other requests cause.
fn statements_of_work() -> Vec<&'static str> {
    use {
        credit::{decision_statements as decisions, offer_statements as offers},
        folds::{emotion_statements as emotions, feature_statements as features},
    };
    vec![
        consents::GET,
        consents::HISTORY,
        emotions::STANDING,
        emotions::HAS_RAW,
        emotions::HAS_IDS,
        emotions::FIND_RAW,
        emotions::FIND_ID,
        emotions::RENEW_RAW,
        emotions::RENEW_ID,
        features::ACCOUNT,
        features::TRANSACTIONS,
        features::LAST_TRANSACTION,
        features::EMOTIONS,
        decisions::LAST,
        decisions::BY_ID,
        offers::FIND,
        offers::COUNT,
        offers::PAGE,
        offers::ACCEPT,
        offers::ACTIVATE,
        offers::EXPIRE,
        outbox::ANY_FREE,
        outbox::FREE,
        outbox::RELEASE_FUTURE,
        outbox::CLAIM,
        outbox::FINISH,
        notifications::INSERT,
        notifications::COUNT,
        notifications::UNREAD,
        notifications::PAGE,
        notifications::AFTER,
        notifications::LAST,
        notifications::MARK_ONE,
        notifications::MARK_UP_TO,
        dead_letters::WAITS,
        dead_letters::SETTLED,
        dead_letters::FULL,
        dead_letters::TO_OUTBOX,
        dead_letters::REPLAY,
        dead_letters::DROP,
        idempotency::FIND,
        idempotency::KEEP,
        idempotency::RELEASE,
    ]
}

/// What webhooks cause.
fn statements_of_webhooks() -> Vec<&'static str> {
    use webhooks::{deliveries, endpoints};
    vec![
        endpoints::COUNT,
        endpoints::OF_USER,
        endpoints::FIND,
        endpoints::MOVE,
        endpoints::ENABLE,
        endpoints::DISABLE,
        endpoints::ROTATE,
        endpoints::REMOVE,
        endpoints::RESEAL,
        deliveries::MAKE,
        deliveries::ANY_DUE,
        deliveries::DUE,
        deliveries::CLAIM,
        deliveries::WEBHOOK,
        deliveries::SETTLE,
        deliveries::SUCCEED,
        deliveries::FAIL,
        deliveries::GIVE_UP,
        deliveries::MOVE,
        deliveries::COUNT,
        deliveries::PAGE,
        deliveries::RESEND,
        deliveries::FORGET,
        notifications::BY_ID,
    ]
}

/// What the books and the upkeep cause.
fn statements_of_care() -> Vec<&'static str> {
    use books::{counted_statements as counted, fate_statements as fates, mismatch_statements as mismatches};
    use replays::{logged_statements as logged, piece_statements as pieces};
    vec![
        fates::RAW,
        fates::INBOX,
        fates::TRANSACTION,
        fates::LETTERS,
        counted::RAW,
        counted::INBOX,
        counted::TRANSACTIONS,
        mismatches::NEXT_RAW,
        mismatches::NEXT_INBOX,
        mismatches::NEXT_SUMMARY,
        mismatches::RAW,
        mismatches::INBOX,
        mismatches::SUMMARY,
        pieces::NEXT_RAW,
        pieces::NEXT_LIVE,
        pieces::RAW,
        pieces::LIVE,
        pieces::HAS_IDS,
        logged::COUNTED_ID,
        logged::NEXT,
        logged::LOGGED,
        logged::NEWER,
        logged::LIVE,
        logged::HAS_OTHER_IDS,
        logged::ROWS,
        logged::IS_LOGGED,
        replays::OLD_ROWS,
        dead_letters::FORGET,
        idempotency::RELEASE_ALL,
        idempotency::OLD,
        idempotency::DROP,
        sessions::DROP_OLD,
        maintenance::CHUNK_END,
        maintenance::KEEP_IDS,
        maintenance::DROP_RAW,
        maintenance::OLD_IDS,
        maintenance::DROP_ID,
    ]
}

#[test]
fn every_hot_statement_has_its_index() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrations::apply(&mut connection).unwrap();
    let all =
        [statements_of_accounts(), statements_of_work(), statements_of_webhooks(), statements_of_care()];
    for sql in all.into_iter().flatten() {
        let plan = plan(&connection, sql);
        assert!(plan.iter().any(|line| line.contains("SEARCH")), "no index for {sql}: {plan:?}");
        let scans = plan.iter().any(|line| line.starts_with("SCAN") && !line.contains("CONSTANT ROW"));
        assert!(!scans, "a scan in {sql}: {plan:?}");
        let sorts = plan.iter().any(|line| line.contains("TEMP B-TREE"));
        assert!(!sorts, "a sort in {sql}: {plan:?}");
    }
}

#[test]
fn transactions_of_a_window_come_from_the_index_alone() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrations::apply(&mut connection).unwrap();
    let plan = plan(&connection, folds::feature_statements::TRANSACTIONS);
    assert!(plan.iter().any(|line| line.contains("COVERING INDEX transactions_by_user")), "{plan:?}");
}
