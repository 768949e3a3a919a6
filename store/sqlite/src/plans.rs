//! Hot queries must have an index: SQLite's own plan says SEARCH, and never SCAN of a table.

use ecs_store::personal_data::{Section, held_in};
use rusqlite::Connection;

use crate::{
    ageing, attributes, audit, backtests, books, consents, credit, dead_letters, decision_log, erasures,
    evaluations, exports, folds, idempotency, maintenance, migrations, notifications, outbox, personal_data,
    policies, replays, research, rights, sessions, users, watch, webhooks,
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
        audit::STILL_UNSEALED,
        audit::OF_BATCH,
        audit::BY_SUBJECT,
        audit::BY_ACTOR,
        audit::NEWEST,
        audit::SEAL,
    ]
}

/// What chains the logs, and what the log of decisions is read by.
fn statements_of_logs() -> Vec<&'static str> {
    let batches = [audit::CHAIN.hot(), decision_log::CHAIN.hot()].concat();
    let entries = [
        decision_log::UNSEALED,
        decision_log::OF_BATCH,
        decision_log::AFTER,
        decision_log::OF_USER,
        decision_log::WENT,
        decision_log::SEAL,
    ];
    [batches, entries.to_vec()].concat()
}

/// What events and other requests cause.
fn statements_of_work() -> Vec<&'static str> {
    use {
        credit::{decision_statements as decisions, offer_statements as offers},
        folds::{emotion_statements as emotions, feature_statements as features},
    };
    vec![
        erasures::IS_ERASED,
        users::PLAIN,
        attributes::GET,
        attributes::PUT,
        attributes::DELETE,
        research::PEOPLE,
        research::TRANSACTIONS,
        research::EMOTIONS,
        research::DECISIONS,
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

/// What policies cause, and what they ask of a person. Lists of them are short, and read whole.
fn statements_of_policies() -> Vec<&'static str> {
    use credit::decision_statements as decisions;
    vec![
        decisions::EXPOSURE,
        decisions::LAST_DENIAL,
        policies::TAKEN,
        policies::FIND,
        policies::OF_DIGEST,
        policies::CHANGE,
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

/// What people read of their own decisions, and what reviews cause.
fn statements_of_reviews() -> Vec<&'static str> {
    use credit::{decision_statements as decisions, reviews::statements as reviews};
    vec![
        decisions::OWNED,
        decisions::OWNER,
        decisions::COUNT,
        decisions::PAGE,
        reviews::HAS_DECISION,
        reviews::IS_UNDER_WAY,
        reviews::FIND,
        reviews::OF_DECISION,
        reviews::COUNT,
        reviews::PAGE,
        reviews::PAGE_BACK,
        reviews::CLAIM,
        reviews::CONCLUDE,
        reviews::WITHDRAW,
        reviews::BACKLOG,
    ]
}

/// What evaluations that nobody asked for cause.
fn statements_of_evaluations() -> Vec<&'static str> {
    use evaluations::statements;
    vec![
        statements::NOTE,
        statements::ANY_DUE,
        statements::RELEASE_FUTURE,
        statements::CLAIM,
        statements::AWAITED,
        statements::OFFERED,
    ]
}

/// What the watch over decisions causes.
fn statements_of_watch() -> Vec<&'static str> {
    use watch::statements;
    vec![statements::FORGET, statements::CHANGE, statements::TOLD, statements::LAST_ANSWER]
}

/// What archives for people cause.
fn statements_of_exports() -> Vec<&'static str> {
    use exports::statements;
    vec![
        statements::KNOWN,
        statements::UNDER_WAY,
        statements::PUSH_OUT,
        statements::LIST,
        statements::FIND,
        statements::ANY_DUE,
        statements::CLAIM,
        statements::ADVANCE,
        statements::END,
        statements::REMOVE,
        statements::EXPIRE,
        statements::CHUNK,
        statements::DROP_CHUNKS,
    ]
}

/// What backtests of policies cause. Those under way are counted by an index that holds no others.
fn statements_of_backtests() -> Vec<&'static str> {
    use backtests::statements;
    vec![
        statements::FIND,
        statements::LIST,
        statements::ANY_DUE,
        statements::CLAIM,
        statements::ADVANCE,
        statements::END,
        statements::ADD_FLIP,
        statements::FLIPS,
        statements::DROP_FLIPS,
        statements::COUNT,
        statements::EXPIRE,
    ]
}

/// What the books and the upkeep cause.
fn statements_of_care() -> Vec<&'static str> {
    use ageing::statements as aged;
    use books::{counted_statements as counted, fate_statements as fates, mismatch_statements as mismatches};
    use replays::{logged_statements as logged, piece_statements as pieces};
    vec![
        aged::SUMMARIES,
        aged::DENIALS,
        aged::EXPIRED,
        aged::REVIEWS,
        aged::DECISION,
        aged::OFFER,
        aged::NOTIFICATIONS,
        aged::UP_TO,
        aged::GO_ON_BEHIND,
        aged::LETTERS,
        aged::SECRETS,
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
    let all = [
        statements_of_accounts(),
        statements_of_logs(),
        statements_of_work(),
        statements_of_policies(),
        statements_of_webhooks(),
        statements_of_exports(),
        statements_of_backtests(),
        statements_of_watch(),
        statements_of_evaluations(),
        statements_of_reviews(),
        statements_of_care(),
    ];
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

/// They are added up over the bins, so there is a sort of a few thousand sums; the days are found by the index.
#[test]
fn days_of_the_watch_are_found_by_their_days() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrations::apply(&mut connection).unwrap();
    let plan = plan(&connection, watch::statements::SUMS);
    assert!(plan.iter().any(|line| line.contains("SEARCH watch_days USING PRIMARY KEY")), "{plan:?}");
}

/// The outbox is short, and has no index by its events' keys.
#[test]
fn what_is_held_on_a_person_is_found_by_the_person() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrations::apply(&mut connection).unwrap();
    for section in Section::ALL.iter().filter(|section| **section != Section::Outbox) {
        let reading = personal_data::statements::of(*section);
        for sql in [reading.page, reading.count] {
            let plan = plan(&connection, sql);
            // The days that a table has are a list of a few.
            let few = |line: &str| {
                ["CONSTANT ROW", "SCAN days", "SCAN (subquery", "SCAN entries"]
                    .iter()
                    .any(|few| line.contains(few))
            };
            let scans = plan.iter().any(|line| line.starts_with("SCAN") && !few(line));
            assert!(!scans, "a scan in {sql}: {plan:?}");
            // The number of a row is an index, too, but one of everybody's.
            let of_all =
                plan.iter().any(|line| line.contains("INTEGER PRIMARY KEY") && line.contains("rowid>"));
            assert!(!of_all, "rows of everybody in {sql}: {plan:?}");
        }
    }
}

/// Whoever adds a table says what becomes of it in an archive.
#[test]
fn every_table_is_told_or_left_out_for_a_reason() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrations::apply(&mut connection).unwrap();
    let mut statement = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .unwrap();
    let tables: Vec<String> =
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    assert!(tables.len() > 20, "{tables:?}");
    let forgotten: Vec<_> = tables.iter().filter(|table| held_in(table).is_none()).collect();
    assert!(forgotten.is_empty(), "say in store/src/personal_data/tables.rs what becomes of {forgotten:?}");
}
