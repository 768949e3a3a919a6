//! Statements about decisions, and the indexes they are to be read by.

use crate::{backtests, credit, evaluations, policies, watch};

/// A statement, and the indexes of which its plan has to name one each.
type Indexed = (&'static str, &'static [&'static str]);

/// What policies are read by.
pub(super) fn of_policies() -> Vec<Indexed> {
    vec![
        (policies::FIND, &["policies_pkey"]),
        (policies::LOCK, &["policies_pkey"]),
        (policies::OF_DIGEST, &["policies_digest_key"]),
        (policies::SCHEDULED, &["policies_by_time"]),
        (policies::LIST, &["policies_by_age"]),
        (policies::CHANGE, &["policies_pkey"]),
    ]
}

/// The same of what people read of their own decisions, and of reviews.
pub(super) fn of_reviews() -> Vec<Indexed> {
    use credit::{decision_statements as decisions, reviews::statements as reviews};
    vec![
        (decisions::OWNED, &["decisions_pkey"]),
        (decisions::OWNER, &["decisions_pkey"]),
        (decisions::COUNT, &["decisions_by_user"]),
        (decisions::PAGE, &["decisions_by_user"]),
        (reviews::IS_UNDER_WAY, &["decision_reviews"]),
        (reviews::FIND, &["decision_reviews_pkey"]),
        (reviews::BY_IDS, &["decision_reviews_pkey"]),
        (credit::offer_statements::BY_IDS, &["credit_limits_pkey"]),
        (reviews::OF_DECISION, &["decision_reviews_of_decision"]),
        (reviews::COUNT, &["decision_reviews_by_state"]),
        (reviews::PAGE, &["decision_reviews_by_state"]),
        (reviews::PAGE_BACK, &["decision_reviews_by_state"]),
        (reviews::LOCK, &["decision_reviews_pkey"]),
        (reviews::CLAIM, &["decision_reviews_pkey"]),
        (reviews::CONCLUDE, &["decision_reviews_pkey"]),
        (reviews::WITHDRAW, &["credit_limits_pkey", "decisions_pkey"]),
        (reviews::BACKLOG, &["decision_reviews_by_state"]),
    ]
}

/// The same of evaluations that nobody asked for.
pub(super) fn of_evaluations() -> Vec<Indexed> {
    use evaluations::statements;
    vec![
        (statements::NOTE, &["consents_to_pre_approval", "evaluations_pkey"]),
        (statements::RELEASE_FUTURE, &["evaluations_due", "evaluations_pkey"]),
        (statements::CLAIM, &["evaluations_due", "evaluations_pkey"]),
        (statements::AWAITED, &["evaluations_pkey", "consents_"]),
        (statements::OFFERED, &["credit_limits_by_user"]),
    ]
}

/// The same of backtests of policies.
pub(super) fn of_backtests() -> Vec<Indexed> {
    use backtests::statements;
    vec![
        (statements::UNDER_WAY, &["backtests_"]),
        (statements::FIND, &["backtests_pkey"]),
        (statements::LIST, &["backtests_of_policy"]),
        (statements::ANY_DUE, &["backtests_due"]),
        (statements::CLAIM, &["backtests_due", "backtests_pkey"]),
        (statements::ADVANCE, &["backtests_pkey"]),
        (statements::END, &["backtests_pkey"]),
        (statements::ADD_FLIPS, &["users_pkey", "backtests_pkey"]),
        (statements::FLIPS, &["backtest_flips_pkey"]),
        (statements::DROP_FLIPS, &["backtest_flips_pkey"]),
        (statements::DROP_LATER_FLIPS, &["backtests_pkey", "backtest_flips_pkey"]),
        (statements::COUNT, &["decision_log_by_day"]),
        (statements::EXPIRE, &["backtests_ended", "backtests_pkey"]),
    ]
}

/// The same of the watch over decisions.
pub(super) fn of_watch() -> Vec<Indexed> {
    use watch::statements;
    vec![
        (statements::COUNT, &["watch_progress_pkey"]),
        (statements::FORGET, &["watch_days_pkey"]),
        (statements::SUMS, &["watch_days_pkey"]),
        (statements::CHANGE, &["watch_standings_pkey"]),
        (statements::PEOPLE, &["user_attributes_pkey", "decisions_by_user"]),
    ]
}
