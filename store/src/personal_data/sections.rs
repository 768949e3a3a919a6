//! The sections: which there are, and what their rows are made of.

use super::Hidden;
use crate::sealed::column;

/// Lists every section once, with its name and the columns of its rows.
macro_rules! sections {
    ($($(#[doc = $about:literal])+ $name:ident = $text:literal [$($column:literal)*],)*) => {
        /// A part of what is held on a person. Its columns are called as in the tables.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Section {
            $($(#[doc = $about])+ $name,)*
        }

        impl Section {
            /// Every section there is, in the order of the archive.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name, which its files have.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// What it holds, for people.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($about),+).trim_ascii(),)*
                }
            }

            /// What each row has, in this order.
            #[must_use]
            pub const fn columns(self) -> &'static [&'static str] {
                match self {
                    $(Self::$name => &[$($column,)*],)*
                }
            }
        }
    };
}

sections! {
    /// The account, without the hash of its password.
    Profile = "profile" ["id" "email" "external_id" "created_at" "updated_at" "version"],
    /// What holds about each purpose.
    Consents = "consents" ["purpose" "granted" "text_version" "locale" "updated_at"],
    /// What was said about each purpose, one time after the other.
    ConsentHistory = "consent_history" ["purpose" "granted" "text_version" "locale" "said_at"],
    /// Transactions.
    Transactions = "transactions" [
        "id" "amount" "currency" "merchant" "category" "channel" "client_id" "created_at" "occurred_at"
    ],
    /// Raw emotion events, while they are kept.
    EmotionEvents = "emotion_events" [
        "event_id" "day" "occurred_at" "arrived_at" "kind" "positivity" "intensity" "stress"
    ],
    /// Sums and means of each day's emotions. Sums are of billionths.
    EmotionSummaries = "emotion_summaries" [
        "summary_date" "event_count" "stress_event_count" "positivity_sum" "intensity_sum" "stress_sum"
        "avg_positivity_score" "avg_intensity_score" "avg_stress_level" "updated_at"
    ],
    /// Ids of emotion events of which no more is kept: discarded ones, and those past their raw retention.
    EmotionEventIds = "emotion_event_ids" ["event_id" "day" "arrived_at" "fate"],
    /// Credit limits, offered, accepted, active and expired.
    CreditLimits = "credit_limits" [
        "id" "status" "credit_limit" "interest_rate" "credit_type" "expires_at" "accepted_at" "activated_at"
        "created_at" "updated_at"
    ],
    /// Decisions with what went into them and what each input contributed.
    Decisions = "decisions" [
        "id" "decided_at" "outcome" "reason" "offer_id" "risk_score" "model_version" "model_digest" "policy_version"
        "policy_digest" "features" "contributions" "record"
    ],
    /// Reviews of decisions that the person asked for, with what they and the officer said.
    Reviews = "decision_reviews" [
        "id" "decision_id" "requested_at" "due_at" "comment" "claimed_at" "concluded_at" "outcome" "explanation" "offer_id"
    ],
    /// Notifications.
    Notifications = "notifications" [
        "id" "sequence" "type" "title" "message" "offer_id" "decision_id" "created_at" "stored_at" "read_at"
    ],
    /// When sessions began and ended.
    Sessions = "sessions" ["started_at" "exchanged_at" "expires_at" "ended_at"],
    /// What the person may do beyond their own affairs.
    Access = "access" ["roles" "permissions" "granted_by" "granted_at"],
    /// What the person told of themselves: an age band, a region.
    Attributes = "attributes" ["told" "updated_at"],
    /// When the person was looked at without their asking, and what their features were then.
    Evaluations = "evaluations" ["changed_at" "due_at" "evaluated_at" "baseline"],
    /// Where notifications are sent to, without the secrets.
    Webhooks = "webhooks" ["id" "url" "host" "created_at" "failing_since" "disabled_at" "disabled_reason"],
    /// What became of sending them.
    WebhookDeliveries = "webhook_deliveries" [
        "webhook_id" "notification_id" "host" "state" "attempts" "next_attempt_at" "created_at" "log"
    ],
    /// What was done to the person, and by them. What was before and after is told of what concerns themselves alone.
    Audit = "audit" ["number" "at" "actor" "act" "subject" "before" "after"],
    /// Events that could not be worked on, with what they hold while they wait.
    DeadLetters = "dead_letters" [
        "event_id" "subject" "group" "kind" "reason" "history" "payload" "schema_version" "request_id" "created_at"
        "state" "state_at" "replays"
    ],
    /// That answers are kept for repeated requests, and under which keys.
    KeptAnswers = "kept_answers" ["key" "call" "created_at"],
    /// What is to be published about the person and wasn't yet.
    Outbox = "outbox" ["event_id" "subject" "payload" "schema_version" "request_id"],
    /// Archives that were asked for.
    Exports = "exports" [
        "id" "requested_at" "state" "done" "total" "finished_at" "expires_at" "bytes" "failure"
    ],
}

impl Section {
    /// The columns that engines hand on as they are kept, and how that is.
    #[must_use]
    pub const fn hidden(self) -> &'static [(&'static str, Hidden)] {
        use Hidden::{Bytes, Json, SealedJson, SealedText};
        match self {
            Self::Profile => {
                &[("email", SealedText(column::EMAIL)), ("external_id", SealedText(column::EXTERNAL_ID))]
            }
            Self::Attributes => &[("told", SealedJson(column::ATTRIBUTES))],
            Self::Decisions => &[
                ("reason", SealedText(column::REASON)),
                ("record", SealedJson(column::RECORD)),
                ("features", SealedJson(column::FEATURES)),
                ("contributions", SealedJson(column::CONTRIBUTIONS)),
            ],
            Self::Evaluations => &[("baseline", SealedJson(column::BASELINE))],
            Self::Reviews => {
                &[("comment", SealedText(column::COMMENT)), ("explanation", SealedText(column::EXPLANATION))]
            }
            Self::WebhookDeliveries => &[("log", Json)],
            Self::Audit => &[("before", SealedJson(column::WAS)), ("after", SealedJson(column::BECAME))],
            Self::DeadLetters => &[("history", Json), ("payload", Bytes)],
            Self::Outbox => &[("payload", Bytes)],
            Self::Consents
            | Self::ConsentHistory
            | Self::Transactions
            | Self::EmotionEvents
            | Self::EmotionSummaries
            | Self::EmotionEventIds
            | Self::CreditLimits
            | Self::Notifications
            | Self::Sessions
            | Self::Access
            | Self::Webhooks
            | Self::KeptAnswers
            | Self::Exports => &[],
        }
    }
}
