//! A notification as its customer reads it, in the list and on the stream alike.

use std::time::Duration;

use ecs_domain::notification::NotificationKind;
use ecs_domain::{DecisionId, NotificationId, OfferId, Timestamp};
use ecs_store::{StoreError, StoredNotification};
use ecs_web::Problem;
use ecs_web::openapi::{Id, Instant, one_of};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::ObjectBuilder;

/// What a customer was told.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notification, examples(json!({
    "id": "5b3f1c52-8f0e-5c5b-9b43-0a4a6d1f2e77", "sequence": 7, "type": "CREDIT_LIMIT_APPLIED",
    "title": "Your credit limit is active",
    "message": "A credit limit of 5000.00 at 14.25 % per year is now available to you.",
    "offer_id": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e", "created_at": "2026-11-20T14:30:00Z", "read_at": null
})))]
pub(crate) struct Item {
    /// Its id: one activation or conclusion, one id.
    #[schema(value_type = Id)]
    id: NotificationId,
    /// Its number among the user's, from 1 and without gaps: what a stream goes on behind.
    #[schema(minimum = 1)]
    sequence: u64,
    /// What it is about.
    #[serde(rename = "type")]
    #[schema(schema_with = kinds)]
    kind: &'static str,
    /// A short headline.
    title: String,
    /// One or two sentences.
    message: String,
    /// The offer it speaks of; null where it speaks of none.
    #[schema(required, value_type = Option<Id>)]
    offer_id: Option<OfferId>,
    /// The decision it speaks of; there where it speaks of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Id>)]
    decision_id: Option<DecisionId>,
    /// When it was made.
    #[schema(value_type = Instant)]
    created_at: Timestamp,
    /// When the customer read it; null until then.
    #[schema(required, value_type = Option<Instant>)]
    read_at: Option<Timestamp>,
}

fn kinds() -> ObjectBuilder {
    one_of(NotificationKind::ALL.map(NotificationKind::as_str)).description(Some("What it is about."))
}

impl From<StoredNotification> for Item {
    fn from(StoredNotification { sequence, read_at, notification }: StoredNotification) -> Self {
        Self {
            id: notification.id,
            sequence,
            kind: notification.about.kind().as_str(),
            title: notification.title,
            message: notification.message,
            offer_id: notification.about.offer(),
            decision_id: notification.about.decision(),
            created_at: notification.created_at,
            read_at,
        }
    }
}

/// What a client hears when the store gives no answer.
pub(crate) fn problem(error: &StoreError) -> Problem {
    match error {
        StoreError::Unavailable(reason) => {
            tracing::warn!(reason, "notifications can't be reached");
            Problem::unavailable("store", Duration::from_secs(1))
        }
        StoreError::Taken(_) | StoreError::ClaimLost | StoreError::Stale | StoreError::Corrupt(_) => {
            Problem::internal(error)
        }
    }
}
