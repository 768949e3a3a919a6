//! One statement for each section: `?1` is the person, `?2` and `?3` are the place to begin behind, `?4` is how many rows.

use ecs_store::personal_data::Section;

/// What the parts of a key are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    Number,
    Id,
}

/// How a section is read.
pub(crate) struct Reading {
    /// The key's two parts and the row.
    pub(crate) page: &'static str,
    pub(crate) count: &'static str,
    pub(super) kinds: [Kind; 2],
}

/// A section whose rows are in the order of one column, or of two.
macro_rules! reading {
    ($kind:ident $key:literal, $row:expr, $from:expr) => {
        Reading {
            page: concat!(
                "SELECT ",
                $key,
                " AS place, '', ",
                $row,
                " FROM ",
                $from,
                " AND ",
                $key,
                " > ?2 AND ?3 IS NOT NULL ORDER BY ",
                $key,
                " LIMIT ?4"
            ),
            count: concat!("SELECT count(*) FROM ", $from),
            kinds: [Kind::$kind, Kind::Text],
        }
    };
    ($kind:ident $key:literal, $other_kind:ident $other:literal, $row:expr, $from:expr) => {
        Reading {
            page: concat!(
                "SELECT ",
                $key,
                ", ",
                $other,
                ", ",
                $row,
                " FROM ",
                $from,
                " AND (",
                $key,
                ", ",
                $other,
                ") > (?2, ?3) ORDER BY ",
                $key,
                ", ",
                $other,
                " LIMIT ?4"
            ),
            count: concat!("SELECT count(*) FROM ", $from),
            kinds: [Kind::$kind, Kind::$other_kind],
        }
    };
}

/// An instant of a column of microseconds, as the other columns have it.
macro_rules! instant {
    ($column:literal) => {
        concat!(
            "CASE WHEN ",
            $column,
            " IS NOT NULL THEN strftime('%Y-%m-%dT%H:%M:%S', (",
            $column,
            " - (",
            $column,
            " % 1000000 + 1000000) % 1000000) / 1000000, 'unixepoch') || printf('.%06dZ', (",
            $column,
            " % 1000000 + 1000000) % 1000000) END"
        )
    };
}

/// A day of a column of numbers.
macro_rules! day {
    ($column:literal) => {
        concat!("date(", $column, " * 86400, 'unixepoch')")
    };
}

/// An id of a column of bytes.
macro_rules! id {
    ($column:literal) => {
        concat!(
            "lower(substr(hex(",
            $column,
            "), 1, 8) || '-' || substr(hex(",
            $column,
            "), 9, 4) || '-' || substr(hex(",
            $column,
            "), 13, 4) || '-' || substr(hex(",
            $column,
            "), 17, 4) || '-' || substr(hex(",
            $column,
            "), 21))"
        )
    };
}

/// A fraction of a column of billionths.
macro_rules! fraction {
    ($column:literal) => {
        concat!("json(printf('%d.%09d', ", $column, " / 1000000000, ", $column, " % 1000000000))")
    };
}

/// Words with spaces around them, as a list.
macro_rules! words {
    ($column:literal) => {
        concat!(
            "json(CASE trim(",
            $column,
            ") WHEN '' THEN '[]' ELSE '[\"' || replace(trim(",
            $column,
            "), ' ', '\",\"') || '\"]' END)"
        )
    };
}

/// The person as tables have them that only the platform reads.
macro_rules! person {
    () => {
        "unhex(replace(?1, '-', ''))"
    };
}

/// The days of a table whose key begins with the day: so few that looking for a person on each of them is cheap.
macro_rules! on_each_day {
    ($table:literal) => {
        concat!(
            "(WITH RECURSIVE days (day) AS (SELECT min(day) FROM ",
            $table,
            "
            UNION ALL SELECT (SELECT min(t.day) FROM ",
            $table,
            " t WHERE t.day > days.day) FROM days WHERE days.day IS NOT NULL)
         SELECT day AS on_day FROM days WHERE day IS NOT NULL) CROSS JOIN ",
            $table,
            "
         WHERE day = on_day AND user_id = ",
            person!()
        )
    };
}

/// How a section is read.
pub(crate) const fn of(section: Section) -> Reading {
    match section {
        Section::Profile
        | Section::Consents
        | Section::ConsentHistory
        | Section::Sessions
        | Section::Access
        | Section::Attributes
        | Section::Evaluations => of_account(section),
        Section::Transactions
        | Section::EmotionEvents
        | Section::EmotionSummaries
        | Section::EmotionEventIds => of_events(section),
        Section::CreditLimits
        | Section::Decisions
        | Section::Reviews
        | Section::Notifications
        | Section::Webhooks
        | Section::WebhookDeliveries => of_credit(section),
        Section::Audit | Section::DeadLetters | Section::KeptAnswers | Section::Outbox | Section::Exports => {
            of_work(section)
        }
    }
}

const fn of_account(section: Section) -> Reading {
    match section {
        Section::Consents => reading!(Text "purpose",
            "json_object('purpose', purpose, 'granted', json(CASE granted WHEN 0 THEN 'false' ELSE 'true' END),
                'text_version', text_version, 'locale', locale, 'updated_at', updated_at)",
            "consents WHERE user_id = ?1"),
        Section::ConsentHistory => reading!(Text "purpose", Number "number",
            "json_object('purpose', purpose, 'granted', json(CASE granted WHEN 0 THEN 'false' ELSE 'true' END),
                'text_version', text_version, 'locale', locale, 'said_at', said_at)",
            "consent_history WHERE user_id = ?1"),
        Section::Sessions => reading!(Id "id",
            concat!("json_object('started_at', ", instant!("started_at"), ", 'exchanged_at', ", instant!("exchanged_at"),
                ", 'expires_at', ", instant!("expires_at"), ", 'ended_at', ", instant!("ended_at"), ")"),
            "sessions WHERE user_id = ?1"),
        Section::Attributes => reading!(Text "user_id",
            "json_object('told', value, 'updated_at', updated_at)",
            "user_attributes WHERE user_id = ?1"),
        Section::Evaluations => reading!(Text "user_id",
            concat!("json_object('changed_at', ", instant!("changed_at"), ", 'due_at', ", instant!("due_at"),
                ", 'evaluated_at', ", instant!("evaluated_at"), ", 'baseline', baseline)"),
            "evaluations WHERE user_id = ?1"),
        Section::Access => reading!(Text "user_id",
            concat!("json_object('roles', ", words!("roles"), ", 'permissions', ", words!("permissions"),
                ", 'granted_by', granted_by, 'granted_at', ", instant!("granted_at"), ")"),
            "user_rights WHERE user_id = ?1"),
        _ => reading!(Text "id",
            "json_object('id', id, 'email', email, 'external_id', external_id, 'created_at', created_at,
                'updated_at', updated_at, 'version', version)",
            "users WHERE id = ?1"),
    }
}

const fn of_events(section: Section) -> Reading {
    match section {
        Section::EmotionEvents => reading!(Number "day", Id "event_id",
            concat!("json_object('event_id', ", id!("event_id"), ", 'day', ", day!("day"), ", 'occurred_at', ",
                instant!("occurred_at"), ", 'arrived_at', ", instant!("arrived_at"), ", 'kind', kind, 'positivity', ",
                fraction!("positivity"), ", 'intensity', ", fraction!("intensity"), ", 'stress', ", fraction!("stress"), ")"),
            on_each_day!("emotional_events")),
        Section::EmotionSummaries => reading!(Text "summary_date",
            "json_object('summary_date', summary_date, 'event_count', event_count,
                'stress_event_count', stress_event_count, 'positivity_sum', positivity_sum,
                'intensity_sum', intensity_sum, 'stress_sum', stress_sum,
                'avg_positivity_score', avg_positivity_score, 'avg_intensity_score', avg_intensity_score,
                'avg_stress_level', avg_stress_level, 'updated_at', updated_at)",
            "emotional_events_summary WHERE user_id = ?1"),
        Section::EmotionEventIds => reading!(Number "day", Id "event_id",
            concat!("json_object('event_id', ", id!("event_id"), ", 'day', ", day!("day"), ", 'arrived_at', ",
                instant!("arrived_at"), ", 'fate', CASE fate WHEN 1 THEN 'counted' ELSE 'discarded' END)"),
            on_each_day!("emotion_inbox")),
        _ => reading!(Text "occurred_at", Text "id",
            "json_object('id', id, 'amount', json(amount), 'currency', currency, 'merchant', merchant,
                'category', category, 'channel', channel, 'client_id', client_id, 'created_at', created_at,
                'occurred_at', occurred_at)",
            "transactions WHERE user_id = ?1"),
    }
}

const fn of_credit(section: Section) -> Reading {
    match section {
        Section::Decisions => reading!(Text "decided_at", Text "id",
            "json_object('id', id, 'decided_at', decided_at, 'outcome', outcome, 'reason', reason,
                'offer_id', offer_id, 'risk_score', risk_score, 'model_version', model_version,
                'model_digest', model_digest, 'policy_version', policy_version, 'policy_digest', policy_digest,
                'features', features, 'contributions', contributions, 'record', record)",
            "decisions WHERE user_id = ?1"),
        Section::Reviews => reading!(Text "requested_at", Text "id",
            "json_object('id', id, 'decision_id', decision_id, 'requested_at', requested_at, 'due_at', due_at,
                'comment', comment, 'claimed_at', claimed_at, 'concluded_at', concluded_at, 'outcome', outcome,
                'explanation', explanation, 'offer_id', offer_id)",
            "decision_reviews WHERE user_id = ?1"),
        Section::Notifications => reading!(Number "sequence",
            "json_object('id', id, 'sequence', sequence, 'type', type, 'title', title, 'message', message,
                'offer_id', offer_id, 'decision_id', decision_id, 'created_at', created_at, 'stored_at', stored_at, 'read_at', read_at)",
            "notifications WHERE user_id = ?1"),
        Section::Webhooks => reading!(Number "created_at", Text "id",
            concat!("json_object('id', id, 'url', url, 'host', host, 'created_at', ", instant!("created_at"),
                ", 'failing_since', ", instant!("failing_since"), ", 'disabled_at', ", instant!("disabled_at"),
                ", 'disabled_reason', disabled_reason)"),
            "webhooks WHERE user_id = ?1"),
        Section::WebhookDeliveries => reading!(Text "webhook_id", Text "notification_id",
            concat!("json_object('webhook_id', webhook_id, 'notification_id', notification_id, 'host', d.host,
                'state', state, 'attempts', attempts, 'next_attempt_at', ", instant!("next_attempt_at"),
                ", 'created_at', ", instant!("d.created_at"), ", 'log', log)"),
            "webhooks w JOIN webhook_deliveries d ON d.webhook_id = w.id WHERE w.user_id = ?1"),
        _ => reading!(Text "created_at", Text "id",
            "json_object('id', id, 'status', status, 'credit_limit', json(credit_limit),
                'interest_rate', json(interest_rate), 'credit_type', credit_type, 'expires_at', expires_at,
                'accepted_at', accepted_at, 'activated_at', activated_at, 'created_at', created_at,
                'updated_at', updated_at)",
            "credit_limits WHERE user_id = ?1"),
    }
}

const fn of_work(section: Section) -> Reading {
    match section {
        // What an operator changed about somebody else is that one's affair.
        Section::Audit => reading!(Number "number",
            concat!("json_object('number', number, 'at', ", instant!("at"), ", 'actor', ", id!("actor"),
                ", 'act', act, 'subject', subject, 'before', CASE subject WHEN ?1 THEN was END,
                'after', CASE subject WHEN ?1 THEN became END)"),
            concat!("(SELECT * FROM audit_entries WHERE subject = ?1 UNION ALL SELECT * FROM audit_entries WHERE actor = ",
                person!(), " AND subject <> ?1) entries WHERE true")),
        Section::DeadLetters => reading!(Number "row",
            "json_object('event_id', event_id, 'subject', subject, 'group', \"group\", 'kind', kind,
                'reason', reason, 'history', history,
                'payload', CASE state WHEN 'waiting' THEN hex(payload) END, 'schema_version', schema_version,
                'request_id', request_id, 'created_at', created_at, 'state', state, 'state_at', state_at,
                'replays', replays)",
            "dead_letters WHERE key = ?1"),
        Section::KeptAnswers => reading!(Text "scope", Text "key",
            concat!("json_object('key', key, 'call', substr(scope, 38), 'created_at', ", instant!("created_at"), ")"),
            "idempotency_keys WHERE scope >= ?1 || ' ' AND scope < ?1 || '!'"),
        Section::Outbox => reading!(Number "row",
            "json_object('event_id', event_id, 'subject', subject, 'payload', hex(payload),
                'schema_version', schema_version, 'request_id', request_id)",
            "outbox WHERE key = ?1"),
        _ => reading!(Number "requested_at", Text "id",
            concat!("json_object('id', id, 'requested_at', ", instant!("requested_at"), ", 'state', state, 'done', done,
                'total', total, 'finished_at', ", instant!("finished_at"), ", 'expires_at', ", instant!("expires_at"),
                ", 'bytes', bytes, 'failure', failure)"),
            "exports WHERE user_id = ?1"),
    }
}
