//! Every class of data that the platform keeps: what it is, where, for how long, who forgets it, and whether a person can have it
//! forgotten earlier. docs/retention.md has the same table; tests hold it against this one, and this one against the tables.

/// A class of data.
#[derive(Debug, Clone, Copy)]
pub struct DataClass {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// The tables of the store that it stands in; none where it stands elsewhere.
    pub tables: &'static [&'static str],
    /// For how long it is kept.
    pub kept: Kept,
    /// The role whose sweep forgets it; none where nothing is swept.
    pub sweeper: Option<&'static str>,
    /// What a person can have done about it before its time.
    pub earlier: Earlier,
}

/// For how long something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// For as many days as a setting says.
    Days(&'static str),
    /// For a time that no setting changes, in words.
    For(&'static str),
}

/// What a person can have done about a class before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// They can delete it themselves, by this call.
    Call(&'static str),
    /// It goes when the person is erased.
    Erasure,
    /// It stays, and why.
    No(&'static str),
}

impl Earlier {
    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call(words) | Self::No(words) => words,
            Self::Erasure => "with the account",
        }
    }
}

const OPERATIONS: Option<&str> = Some("operations");
const EMOTIONS: Option<&str> = Some("emotion-processing");
const ACCOUNT: Kept = Kept::For("as long as the account");

const fn class(
    name: &'static str,
    tables: &'static [&'static str],
    about: &'static str,
    kept: Kept,
    sweeper: Option<&'static str>,
    earlier: Earlier,
) -> DataClass {
    DataClass { name, about, tables, kept, sweeper, earlier }
}

/// The classes, what is closest to people first.
pub const CLASSES: &[DataClass] = &[
    class(
        "accounts",
        &["users"],
        "address, partner's id, hash of the password",
        ACCOUNT,
        None,
        Earlier::Erasure,
    ),
    class(
        "consent",
        &["consents", "consent_history"],
        "each yes and no with the text that was shown: the proof of what was allowed when",
        ACCOUNT,
        None,
        Earlier::Erasure,
    ),
    class(
        "attributes",
        &["user_attributes"],
        "age band and region, told by the person",
        Kept::For("as long as consent to `demographics`"),
        None,
        Earlier::Call("`DELETE /v1/users/{user_id}/attributes`"),
    ),
    class(
        "evaluations",
        &["evaluations"],
        "when somebody who said yes was evaluated without asking, and their features then",
        ACCOUNT,
        None,
        Earlier::Call("`DELETE /v1/users/{user_id}/consents/pre-approval`"),
    ),
    class(
        "raw emotion events",
        &["emotional_events"],
        "what was felt at a moment",
        Kept::Days("ECS_RAW_EMOTION_DAYS"),
        EMOTIONS,
        Earlier::Erasure,
    ),
    class(
        "ids of emotion events",
        &["emotion_inbox"],
        "no values; so that a repeat counts once",
        Kept::For("a day longer than the bus keeps emotion events"),
        EMOTIONS,
        Earlier::No("they say nothing, and go by themselves"),
    ),
    class(
        "emotion summaries",
        &["emotional_events_summary"],
        "sums and means of a day",
        Kept::Days("ECS_RETENTION_SUMMARY_DAYS"),
        OPERATIONS,
        Earlier::Erasure,
    ),
    class(
        "transactions",
        &["transactions"],
        "amount, merchant, category and channel of purchases and sales",
        Kept::Days("ECS_RETENTION_TRANSACTION_DAYS"),
        OPERATIONS,
        Earlier::Erasure,
    ),
    class(
        "decisions and offers",
        &["decisions", "credit_limits"],
        "denials, and offers that nobody accepted in time, with the features that led to them",
        Kept::Days("ECS_RETENTION_DECISION_DAYS"),
        OPERATIONS,
        Earlier::Erasure,
    ),
    class(
        "credits",
        &["credit_limits", "decisions"],
        "offers that were accepted, with the decision behind them",
        ACCOUNT,
        None,
        Earlier::No("with the account, where a privacy officer lets them go along"),
    ),
    class(
        "reviews",
        &["decision_reviews"],
        "wishes for a person to look at a decision, and what came of them; sealed",
        Kept::For("as long as their decision"),
        OPERATIONS,
        Earlier::Erasure,
    ),
    class(
        "notifications",
        &["notifications"],
        "what the customer was told",
        Kept::Days("ECS_RETENTION_NOTIFICATION_DAYS"),
        OPERATIONS,
        Earlier::Erasure,
    ),
    class(
        "webhooks",
        &["webhooks"],
        "addresses, and sealed secrets; one that was replaced goes when its overlap is over",
        ACCOUNT,
        OPERATIONS,
        Earlier::Call("`DELETE /v1/users/{user_id}/webhooks/{webhook_id}`"),
    ),
    class(
        "deliveries",
        &["webhook_deliveries"],
        "attempts at webhooks that came to an end",
        Kept::For("30 days"),
        Some("notification"),
        Earlier::Call("with their webhook"),
    ),
    class(
        "sessions",
        &["sessions"],
        "log-ins; no token",
        Kept::For("a day longer than ECS_SESSION_DAYS"),
        EMOTIONS,
        Earlier::Call("`POST /v1/auth/logout-everywhere` ends them"),
    ),
    class("rights", &["user_rights"], "roles and permissions", ACCOUNT, None, Earlier::Erasure),
    class(
        "changes of rights",
        &["changes", "newest_change"],
        "whose tokens hold no more",
        Kept::For("a day"),
        EMOTIONS,
        Earlier::No("they say nothing, and go by themselves"),
    ),
    class(
        "answers to keyed requests",
        &["idempotency_keys"],
        "what a request with an `Idempotency-Key` was answered",
        Kept::For("a day"),
        EMOTIONS,
        Earlier::Erasure,
    ),
    class(
        "dead letters that wait",
        &["dead_letters"],
        "events that were given up, to the byte",
        Kept::Days("ECS_RETENTION_DEAD_LETTER_DAYS"),
        OPERATIONS,
        Earlier::Erasure,
    ),
    class(
        "dead letters that were decided about",
        &["dead_letters"],
        "ids, reasons and times; no payload",
        Kept::For("a day longer than the bus keeps events"),
        OPERATIONS,
        Earlier::No("they say nothing, and go by themselves"),
    ),
    class(
        "emotion events on the bus",
        &[],
        "what was felt at a moment",
        Kept::Days("ECS_EMOTION_BUS_DAYS"),
        EMOTIONS,
        Earlier::No("a log is not rewritten; replays honour erasure"),
    ),
    class(
        "other events on the bus",
        &["outbox"],
        "transactions, acceptances, notifications; in the store until they are published",
        Kept::Days("ECS_BUS_DAYS"),
        Some("the role that works on them"),
        Earlier::No("a log is not rewritten; replays honour erasure"),
    ),
    class(
        "the audit log",
        &["audit_entries", "audit_batches"],
        "who did what to whom: ids, rights and answers about consent",
        Kept::For("for good"),
        None,
        Earlier::No("it is the proof, and holds no values"),
    ),
    class(
        "the decision log",
        &["decision_log", "decision_batches"],
        "that each decision was made or reviewed, and that it went for its age: ids, times and digests",
        Kept::For("for good"),
        None,
        Earlier::No("it is the proof, and holds no values"),
    ),
    class(
        "policies",
        &["policies"],
        "versions of the credit policy, and the ids of those who drafted, approved and withdrew them",
        Kept::For("for good"),
        None,
        Earlier::No("they are the rules that decisions were made by, and two people answer for them"),
    ),
    class(
        "backtests",
        &["backtests", "backtest_flips"],
        "what [drafts of the policy](policies.md#policy-lab) would have decided: counts and sums, and the ids of decisions that flip",
        Kept::For("30 days"),
        Some("user-and-credit"),
        Earlier::Erasure,
    ),
    class(
        "counts of the watch",
        &["watch_days", "watch_standings"],
        "how many decisions of a day fell where, and what was told of that; nobody's ids",
        Kept::For("as long as the days that [the watch](watch.md) compares"),
        OPERATIONS,
        Earlier::No("they are sums over everybody"),
    ),
    class(
        "salts of exports",
        &[],
        "what pseudonyms of [exports](research.md) are made with, in the vault",
        Kept::For("the calendar month"),
        None,
        Earlier::No("they are about nobody"),
    ),
    class(
        "archives",
        &["exports", "export_chunks"],
        "what [archives](export.md) were asked for, and their sealed bytes for seven days",
        ACCOUNT,
        Some("user-and-credit"),
        Earlier::Call("`DELETE /v1/users/{user_id}/exports/{export_id}`"),
    ),
    class(
        "erasures",
        &["erasures"],
        "whose [erasure](privacy.md) was asked for, and how far it is: an id, times and a count",
        Kept::For("for good"),
        None,
        Earlier::No("so that nothing of the person is taken in again"),
    ),
    class(
        "workings",
        &[
            "schema_migrations",
            "raw_floor",
            "vault_of_keys",
            "aged",
            "replay",
            "replay_shadow",
            "replay_log",
            "watch_progress",
        ],
        "how far the platform's own work is; a replay that was given up loses what it took in after a day",
        Kept::For("for good"),
        EMOTIONS,
        Earlier::No("they are about nobody, or gone with the replay"),
    ),
];

#[cfg(test)]
mod tests {
    use ecs_store::{Aged, Swept};

    use super::*;

    /// What went for its age is told in the audit log by the names that this table has.
    #[test]
    fn the_audit_log_names_classes_of_this_table() {
        let told = Aged::ALL.map(Aged::class).into_iter().chain(Swept::ALL.map(Swept::class));
        for name in told {
            let class = CLASSES.iter().find(|class| class.name == name);
            assert!(class.is_some_and(|class| class.sweeper.is_some()), "{name}");
        }
    }
}
