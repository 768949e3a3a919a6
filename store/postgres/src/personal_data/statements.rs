//! One statement for each section: `$1` is the person, `$2` and `$3` are the place to begin behind, `$4` is how many rows.

use ecs_store::personal_data::Section;

/// How a section is read.
pub(crate) struct Reading {
    /// The key's two parts and the row.
    pub(crate) page: &'static str,
    pub(crate) count: &'static str,
    /// What comes before every place.
    pub(super) before_all: [&'static str; 2],
}

/// What comes before every value of a type, and whom no key is.
macro_rules! before_all {
    (bigint) => {
        "-9223372036854775808"
    };
    (timestamptz) => {
        "-infinity"
    };
    (date) => {
        "-infinity"
    };
    (uuid) => {
        "00000000-0000-0000-0000-000000000000"
    };
    (text) => {
        ""
    };
}

/// A section whose rows are in the order of one column, or of two. What is told is not called `row`: tables have a column of that name,
/// and `ORDER BY` would take the answer's.
macro_rules! reading {
    ($kind:ident $key:literal, $row:expr, $from:expr) => {
        Reading {
            page: concat!(
                "SELECT ",
                $key,
                "::text AS place, '' AS and_then, ",
                $row,
                "::text AS told FROM ",
                $from,
                " AND ",
                $key,
                " > $2::text::",
                stringify!($kind),
                " AND $3::text IS NOT NULL ORDER BY ",
                $key,
                " LIMIT $4"
            ),
            count: concat!("SELECT count(*) FROM ", $from),
            before_all: [before_all!($kind), ""],
        }
    };
    ($kind:ident $key:literal, $other_kind:ident $other:literal, $row:expr, $from:expr) => {
        Reading {
            page: concat!(
                "SELECT ",
                $key,
                "::text AS place, ",
                $other,
                "::text AS and_then, ",
                $row,
                "::text AS told FROM ",
                $from,
                " AND (",
                $key,
                ", ",
                $other,
                ") > ($2::text::",
                stringify!($kind),
                ", $3::text::",
                stringify!($other_kind),
                ") ORDER BY ",
                $key,
                ", ",
                $other,
                " LIMIT $4"
            ),
            count: concat!("SELECT count(*) FROM ", $from),
            before_all: [before_all!($kind), before_all!($other_kind)],
        }
    };
}

/// An instant, whatever the session's time zone and manner of writing is.
macro_rules! instant {
    ($column:literal) => {
        concat!("to_char(", $column, " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
    };
}

/// A fraction of a column of billionths.
macro_rules! fraction {
    ($column:literal) => {
        concat!("(", $column, "::numeric / 1000000000)::numeric(10, 9)")
    };
}

/// The raw events of a person: for each day's partition, what its key finds. `OFFSET 0` keeps the planner from reading them whole.
macro_rules! on_each_partition {
    () => {
        "(SELECT to_date(right(c.relname::text, 8), 'YYYYMMDD') AS on_day FROM pg_inherits i
            JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'emotional_events'::regclass) days
         CROSS JOIN LATERAL (SELECT e.* FROM emotional_events e WHERE e.day = on_day AND e.user_id = $1 OFFSET 0) of_day
         WHERE true"
    };
}

/// The same of a table whose key begins with the day, and which has so few days that looking at each of them is cheap.
macro_rules! on_each_day {
    ($table:literal) => {
        concat!(
            "(WITH RECURSIVE days (day) AS (
                (SELECT t.day FROM ",
            $table,
            " t ORDER BY t.day LIMIT 1)
                UNION ALL SELECT (SELECT t.day FROM ",
            $table,
            " t WHERE t.day > days.day ORDER BY t.day LIMIT 1)
                FROM days WHERE days.day IS NOT NULL)
            SELECT day AS on_day FROM days WHERE day IS NOT NULL) days
         CROSS JOIN LATERAL (SELECT t.* FROM ",
            $table,
            " t WHERE t.day = on_day AND t.user_id = $1 OFFSET 0) of_day
         WHERE true"
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
        Section::Consents => reading!(text "purpose",
            concat!("json_build_object('purpose', purpose, 'granted', granted, 'text_version', text_version,
                'locale', locale, 'updated_at', ", instant!("updated_at"), ")"),
            "consents WHERE user_id = $1"),
        Section::ConsentHistory => reading!(text "purpose", bigint "number",
            concat!("json_build_object('purpose', purpose, 'granted', granted, 'text_version', text_version,
                'locale', locale, 'said_at', ", instant!("said_at"), ")"),
            "consent_history WHERE user_id = $1"),
        Section::Sessions => reading!(uuid "id",
            concat!("json_build_object('started_at', ", instant!("started_at"), ", 'exchanged_at', ",
                instant!("exchanged_at"), ", 'expires_at', ", instant!("expires_at"), ", 'ended_at', ",
                instant!("ended_at"), ")"),
            "sessions WHERE user_id = $1"),
        Section::Attributes => reading!(uuid "user_id",
            concat!("json_build_object('told', value, 'updated_at', ", instant!("updated_at"), ")"),
            "user_attributes WHERE user_id = $1"),
        Section::Evaluations => reading!(uuid "user_id",
            concat!("json_build_object('changed_at', ", instant!("changed_at"), ", 'due_at', ", instant!("due_at"),
                ", 'evaluated_at', ", instant!("evaluated_at"), ", 'baseline', baseline)"),
            "evaluations WHERE user_id = $1"),
        Section::Access => reading!(uuid "user_id",
            concat!("json_build_object('roles', roles, 'permissions', permissions, 'granted_by', granted_by,
                'granted_at', ", instant!("granted_at"), ")"),
            "user_rights WHERE user_id = $1"),
        _ => reading!(uuid "id",
            concat!("json_build_object('id', id, 'email', email, 'external_id', external_id, 'created_at', ",
                instant!("created_at"), ", 'updated_at', ", instant!("updated_at"), ", 'version', version)"),
            "users WHERE id = $1"),
    }
}

const fn of_events(section: Section) -> Reading {
    match section {
        Section::EmotionEvents => reading!(date "day", uuid "event_id",
            concat!("json_build_object('event_id', event_id, 'day', day, 'occurred_at', ", instant!("occurred_at"),
                ", 'arrived_at', ", instant!("arrived_at"), ", 'kind', kind, 'positivity', ", fraction!("positivity"),
                ", 'intensity', ", fraction!("intensity"), ", 'stress', ", fraction!("stress"), ")"),
            on_each_partition!()),
        Section::EmotionSummaries => reading!(date "summary_date",
            concat!("json_build_object('summary_date', summary_date, 'event_count', event_count,
                'stress_event_count', stress_event_count, 'positivity_sum', positivity_sum,
                'intensity_sum', intensity_sum, 'stress_sum', stress_sum,
                'avg_positivity_score', avg_positivity_score, 'avg_intensity_score', avg_intensity_score,
                'avg_stress_level', avg_stress_level, 'updated_at', ", instant!("updated_at"), ")"),
            "emotional_events_summary WHERE user_id = $1"),
        Section::EmotionEventIds => reading!(date "day", uuid "event_id",
            concat!("json_build_object('event_id', event_id, 'day', day, 'arrived_at', ", instant!("arrived_at"),
                ", 'fate', CASE fate WHEN 1 THEN 'counted' ELSE 'discarded' END)"),
            on_each_day!("emotion_inbox")),
        _ => reading!(timestamptz "occurred_at", uuid "id",
            concat!("json_build_object('id', id, 'amount', amount, 'currency', currency, 'merchant', merchant,
                'category', category, 'channel', channel, 'client_id', client_id, 'created_at', ",
                instant!("created_at"), ", 'occurred_at', ", instant!("occurred_at"), ")"),
            "transactions WHERE user_id = $1"),
    }
}

const fn of_credit(section: Section) -> Reading {
    match section {
        Section::Decisions => reading!(timestamptz "decided_at", uuid "id",
            concat!("json_build_object('id', id, 'decided_at', ", instant!("decided_at"), ", 'outcome', outcome,
                'reason', reason, 'offer_id', offer_id, 'risk_score', risk_score, 'model_version', model_version,
                'model_digest', model_digest, 'policy_version', policy_version, 'policy_digest', policy_digest,
                'features', features, 'contributions', contributions, 'record', record)"),
            "decisions WHERE user_id = $1"),
        Section::Reviews => reading!(timestamptz "requested_at", uuid "id",
            concat!("json_build_object('id', id, 'decision_id', decision_id, 'requested_at', ", instant!("requested_at"),
                ", 'due_at', ", instant!("due_at"), ", 'comment', comment, 'claimed_at', ", instant!("claimed_at"),
                ", 'concluded_at', ", instant!("concluded_at"), ", 'outcome', outcome, 'explanation', explanation,
                'offer_id', offer_id)"),
            "decision_reviews WHERE user_id = $1"),
        Section::Notifications => reading!(bigint "sequence",
            concat!("json_build_object('id', id, 'sequence', sequence, 'type', type, 'title', title, 'message', message,
                'offer_id', offer_id, 'decision_id', decision_id, 'created_at', ", instant!("created_at"), ", 'stored_at', ",
                instant!("stored_at"), ", 'read_at', ", instant!("read_at"), ")"),
            "notifications WHERE user_id = $1"),
        Section::Webhooks => reading!(timestamptz "created_at", uuid "id",
            concat!("json_build_object('id', id, 'url', url, 'host', host, 'created_at', ", instant!("created_at"),
                ", 'failing_since', ", instant!("failing_since"), ", 'disabled_at', ", instant!("disabled_at"),
                ", 'disabled_reason', disabled_reason)"),
            "webhooks WHERE user_id = $1"),
        Section::WebhookDeliveries => reading!(uuid "webhook_id", uuid "notification_id",
            concat!("json_build_object('webhook_id', webhook_id, 'notification_id', notification_id, 'host', d.host,
                'state', state, 'attempts', attempts, 'next_attempt_at', ", instant!("next_attempt_at"),
                ", 'created_at', ", instant!("d.created_at"), ", 'log', log::text)"),
            "webhooks w JOIN webhook_deliveries d ON d.webhook_id = w.id WHERE w.user_id = $1"),
        _ => reading!(timestamptz "created_at", uuid "id",
            concat!("json_build_object('id', id, 'status', status, 'credit_limit', credit_limit,
                'interest_rate', interest_rate, 'credit_type', credit_type, 'expires_at', ", instant!("expires_at"),
                ", 'accepted_at', ", instant!("accepted_at"), ", 'activated_at', ", instant!("activated_at"),
                ", 'created_at', ", instant!("created_at"), ", 'updated_at', ", instant!("updated_at"), ")"),
            "credit_limits WHERE user_id = $1"),
    }
}

const fn of_work(section: Section) -> Reading {
    match section {
        // What an operator changed about somebody else is that one's affair.
        Section::Audit => reading!(bigint "number",
            concat!("json_build_object('number', number, 'at', ", instant!("('epoch'::timestamptz + at * interval '1 microsecond')"),
                ", 'actor', actor, 'act', act, 'subject', subject, 'before', CASE subject WHEN $1::uuid::text THEN was END,
                'after', CASE subject WHEN $1::uuid::text THEN became END)"),
            "(SELECT * FROM audit_entries WHERE subject = $1::uuid::text
                UNION ALL SELECT * FROM audit_entries WHERE actor = $1 AND subject <> $1::uuid::text) entries WHERE true"),
        Section::DeadLetters => reading!(bigint "row",
            concat!("json_build_object('event_id', event_id, 'subject', subject, 'group', \"group\", 'kind', kind,
                'reason', reason, 'history', history::text, 'payload', encode(payload, 'hex'),
                'schema_version', schema_version, 'request_id', request_id, 'created_at', ", instant!("created_at"),
                ", 'state', state, 'state_at', ", instant!("state_at"), ", 'replays', replays)"),
            "dead_letters WHERE key = $1"),
        Section::KeptAnswers => reading!(text "scope", text "key",
            concat!("json_build_object('key', key, 'call', substr(scope, 38), 'created_at', ", instant!("created_at"), ")"),
            "idempotency_keys WHERE scope >= $1::uuid::text || ' ' AND scope < $1::uuid::text || '!'"),
        Section::Outbox => reading!(bigint "row",
            "json_build_object('event_id', event_id, 'subject', subject, 'payload', encode(payload, 'hex'),
                'schema_version', schema_version, 'request_id', request_id)",
            "outbox WHERE key = $1"),
        _ => reading!(timestamptz "requested_at", uuid "id",
            concat!("json_build_object('id', id, 'requested_at', ", instant!("requested_at"), ", 'state', state,
                'done', done, 'total', total, 'finished_at', ", instant!("finished_at"), ", 'expires_at', ",
                instant!("expires_at"), ", 'bytes', bytes, 'failure', failure)"),
            "exports WHERE user_id = $1"),
    }
}
